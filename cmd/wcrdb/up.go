package main

import (
	"github.com/spf13/cobra"

	"github.com/witchcityrope/database/internal/console"
	"github.com/witchcityrope/database/internal/operation"
)

func newUp(given *options) *cobra.Command {
	var said answers
	command := &cobra.Command{
		Use:   "up",
		Short: "Make the database what the stack file declares",
		Long: `Make the database what the stack file declares.

What was changed by hand since the last run is found and put right; what a run
that was killed has left is finished. Run it again whenever in doubt.

Where something is there already, it shows first what the changes mean. Before
sessions are interrupted it asks; --yes answers. Data loss, and a replace that
nobody can explain, are refused unless --allow names the resource.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			approver := newApprover(command.Context(), given, screen, "up", said)
			op.Approve = approver.approve
			op.ReuseSlots, op.EndSessions = said.force, said.terminate
			report, err := op.Up(command.Context())
			approver.stop()
			if err != nil {
				return err
			}
			if given.json {
				return writeJSON(report)
			}
			summarize(screen, given.stack, report)
			return nil
		},
	}
	command.Flags().BoolVar(&said.yes, "yes", false, "do not ask before sessions are interrupted")
	command.Flags().StringArrayVar(&said.allow, "allow", nil, "name of a resource whose data may be lost, or that may be replaced for whatever reason (repeatable)")
	command.Flags().BoolVar(&said.force, "force", false, "rotate the password of a login though it has sessions left: they live until they end, and cannot log in again")
	command.Flags().BoolVar(&said.terminate, "terminate", false, "rotate the password of a login though it has sessions left, and end those")
	return command
}

// summarize says what changed, how to connect and how long it took.
func summarize(screen *console.Console, stack string, report operation.Report) {
	screen.Print("\nstack %s: %s in %.1f s\n", stack, describe(report.Result), report.Seconds)
	for _, warning := range report.Warnings {
		screen.Print("warning: %s\n", warning)
	}
	if host, port := report.Server["host"], report.Server["port"]; host != nil {
		screen.Print("server:  %v:%v on this host", host, port)
		if network := report.Server["network"]; network != nil {
			screen.Print("; %v:5432 in Docker network %v", report.Server["networkAlias"], network)
		}
		screen.Print("\n")
	}
	if report.CA != "" {
		screen.Print("CA:      %s\n", report.CA)
	}
	screen.Print("connect: wcrdb outputs -s %s --show-secrets\n", stack)
}
