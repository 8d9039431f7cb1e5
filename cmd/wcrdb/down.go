package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newDown(given *options) *cobra.Command {
	var yes bool
	command := &cobra.Command{
		Use:   "down",
		Short: "Delete the container, its networks and, unless protected, its data",
		Long: `Delete the container, its networks and, unless protected, its data.

Protected data (storage.protect) stays, and the next up takes it over. A stack
with protected data asks before anything is deleted; --yes answers it.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			stack, _, err := op.Project.Config(given.stack)
			if err != nil {
				return err
			}
			if stack.Storage.Protect && !yes {
				if err := confirm(command.Context(), fmt.Sprintf("This stops the database of stack %s; its data in %s stays.", given.stack, stack.Storage.Volume), given.stack); err != nil {
					return err
				}
			}
			stop := screen.Start("down " + given.stack)
			report, err := op.Down(command.Context())
			stop()
			if err != nil {
				return err
			}
			if given.json {
				return writeJSON(report)
			}
			screen.Print("\nstack %s: %s in %.1f s\n", given.stack, describe(report.Result), report.Seconds)
			if stack.Storage.Protect {
				screen.Print("data:    kept in volume %s\n", stack.Storage.Volume)
			}
			return nil
		},
	}
	command.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return command
}
