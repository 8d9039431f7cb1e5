package main

import (
	"errors"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/witchcityrope/database/internal/backup"
	"github.com/witchcityrope/database/internal/console"
)

func newBackup(given *options) *cobra.Command {
	var dir string
	command := &cobra.Command{
		Use:   "backup",
		Short: "Back the database up, complete or not at all",
		Long: `Back the database up, complete or not at all.

A backup is a directory: the dump (database.dump) and, if configured, the same as
SQL; roles without passwords; settings; extensions; and a manifest with sizes,
checksums, and the rows of each table as they are in the dump. It is written
aside and renamed when it is whole.

Exit status: 20 the disk is full, 21 the server is gone, 22 the password is wrong,
23 not permitted, 24 the clock moved back, 25 another backup is under way,
26 interrupted.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			stop := screen.Start("backup of " + given.stack)
			made, err := op.Backup(command.Context(), dir, func(progress backup.Progress) { screen.Progress(progress.Percent(), progress.String()) })
			stop()
			if err != nil {
				return ofBackup(err)
			}
			if given.json {
				return writeJSON(made)
			}
			screen.Print("backup %s of stack %s: %d tables, %s in %s (%s/s), verified\n%s\n", made.ID, given.stack, len(made.Tables),
				size(made.Size()), shortly(made.Duration()), size(int64(float64(made.DatabaseBytes)/made.Duration().Seconds())), made.Dir)
			return nil
		},
	}
	command.Flags().StringVar(&dir, "out", "", "directory of this machine to make it in, instead of where the stack keeps its backups")
	return command
}

// ofBackup gives a fault of a backup its exit status.
func ofBackup(err error) error { return status{err, backup.Status(err)} }

func shortly(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }

func newBackups(given *options) *cobra.Command {
	var dir string
	var verify bool
	command := &cobra.Command{
		Use:   "backups",
		Short: "List the backups that there are",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			found, err := op.Backups(command.Context(), dir, verify)
			if err != nil {
				return ofBackup(err)
			}
			if given.json {
				if found == nil {
					found = []backup.Backup{}
				}
				return writeJSON(found)
			}
			if len(found) == 0 {
				screen.Print("stack %s: there is no backup\n", given.stack)
				return nil
			}
			showBackups(screen, found)
			for _, each := range found {
				if verify && !each.Good() {
					return status{errors.New("not every backup is whole"), backup.Status(backup.ErrIncomplete)}
				}
			}
			return nil
		},
	}
	command.Flags().StringVar(&dir, "dir", "", "directory of this machine, instead of where the stack keeps its backups")
	command.Flags().BoolVar(&verify, "verify", false, "read each and hold it to its manifest")
	return command
}

func showBackups(screen *console.Console, found []backup.Backup) {
	rows := [][]any{}
	for _, each := range found {
		if each.FinishedAt.IsZero() {
			rows = append(rows, []any{each.ID, "", "", "", "", each.Fault})
			continue
		}
		encrypted := "no"
		if len(each.Recipients) > 0 {
			encrypted = "yes"
		}
		rows = append(rows, []any{
			each.ID, units.HumanDuration(time.Since(each.FinishedAt)), size(each.Size()), shortly(each.Duration()), encrypted, verified(each),
		})
	}
	screen.Table([]any{"backup", "age", "size", "took", "encrypted", "verified"}, rows)
}

func verified(each backup.Backup) string {
	switch {
	case !each.Good():
		return "BAD: " + each.Fault
	case each.Verified == nil:
		return "never"
	default:
		return each.Verified.At.Local().Format(time.DateTime)
	}
}
