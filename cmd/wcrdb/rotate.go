package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/consequence"
	"github.com/witchcityrope/database/internal/operation"
)

func newRotate(given *options) *cobra.Command {
	var yes, force, terminate bool
	command := &cobra.Command{
		Use:   "rotate [login]",
		Short: "Change passwords: all, one login's, or all together with the root secret (root)",
		Long: `Change passwords: all, one login's (` + joined(config.LoginNames) + `,
or a login of access.roles), or all together with the root secret that they are
derived from (root).

It raises a number in the stack file, shows what that changes, asks, and brings
the stack up; commit the stack file afterwards. Killed in between, wcrdb up
finishes.

app and migrator have two logins each, by turns: the one that clients use keeps
working until the next rotation, so that they can move to the other in their own
time. A login whose turn it is again must have no sessions left. The others have
one: hand out the new password right away (wcrdb outputs).

After root, the logins that clients move away from still have passwords of the
previous root secret; the next rotation of all replaces them, and takes the
previous root secret out of the stack file.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			login := ""
			if len(args) == 1 {
				login = args[0]
			}
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			logins, err := op.Logins()
			if err != nil {
				return err
			}
			if login != "" && login != operation.RootSecret && !slices.Contains(logins, login) {
				return status{fmt.Errorf("no login %s: known are %s, and %s for the root secret", login, joined(logins), operation.RootSecret), exitUsage}
			}
			approver := newApprover(command.Context(), given, screen, "rotate", answers{yes: yes})
			op.Approve = func(forecast consequence.Forecast) error {
				if err := approver.approve(forecast); err != nil || approver.yes {
					return err
				}
				resume := approver.pause()
				defer resume()
				err := goOn(command.Context(), "This changes passwords.")
				approver.yes = err == nil
				return err
			}
			op.ReuseSlots, op.EndSessions = force, terminate
			report, err := op.Rotate(command.Context(), login)
			approver.stop()
			if err != nil {
				return err
			}
			if given.json {
				return writeJSON(report)
			}
			summarize(screen, given.stack, report)
			screen.Print("commit:  %s\n", op.Project.StackFile(given.stack))
			return nil
		},
	}
	command.Flags().BoolVar(&yes, "yes", false, "do not ask")
	command.Flags().BoolVar(&force, "force", false, "reuse a login though it has sessions: they live until they end, and cannot log in again")
	command.Flags().BoolVar(&terminate, "terminate", false, "reuse a login though it has sessions, and end those")
	return command
}
