package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/witchcityrope/database/internal/pgtools"
)

// Source is what is backed up.
type Source struct {
	// Session is one of the backup's login in the database, used by nobody else.
	Session *pgx.Conn
	// Tools are connected to the same server, as the same login.
	Tools pgtools.Runner
	// Project, Stack and ImageDigest are written into the manifest.
	Project, Stack, ImageDigest string
}

// Options say what is made of it, and where.
type Options struct {
	// Dir is where the backup gets a directory of its own.
	Dir string
	// Formats are Custom, which there always is, and Plain.
	Formats []string
	// Recipients are public age keys; nothing is encrypted if there are none.
	Recipients []string
	// Report is told how far it is, about every half second; may be nil.
	Report func(Progress)
	// Say is told what was found and put right; may be nil.
	Say func(line string)
}

// Make makes a backup, complete or not at all.
func Make(ctx context.Context, source Source, options Options) (_ *Backup, err error) {
	recipients, err := parse(options.Recipients)
	if err != nil {
		return nil, err
	}
	place, err := enter(options.Dir, options.Say)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, place.leave()) }()
	manifest := &Manifest{
		Project: source.Project, Stack: source.Stack, ImageDigest: source.ImageDigest, Recipients: options.Recipients, Formats: options.Formats,
	}
	snapshot := &snapshot{session: source.Session, manifest: manifest}
	defer func() { err = errors.Join(err, snapshot.end(ctx)) }()
	manifest.StartedAt = time.Now().UTC()
	if err := place.clock(manifest.StartedAt); err != nil {
		return nil, err
	}
	if err := snapshot.take(ctx); err != nil {
		return nil, snapshot.onServer(ctx, err)
	}
	if err := place.begin(manifest); err != nil {
		return nil, err
	}
	run := &run{source: source, options: options, snapshot: snapshot, dir: place.part, recipients: recipients}
	if err := run.all(ctx); err != nil {
		return nil, errors.Join(err, place.abandon())
	}
	manifest.FinishedAt = time.Now().UTC()
	if manifest.FinishedAt.Round(0).Before(manifest.StartedAt.Round(0)) {
		return nil, errors.Join(fmt.Errorf("%w while the backup was made: it began at %s, and it is %s now; set the clock, and make it again", ErrClock,
			manifest.StartedAt.Format(time.RFC3339), manifest.FinishedAt.Format(time.RFC3339)), place.abandon())
	}
	made, err := place.commit(manifest)
	if err != nil {
		return nil, errors.Join(onDisk(options.Dir, err), place.abandon())
	}
	return made, nil
}

func parse(keys []string) ([]age.Recipient, error) {
	var recipients []age.Recipient
	for _, key := range keys {
		recipient, err := age.ParseX25519Recipient(key)
		if err != nil {
			return nil, fmt.Errorf("backup.recipients: %q is no public age key: %w; age-keygen writes one", key, err)
		}
		recipients = append(recipients, recipient)
	}
	return recipients, nil
}

// run is the making of one backup's files.
type run struct {
	source     Source
	options    Options
	snapshot   *snapshot
	dir        string
	recipients []age.Recipient
	course     *course
}

func (r *run) all(ctx context.Context) error {
	formats := []string{Custom}
	if slices.Contains(r.options.Formats, Plain) {
		formats = append(formats, Plain)
	}
	r.snapshot.manifest.Formats = formats
	r.course = newCourse(r.snapshot.relations)
	application := "wcrdb_backup_" + r.snapshot.manifest.ID
	dumped := make(chan struct{})
	group, within := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(dumped)
		if err := r.dump(within, application); err != nil {
			return err
		}
		return r.roles(within)
	})
	group.Go(func() error { return r.watch(within, application, dumped) })
	if err := group.Wait(); err != nil {
		return r.snapshot.onServer(ctx, err)
	}
	manifest := r.snapshot.manifest
	return errors.Join(r.document(SettingsFile, manifest.Settings), r.document(ExtensionsFile, manifest.Extensions))
}

// dump makes the dump and, if it is wanted, the same as SQL.
func (r *run) dump(ctx context.Context, application string) error {
	return r.file(DumpFile, r.recipients, func(dump io.Writer) error {
		if !slices.Contains(r.snapshot.manifest.Formats, Plain) {
			return r.read(ctx, application, dump)
		}
		return r.file(SQLFile, r.recipients, func(sql io.Writer) error { return r.both(ctx, application, dump, sql) })
	})
}

// read has pg_dump read the database.
func (r *run) read(ctx context.Context, application string, into io.Writer) error {
	return r.source.Tools.Run(ctx, pgtools.Command{
		Args: []string{
			"pg_dump", "--format=custom", "--snapshot=" + r.snapshot.id, "--lock-wait-timeout=" + patience, "--verbose", "--no-password",
			"--dbname=" + conninfo(r.snapshot.manifest.Database, application),
		},
		Stdout: into, Stderr: r.course.heard,
	})
}

// asSQL writes a dump as SQL, and reads it to its end.
const asSQL = "pg_restore --file=- && exec cat >/dev/null"

// both has pg_restore write as SQL what pg_dump sends, while it does: the
// server is read once, and the two cannot differ.
func (r *run) both(ctx context.Context, application string, dump, sql io.Writer) error {
	sent, send := io.Pipe()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		err := r.read(ctx, application, io.MultiWriter(dump, send))
		return errors.Join(err, send.CloseWithError(err))
	})
	group.Go(func() error {
		err := r.source.Tools.Run(ctx, pgtools.Command{Args: []string{"sh", "-c", asSQL}, Stdin: sent, Stdout: sql})
		return errors.Join(err, sent.CloseWithError(err))
	})
	return group.Wait()
}

func conninfo(database, application string) string {
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace
	return fmt.Sprintf("dbname='%s' application_name='%s'", quote(database), quote(application))
}

func (r *run) roles(ctx context.Context) error {
	return r.file(RolesFile, nil, func(into io.Writer) error {
		return r.source.Tools.Run(ctx, pgtools.Command{
			Args: []string{
				"pg_dumpall", "--roles-only", "--no-role-passwords", "--no-password",
				"--database=" + r.snapshot.manifest.Database, "--dbname=" + conninfo(r.snapshot.manifest.Database, "wcrdb"),
			},
			Stdout: into,
		})
	})
}

func (r *run) document(name string, value any) error {
	return r.file(name, nil, func(into io.Writer) error {
		encoder := json.NewEncoder(into)
		encoder.SetIndent("", "  ")
		return encoder.Encode(value)
	})
}

// file makes one file of the backup.
func (r *run) file(name string, recipients []age.Recipient, write func(io.Writer) error) error {
	opened, err := newSink(r.dir, name, recipients)
	if err != nil {
		return onDisk(r.options.Dir, err)
	}
	if err := write(opened); err != nil {
		fault, failed := opened.drop()
		if fault != nil { // the program only saw its output end
			err = onDisk(r.options.Dir, fault)
		}
		return errors.Join(err, failed)
	}
	file, err := opened.finish()
	r.snapshot.manifest.Files = append(r.snapshot.manifest.Files, file)
	return onDisk(r.options.Dir, err)
}

// glance is how often progress is looked at.
const glance = 500 * time.Millisecond

// watch counts the rows in the dump's snapshot while it is dumped, and follows the dump.
func (r *run) watch(ctx context.Context, application string, dumped <-chan struct{}) error {
	looked := time.Now()
	err := r.snapshot.count(ctx, func() error {
		if time.Since(looked) < glance {
			return nil
		}
		looked = time.Now()
		return r.look(ctx, application)
	})
	ticker := time.NewTicker(glance)
	defer ticker.Stop()
	for err == nil {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-dumped:
			return nil
		case <-ticker.C:
			err = r.look(ctx, application)
		}
	}
	return err
}

func (r *run) look(ctx context.Context, application string) error {
	if r.options.Report == nil {
		return nil
	}
	if err := r.course.look(ctx, r.snapshot, application); err != nil {
		return err
	}
	r.options.Report(r.course.progress(r.written()))
	return nil
}

// written is how much is on disk.
func (r *run) written() int64 {
	var size int64
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return 0
	}
	for _, entry := range entries {
		if info, err := os.Stat(filepath.Join(r.dir, entry.Name())); err == nil {
			size += info.Size()
		}
	}
	return size
}
