package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/witchcityrope/database/internal/operation"
	"github.com/witchcityrope/database/internal/restore"
)

func newRestore(given *options) *cobra.Command {
	var options operation.RestoreOptions
	var yes bool
	command := &cobra.Command{
		Use:   "restore --from BACKUP",
		Short: "Put the database back from a backup, beside the old one, which is kept",
		Long: `Put the database back from a backup, beside the old one, which is kept.

The backup goes into a new database, which is compared with the backup's manifest:
every table, the rows of each, extensions, the last migration. Only then, in one
transaction, it takes the old one's name, privileges and settings; sessions are
ended, and clients connect again. The old one is called <name>_before_<time> until
wcrdb databases drop.

With --table, single tables go into the running database instead; those that are
there now are moved into schema before_<time>, with indexes and sequences. Foreign
keys and views then refer to the restored ones.

Killed at any moment, it has done all of it or nothing; what it has left aside, the
next restore removes.

` + strings.TrimSuffix(exitStatuses, ",") + `.`,
		Args: cobra.NoArgs,
		PreRunE: func(*cobra.Command, []string) error {
			if options.From == "" {
				return status{errors.New("--from: which backup? name its id or directory; wcrdb backups lists them"), exitUsage}
			}
			return nil
		},
		RunE: func(command *cobra.Command, _ []string) error {
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			if !yes {
				what := "everything that came after the backup is in the kept one only"
				if err := confirm(command.Context(), fmt.Sprintf("This exchanges data of stack %s: %s.", given.stack, what), given.stack); err != nil {
					return err
				}
			}
			stop := screen.Start("restore " + given.stack)
			report, err := op.Restore(command.Context(), options)
			stop()
			if err != nil {
				return status{err, restore.ReasonOf(err).Status()}
			}
			if given.json {
				err = writeJSON(report)
			} else {
				screen.Print("stack %s: %d tables with %d rows restored from %s in %.1f s\n", given.stack, report.Tables, report.Rows, report.Backup, report.Seconds)
				if report.Away > 0 {
					screen.Print("away:    %.2f s\n", report.Away)
				}
				if report.Kept != "" {
					screen.Print("kept:    %s\n", report.Kept)
				}
				for _, key := range report.Unchecked {
					screen.Print("warning: foreign key holds for new rows only: %s\n", key)
				}
				for _, cell := range report.Access.Failing {
					screen.Print("%s\n", cell)
				}
				screen.Print("access:  %d cells compared, %d not as declared\n", report.Access.Cells, len(report.Access.Failing))
			}
			if err == nil && len(report.Access.Failing) > 0 {
				err = fmt.Errorf("stack %s: the data is restored, and %d cells of the access contract are not as declared: "+
					"they were not when the backup was made; wcrdb up puts right what it declares", given.stack, len(report.Access.Failing))
			}
			return err
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.From, "from", "", "the backup's id, or its directory")
	flags.StringArrayVar(&options.Tables, "table", nil, "restore only this table, as schema.name in the letters that it has (repeatable)")
	flags.StringVar(&options.IdentityFile, "identity", "", "file of the private age key, where the backup is encrypted")
	flags.IntVar(&options.Jobs, "jobs", 0, "how many tables and indexes are restored at once; 0: one for each CPU of the server")
	flags.BoolVar(&yes, "yes", false, "do not ask")
	return command
}
