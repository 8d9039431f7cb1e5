package main

import (
	"fmt"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/witchcityrope/database/internal/operation"
	"github.com/witchcityrope/database/internal/receipt"
	"github.com/witchcityrope/database/internal/restore"
)

func newDrill(given *options) *cobra.Command {
	var options operation.DrillOptions
	command := &cobra.Command{
		Use:   "drill",
		Short: "Prove a backup in a throwaway server, and keep a receipt",
		Long: `Prove a backup in a throwaway server, and keep a receipt.

The newest backup, or the one given, is restored in memory, by the image that it
was made with, on a network with no way out. Proven are: its files against the
manifest, roles, extensions, the rows of every table, the last migration, ownership
and grants by the access contract, a login as each role, and every table and index
by pg_amcheck. The receipt says how long the restore took and how old the backup
was. Needed are Docker with the image, and the private key of an encrypted backup;
not the stack's server.

` + exitStatuses + `
38 a login fails, 39 access is not as declared, 40 pg_amcheck finds corruption.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			stop := screen.Start("drill " + given.stack)
			made, path, err := op.Drill(command.Context(), options)
			stop()
			if err != nil {
				return err
			}
			if given.json {
				err = writeJSON(made)
			} else {
				if made.Good {
					screen.Print("stack %s: backup %s is good: restored in %.1f s; %s would have been lost\n", given.stack, made.Backup, made.RestoreSeconds, lost(made.Age()))
				}
				screen.Print("receipt: %s\n", path)
			}
			if err == nil && !made.Good {
				err = status{fmt.Errorf("stack %s: backup %s is no good: %s", given.stack, made.Backup, made.Fault), restore.Reason(made.Reason).Status()}
			}
			return err
		},
	}
	flags := command.Flags()
	flags.StringVar(&options.From, "from", "", "the backup's id, or its directory; the newest if not given")
	flags.StringVar(&options.IdentityFile, "identity", "", "file of the private age key, where the backup is encrypted")
	return command
}

func newDrills(given *options) *cobra.Command {
	return &cobra.Command{
		Use:   "drills",
		Short: "List the receipts of drills that this machine has",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			found, err := op.Drills()
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
			screen.Table([]any{"drill", "backup", "result", "restored in", "age", "rows", "image"}, receiptRows(found))
			return nil
		},
	}
}

func receiptRows(found []receipt.Receipt) (rows [][]any) {
	for _, one := range found {
		restored := "-"
		if one.RestoreSeconds > 0 {
			restored = fmt.Sprintf("%.1f s", one.RestoreSeconds)
		}
		rows = append(rows, []any{one.At.Local().Format(time.DateTime), one.Backup, one.Result(), restored, lost(one.Age()), one.Rows, short(one.Image)})
	}
	return rows
}

// lost is how much time a backup's age would cost.
func lost(age time.Duration) string {
	if age < time.Minute {
		return fmt.Sprintf("%.0f s", age.Seconds())
	}
	return units.HumanDuration(age)
}

func short(digest string) string { return digest[:min(len(digest), len("sha256:")+12)] }

// exitStatuses are those of what is wrong with a backup.
const exitStatuses = `Exit status: 27 the backup is incomplete, 28 no key fits, 30 a file is truncated,
31 a file is damaged, 32 wrong major, 33 missing role, 34 missing extension,
35 unreadable dump, 36 pg_restore failed, 37 the content is not as in the manifest,`
