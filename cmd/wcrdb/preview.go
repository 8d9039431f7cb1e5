package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/witchcityrope/database/internal/console"
	"github.com/witchcityrope/database/internal/engine"
)

func newPreview(given *options) *cobra.Command {
	var expectNone, refresh, markdown bool
	command := &cobra.Command{
		Use:   "preview",
		Short: "Show what up would change and what that means, and change nothing",
		Long: `Show what up would change and what that means, and change nothing.

Each change has a class: online, reload, new sessions, restart, container
replaced (its data kept), or data loss.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			op.Watch = nil // the table says it all
			if err := given.only(markdown); err != nil {
				return err
			}
			if markdown {
				op.Report = func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
			}
			report, err := op.Preview(command.Context(), refresh)
			if err != nil {
				return err
			}
			switch {
			case given.json:
				err = writeJSON(report)
			case markdown:
				screen.Print("%s", markdownOf(report))
			default:
				showForecast(screen, report)
			}
			return expected(err, expectNone, report.Result)
		},
	}
	command.Flags().BoolVar(&markdown, "markdown", false, "write Markdown for the comment on a pull request to standard output")
	command.Flags().BoolVar(&expectNone, "expect-no-changes", false, "exit with status 7 if there are any")
	command.Flags().BoolVar(&refresh, "refresh", false, "look at what was changed by hand, too (needs the server)")
	return command
}

func newRefresh(given *options) *cobra.Command {
	var expectNone bool
	command := &cobra.Command{
		Use:   "refresh",
		Short: "Find what was changed by hand; the next up puts it right",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			op.Watch = nil
			report, err := op.Refresh(command.Context())
			if err != nil {
				return err
			}
			if given.json {
				err = writeJSON(report)
			} else {
				showChanges(screen, report.Result, "everything is as declared")
			}
			return expected(err, expectNone, report.Result)
		},
	}
	command.Flags().BoolVar(&expectNone, "expect-no-changes", false, "exit with status 7 if there are any")
	return command
}

// expected turns changes that were not expected into their exit status.
func expected(err error, none bool, result engine.Result) error {
	if err == nil && none && len(result.Changes) > 0 {
		return status{fmt.Errorf("stack %s: %d changes pending", result.Stack, len(result.Changes)), exitPending}
	}
	return err
}

func showChanges(screen *console.Console, result engine.Result, none string) {
	for _, warning := range result.Warnings {
		screen.Print("warning: %s\n", warning)
	}
	if len(result.Changes) == 0 {
		screen.Print("stack %s: %s\n", result.Stack, none)
		return
	}
	var rows [][]any
	for _, change := range result.Changes {
		rows = append(rows, []any{change.Operation, change.Name, change.Type, joined(change.Properties)})
	}
	screen.Table([]any{"change", "resource", "type", "what differs"}, rows)
	screen.Print("stack %s: %s\n", result.Stack, describe(result))
}
