package drill

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/docker/docker/client"
	"github.com/docker/go-units"
	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/backup"
	"github.com/witchcityrope/database/internal/pgtools"
	"github.com/witchcityrope/database/internal/postgres"
	"github.com/witchcityrope/database/internal/receipt"
	"github.com/witchcityrope/database/internal/restore"
)

const maintenance = "postgres"

// Options say what is proven, and with what.
type Options struct {
	Engine     client.APIClient
	From       *backup.Backup
	Identities []age.Identity
	// Image is one that Docker has, and Digest what it is known by.
	Image, Digest string
	// Superuser is the one of the server that was backed up.
	Superuser string
	// Preload are libraries that the server starts with.
	Preload string
	Stack   string
	// Name is what names in Docker begin with, Labels what everything there carries.
	Name   string
	Labels map[string]string
	CPUs   float64
	// Access proves the access contract in a session of the superuser's, and says
	// how many cells there were and which are not as declared.
	Access func(context.Context, *pgx.Conn) (cells int, failing []string, err error)
	Report func(format string, args ...any)
}

// drill is a run.
type drill struct {
	Options
	server  *server
	tools   *pgtools.Container
	receipt *receipt.Receipt
}

// Run proves a backup. What is wrong with it stands in the receipt, and is no
// error; an error is that nothing could be proven. A receipt there is either way.
func Run(ctx context.Context, options Options) (receipt.Receipt, error) {
	from, now := options.From, time.Now()
	made := receipt.Receipt{
		Stack: options.Stack, Backup: from.ID, Image: options.Digest, ServerVersion: from.ServerVersion, At: now,
		AgeSeconds: now.Sub(from.StartedAt).Seconds(), Bytes: from.DatabaseBytes, Tables: len(from.Tables), Checks: []receipt.Check{},
	}
	d := &drill{Options: options, receipt: &made}
	err := d.run(ctx)
	made.Good = err == nil
	if reason := restore.ReasonOf(err); reason != "" {
		made.Reason, made.Fault, err = string(reason), err.Error(), nil
	} else if err != nil {
		made.Fault = err.Error()
	}
	return made, err
}

func (d *drill) run(ctx context.Context) (err error) {
	if err := d.check("intact", func() (string, error) {
		return fmt.Sprintf("%d files, %s, as the manifest says", len(d.From.Files), units.BytesSize(float64(d.From.Size()))), restore.Intact(ctx, d.From, d.Identities)
	}); err != nil {
		return err
	}
	began := time.Now()
	d.Report("starting a throwaway server of %s", d.Image)
	if d.server, err = begin(ctx, d.Options); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.server.close(ctx)) }()
	if d.tools, err = pgtools.Start(ctx, pgtools.Options{
		Engine: d.Engine, Image: d.Image, Network: d.server.network, Host: alias, Login: d.server.username, Password: d.server.password,
		Name: d.server.name, Labels: d.Labels, CPUs: d.CPUs, Files: d.filling().Decrypted(),
	}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.tools.Close(ctx)) }()
	for _, step := range []struct {
		name string
		do   func(context.Context) (string, error)
	}{
		{"version", d.version}, {"roles", d.roles}, {"restore", d.restore}, {"content", d.content},
		{"access", d.access}, {"logins", d.logins}, {"pg_amcheck", d.amcheck},
	} {
		if err := d.check(step.name, func() (string, error) { return step.do(ctx) }); err != nil {
			return err
		}
		if step.name == "restore" {
			d.receipt.RestoreSeconds = time.Since(began).Seconds()
		}
	}
	return nil
}

// check does a step, and notes it.
func (d *drill) check(name string, do func() (string, error)) error {
	began := time.Now()
	found, err := do()
	if err != nil {
		return err
	}
	d.Report("%s: %s", name, found)
	d.receipt.Checks = append(d.receipt.Checks, receipt.Check{Name: name, Found: found, Seconds: time.Since(began).Seconds()})
	return nil
}

// within opens a session of the superuser's for do.
func (d *drill) within(ctx context.Context, database string, do func(*pgx.Conn) error) error {
	session, err := d.server.login(ctx, d.server.username, d.server.password, database)
	if err != nil {
		return err
	}
	return errors.Join(do(session), session.Close(context.WithoutCancel(ctx)))
}

// version holds the image to the backup: its major, and its extensions.
func (d *drill) version(ctx context.Context) (found string, err error) {
	err = d.within(ctx, maintenance, func(session *pgx.Conn) error {
		var major int
		if err := session.QueryRow(ctx, "SELECT current_setting('server_version'), current_setting('server_version_num')::int / 10000").Scan(&d.receipt.ServerVersion, &major); err != nil {
			return err
		}
		if major != d.From.ServerMajor {
			return &restore.Fault{Reason: restore.WrongMajor, Err: fmt.Errorf("backup %s is of PostgreSQL %d, and image %s has %d: it proves nothing about the other",
				d.From.ID, d.From.ServerMajor, d.Image, major)}
		}
		return restore.Fits(ctx, session, d.From.Manifest)
	})
	return "PostgreSQL " + d.receipt.ServerVersion, err
}

// roles makes the roles of the backup, and says which its dump needs beside them.
func (d *drill) roles(ctx context.Context) (found string, err error) {
	content, err := d.From.Content(backup.RolesFile, d.Identities...)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	var said []string
	err = d.tools.Run(ctx, pgtools.Command{
		Args:   []string{"psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-", "--output=/dev/null", "--dbname=" + maintenance},
		Stdin:  without(content, "CREATE ROLE "+d.server.username+";", "CREATE ROLE "+postgres.QuoteIdentifier(d.server.username)+";"),
		Stderr: func(line string) { said = append(said, line) },
	})
	var failed *pgtools.Failed
	if errors.As(err, &failed) {
		return "", &restore.Fault{Reason: restore.MissingRole, Err: fmt.Errorf("%s of backup %s does not run: %s", backup.RolesFile, d.From.ID, strings.Join(said, "\n"))}
	}
	if err != nil {
		return "", err
	}
	err = d.within(ctx, maintenance, func(session *pgx.Conn) error { return restore.RolesThere(ctx, session, d.From.Manifest) })
	return fmt.Sprintf("%d made", len(d.From.Roles)), err
}

// without leaves lines out of a text.
func without(text io.Reader, lines ...string) io.Reader {
	read, write := io.Pipe()
	go func() {
		scanner := bufio.NewScanner(text)
		scanner.Buffer(nil, units.MiB)
		var err error
		for err == nil && scanner.Scan() {
			if line := scanner.Bytes(); !containsLine(lines, line) {
				_, err = write.Write(append(line, '\n'))
			}
		}
		write.CloseWithError(errors.Join(err, scanner.Err()))
	}()
	return read
}

func containsLine(lines []string, line []byte) bool {
	for _, one := range lines {
		if bytes.Equal([]byte(one), line) {
			return true
		}
	}
	return false
}

func (o Options) filling() restore.Filling {
	return restore.Filling{From: o.From, Identities: o.Identities, Jobs: max(1, int(o.CPUs))}
}

// restore has pg_restore make the database under its own name, with its owner,
// privileges and settings.
func (d *drill) restore(ctx context.Context) (string, error) {
	filling := d.filling()
	filling.Tools = d.tools
	if err := filling.Stage(ctx); err != nil {
		return "", err
	}
	if err := filling.Restore(ctx, "--create", "--dbname="+maintenance); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s with %d jobs", units.BytesSize(float64(d.From.DatabaseBytes)), filling.Jobs), d.within(ctx, d.From.Database, func(session *pgx.Conn) error {
		_, err := session.Exec(ctx, "ANALYZE")
		return err
	})
}

func (d *drill) content(ctx context.Context) (found string, err error) {
	err = d.within(ctx, d.From.Database, func(session *pgx.Conn) error {
		d.receipt.Rows, err = restore.Same(ctx, session, d.From.Manifest, true)
		return err
	})
	last := "no migrations"
	if d.From.LastMigration != "" {
		last = "last migration " + d.From.LastMigration
	}
	return fmt.Sprintf("%d tables with %d rows, %d extensions, %s", len(d.From.Tables), d.receipt.Rows, len(d.From.Extensions), last), err
}

// access proves roles, ownership, grants and the access contract.
func (d *drill) access(ctx context.Context) (found string, err error) {
	err = d.within(ctx, d.From.Database, func(session *pgx.Conn) error {
		cells, failing, err := d.Access(ctx, session)
		if err == nil && len(failing) > 0 {
			err = &restore.Fault{Reason: restore.WrongAccess, Err: fmt.Errorf("%d of %d cells are not as declared; if the stack file has changed since, make a backup after the next up: %s",
				len(failing), cells, strings.Join(failing, "; "))}
		}
		found = fmt.Sprintf("%d cells as declared", cells)
		return err
	})
	return found, err
}

// logins logs in as everybody who may, with a password for the occasion.
func (d *drill) logins(ctx context.Context) (found string, err error) {
	var names []string
	secret := rand.Text()
	verifier := postgres.ScramVerifier(secret, []byte(rand.Text()[:16]), 4096)
	if err := d.within(ctx, d.From.Database, func(session *pgx.Conn) error {
		err := session.QueryRow(ctx, `SELECT coalesce(array_agg(rolname::text ORDER BY 1), '{}') FROM pg_roles
			WHERE rolcanlogin AND NOT rolsuper AND rolconnlimit <> 0 AND coalesce(rolvaliduntil > now(), true) AND has_database_privilege(rolname, current_database(), 'CONNECT')`).Scan(&names)
		if err != nil {
			return err
		}
		for _, name := range names {
			if _, err := session.Exec(ctx, fmt.Sprintf("ALTER ROLE %s PASSWORD %s", postgres.QuoteIdentifier(name), postgres.QuoteLiteral(verifier))); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return "", err
	}
	for _, name := range names {
		if err := d.login(ctx, name, secret); err != nil {
			return "", &restore.Fault{Reason: restore.NoLogin, Err: fmt.Errorf("%s cannot log in and ask for the time: %w", name, err)}
		}
	}
	return strconv.Itoa(len(names)) + " roles logged in: " + strings.Join(names, ", "), nil
}

func (d *drill) login(ctx context.Context, name, secret string) error {
	session, err := d.server.login(ctx, name, secret, d.From.Database)
	if err != nil {
		return err
	}
	var at time.Time
	return errors.Join(session.QueryRow(ctx, "SELECT now()").Scan(&at), session.Close(context.WithoutCancel(ctx)))
}

// amcheck has all tables and B-trees checked, with every row's place in its indexes.
func (d *drill) amcheck(ctx context.Context) (string, error) {
	var said bytes.Buffer
	err := d.tools.Run(ctx, pgtools.Command{
		Args:   []string{"pg_amcheck", "--install-missing", "--heapallindexed", "--jobs=" + strconv.Itoa(max(1, int(d.CPUs))), "--database=" + d.From.Database},
		Stdout: &said,
	})
	var failed *pgtools.Failed
	if errors.As(err, &failed) {
		return "", &restore.Fault{Reason: restore.Corrupt, Err: fmt.Errorf("pg_amcheck: %s%s", said.String(), failed.Stderr)}
	}
	return "tables and indexes are sound", err
}
