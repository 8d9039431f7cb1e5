package main

import (
	"fmt"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"
)

func newDatabases(given *options) *cobra.Command {
	command := &cobra.Command{
		Use:   "databases",
		Short: "List the databases that restores have kept beside the stack's",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			found, err := op.Databases(command.Context())
			if err != nil {
				return err
			}
			if given.json {
				return writeJSON(found)
			}
			if len(found) == 0 {
				screen.Print("stack %s: none\n", given.stack)
				return nil
			}
			var rows [][]any
			for _, one := range found {
				rows = append(rows, []any{one.Name, one.Kind, one.Since.Local().Format(time.DateTime), units.BytesSize(float64(one.Bytes))})
			}
			screen.Table([]any{"database", "kind", "since", "size"}, rows)
			return nil
		},
	}
	command.AddCommand(newDatabasesDrop(given))
	return command
}

func newDatabasesDrop(given *options) *cobra.Command {
	var yes bool
	command := &cobra.Command{
		Use:   "drop NAME",
		Short: "Drop a database that a restore has kept; it has to be named exactly",
		Args:  cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			if !yes {
				if err := confirm(command.Context(), fmt.Sprintf("This drops database %s of stack %s for good.", args[0], given.stack), args[0]); err != nil {
					return err
				}
			}
			if err := op.DropDatabase(command.Context(), args[0]); err != nil {
				return err
			}
			if given.json {
				return writeJSON(map[string]string{"dropped": args[0]})
			}
			screen.Print("stack %s: database %s is dropped\n", given.stack, args[0])
			return nil
		},
	}
	command.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return command
}
