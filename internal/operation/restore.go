package operation

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/backup"
	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/live"
	"github.com/witchcityrope/database/internal/pgtools"
	"github.com/witchcityrope/database/internal/privileges/inspect"
	"github.com/witchcityrope/database/internal/restore"
)

// RestoreOptions say what is restored, and from where.
type RestoreOptions struct {
	// From is a backup's id or directory.
	From string
	// IdentityFile has the private key of an encrypted backup.
	IdentityFile string
	// Tables are the only ones to restore, as schema.name; all if empty.
	Tables []string
	// Jobs of pg_restore; one for each CPU of the server if 0.
	Jobs int
}

// RestoreReport is what a restore did.
type RestoreReport struct {
	Stack    string `json:"stack"`
	Database string `json:"database"`
	Backup   string `json:"backup"`
	// Kept is where the old data is: a database, or a schema in this one where
	// single tables were restored; empty if there was none.
	Kept   string `json:"kept"`
	Tables int    `json:"tables"`
	Rows   int64  `json:"rows"`
	// Unchecked are foreign keys that rows which came after the backup break.
	Unchecked []string `json:"unchecked,omitempty"`
	// Seconds that it took, and those of them in which nobody could log in.
	Seconds float64 `json:"seconds"`
	Away    float64 `json:"secondsAway"`
	// Access is the proof that everybody may do what is declared.
	Access inspect.Verification `json:"access"`
}

// Restore puts the stack's database back from a backup. The old one stays
// beside it, as do old tables.
func (o *Operation) Restore(ctx context.Context, options RestoreOptions) (report RestoreReport, err error) {
	began := time.Now()
	err = o.runningAlone(ctx, func(server live.Server) (err error) {
		from, identities, done, err := o.backupFrom(ctx, options.From, options.IdentityFile)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, done()) }()
		if err := o.mayHold(from.Manifest); err != nil {
			return err
		}
		report = RestoreReport{Stack: o.Stack, Database: o.config.Database.Name, Backup: from.ID}
		o.Report("backup %s of %s: reading all of it", from.ID, from.StartedAt.Local().Format(time.DateTime))
		if err := restore.Intact(ctx, from, identities); err != nil {
			return err
		}
		return restore.Exclusively(ctx, server.Superuser, o.config.Database.Name, o.Report, func(session *pgx.Conn) (err error) {
			for _, check := range []func(context.Context, *pgx.Conn, backup.Manifest) error{restore.Fits, restore.RolesThere} {
				if err := check(ctx, session, from.Manifest); err != nil {
					return err
				}
			}
			filling := restore.Filling{From: from, Identities: identities, Jobs: o.jobs(options.Jobs)}
			tools, err := o.superuserTools(ctx, server, session, filling.Decrypted())
			if errors.Is(err, pgtools.ErrMemory) {
				err = fmt.Errorf("backup %s: its dump, decrypted: %w, or --jobs 1, which needs no file", from.ID, err)
			}
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, tools.Close(ctx)) }()
			filling.Tools = tools
			if err := filling.Stage(ctx); err != nil {
				return err
			}
			if len(options.Tables) > 0 {
				return o.restoreTables(ctx, server, session, filling, options.Tables, &report)
			}
			return o.restoreAll(ctx, server, session, filling, &report)
		})
	})
	if err != nil {
		return report, err
	}
	report.Seconds = time.Since(began).Seconds()
	report.Access, err = o.VerifyAccess(ctx)
	return report, err
}

// restoreAll fills a database beside the stack's, compares it with the
// manifest, and has it take the stack's database's name.
func (o *Operation) restoreAll(ctx context.Context, server live.Server, session *pgx.Conn, filling restore.Filling, report *RestoreReport) error {
	database, now := o.config.Database.Name, time.Now()
	next, err := restore.Beside(database, restore.Restoring, now)
	if err != nil {
		return err
	}
	kept, err := restore.Beside(database, restore.Before, now)
	if err != nil {
		return err
	}
	return restore.Create(ctx, session, database, next, func() error {
		o.Report("restoring into database %s, with %d jobs", next, filling.Jobs)
		if err := filling.Restore(ctx, "--dbname="+next); err != nil {
			return err
		}
		if err := o.within(ctx, server, next, func(session *pgx.Conn) error {
			o.Report("comparing it with the backup's manifest")
			report.Rows, err = restore.Same(ctx, session, filling.From.Manifest, false)
			if err == nil {
				_, err = session.Exec(ctx, "ANALYZE")
			}
			return err
		}); err != nil {
			return err
		}
		began := time.Now()
		if err := restore.Swap(ctx, server.Superuser, restore.Exchange{Database: database, Next: next, Kept: kept}); err != nil {
			return err
		}
		report.Away, report.Kept, report.Tables = time.Since(began).Seconds(), kept, len(filling.From.Tables)
		return nil
	})
}

// within opens a session as the superuser in a database for do.
func (o *Operation) within(ctx context.Context, server live.Server, database string, do func(*pgx.Conn) error) error {
	session, err := server.Superuser(ctx, database)
	if err != nil {
		return err
	}
	return errors.Join(do(session), session.Close(context.WithoutCancel(ctx)))
}

// superuserTools are PostgreSQL's programs, logged in as the superuser by the
// network of administration: the rules of access let him in from nowhere else.
func (o *Operation) superuserTools(ctx context.Context, server live.Server, session *pgx.Conn, files int64) (*pgtools.Container, error) {
	image, err := o.runningImage(ctx, server)
	if err != nil {
		return nil, err
	}
	var authorities []byte
	if o.config.TLS.Enabled {
		authorities = server.CA
	}
	return pgtools.Start(ctx, pgtools.Options{
		Engine: server.Engine, Image: image, Network: o.config.Network.AdminName, Host: o.config.Server.Name, CAPEM: authorities,
		Login: o.config.Target.Username, Password: session.Config().Password, // the one that is right now
		Name: o.config.Server.Name, Labels: o.labels(), CPUs: 2, Files: files,
	})
}

// runningImage is the image of the container as it runs.
func (o *Operation) runningImage(ctx context.Context, server live.Server) (string, error) {
	found, there, err := dockerengine.Container(ctx, server.Engine, server.Container)
	if err == nil && !there {
		err = fmt.Errorf("container %s is gone", server.Container)
	}
	if err != nil {
		return "", err
	}
	return found.Image, nil
}

func (o *Operation) labels() map[string]string {
	return dockerengine.LabelsOf(o.config.Project, o.Stack)
}

func (o *Operation) jobs(asked int) int {
	if asked > 0 {
		return asked
	}
	return max(1, int(o.config.Server.CPUs))
}

// backupFrom opens a backup by its directory or id, and the private keys for it;
// the newest that is whole if it has no name. done removes what had to be copied.
func (o *Operation) backupFrom(ctx context.Context, from, identityFile string) (found *backup.Backup, identities []age.Identity, done func() error, err error) {
	if identities, err = readIdentities(identityFile); err != nil {
		return nil, nil, nil, err
	}
	if from == "" {
		if from, err = o.newestBackup(ctx); err != nil {
			return nil, nil, nil, err
		}
	}
	found, done, err = o.openBackup(ctx, from)
	return found, identities, done, restore.OfBackup(err)
}

func (o *Operation) newestBackup(ctx context.Context) (string, error) {
	backups, err := o.Backups(ctx, "", false)
	if err != nil {
		return "", err
	}
	for _, found := range backups {
		if found.Good() {
			return found.ID, nil
		}
	}
	return "", fmt.Errorf("stack %s: there is no backup: make one (wcrdb backup -s %[1]s), or name one with --from", o.Stack)
}

func readIdentities(path string) ([]age.Identity, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	defer file.Close()
	identities, err := age.ParseIdentities(file)
	if err != nil {
		return nil, fmt.Errorf("private key in %s: it is none of age's (AGE-SECRET-KEY-1…), which age-keygen makes", path)
	}
	return identities, nil
}

// restoreTables puts single tables back into the stack's database as it runs.
func (o *Operation) restoreTables(ctx context.Context, server live.Server, session *pgx.Conn, filling restore.Filling, names []string, report *RestoreReport) error {
	wanted, err := restore.Find(filling.From.Manifest, names)
	if err != nil {
		return err
	}
	database, now := o.config.Database.Name, time.Now()
	side, err := restore.Beside(database, restore.Restoring, now)
	if err != nil {
		return err
	}
	return restore.Create(ctx, session, database, side, func() (err error) {
		o.Report("restoring %d tables by way of database %s", len(wanted), side)
		done, err := restore.Tables{Filling: filling, Database: database, Side: side, Names: wanted, Kept: restore.KeptSchema(now)}.Restore(ctx, server.Superuser)
		report.Kept, report.Tables, report.Rows, report.Unchecked = done.Kept, len(wanted), done.Rows, done.Unchecked
		return errors.Join(err, restore.Remove(ctx, session, side))
	})
}
