package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/witchcityrope/database/internal/console"
	"github.com/witchcityrope/database/internal/health"
)

// Exit statuses of health.
const (
	exitWarning  = 1
	exitCritical = 2
)

func newHealth(given *options) *cobra.Command {
	var script string
	command := &cobra.Command{
		Use:   "health",
		Short: "Say whether the database is healthy, and what to do if not",
		Long: `Say whether the database is healthy, and what to do if not.

It looks at the container, logs in as the application from a container on the
API's network, and asks the server; it changes nothing. The limits are those of
health in the stack file.

The exit status is 0 where all is healthy, 1 where something is worth a warning,
and 2 where something is critical, or could not be looked at.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			failed := func(err error) error {
				return status{partly(given, true, health.Unjudged(given.stack, time.Now(), err), err), exitCritical}
			}
			op, screen, err := given.begin()
			if err != nil {
				return failed(err)
			}
			result, err := op.Health(command.Context(), script)
			if err != nil {
				return failed(err)
			}
			if given.json {
				err = writeJSON(result)
			} else {
				showHealth(screen, result)
			}
			switch {
			case err != nil:
				return status{err, exitCritical}
			case result.Status == health.Critical:
				return status{unhealthy(result), exitCritical}
			case result.Status == health.Warning:
				return status{unhealthy(result), exitWarning}
			}
			return nil
		},
	}
	command.Flags().StringVar(&script, "sql", "", "script of migrations (dotnet ef migrations script --idempotent): all of its must be applied")
	return command
}

// showHealth writes what was found, and below it what to do.
func showHealth(screen *console.Console, result health.Result) {
	var rows [][]any
	for _, finding := range result.Findings {
		rows = append(rows, []any{finding.Check, finding.Status, finding.Value, finding.Threshold})
	}
	screen.Table([]any{"check", "status", "value", "threshold"}, rows)
	for _, finding := range result.Findings {
		if finding.Remedy != "" {
			screen.Print("%s: %s\n", finding.Check, finding.Remedy)
		}
	}
	screen.Print("stack %s: %s\n", result.Stack, result.Status)
}

// unhealthy says how many checks are not healthy.
func unhealthy(result health.Result) error {
	counts := map[health.Status]int{}
	for _, finding := range result.Findings {
		counts[finding.Status]++
	}
	return fmt.Errorf("stack %s is not healthy; critical: %d, worth a warning: %d", result.Stack, counts[health.Critical], counts[health.Warning])
}
