package testdatabase

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/witchcityrope/database/internal/migration"
	"github.com/witchcityrope/database/internal/postgres"
	"github.com/witchcityrope/database/internal/restore"
)

// SQLSTATEs.
const (
	inUse      = "55006" // object_in_use
	noDatabase = "3D000" // invalid_catalog_name
)

// Server is where test databases are made.
type Server struct {
	// Open opens a superuser's session in a database, Migrate one of the migrator's.
	Open, Migrate restore.Open
	// Migrated puts right, in the migrator's session, what a template's migrations have made.
	Migrated func(ctx context.Context, session *pgx.Conn) error
	// Source is the stack's database: access, schemas and extensions are taken from it, rows and tables are not.
	Source string
	// Declared is what the source depends on, in whatever form: with another one templates are made anew.
	Declared string
	// Schemas of the source that are declared.
	Schemas []string
	// Owner owns the databases; what the migrator makes belongs to it.
	Owner string
	// Report takes a line about what takes time.
	Report func(format string, args ...any)
}

// patience is how long the source's sessions are waited for.
const patience = 20 * time.Second

//go:embed strip.sql
var strip string

// template finds the template of a script of migrations, or makes it.
func (s Server) template(ctx context.Context, session *pgx.Conn, script *migration.Script, text string) (string, error) {
	name, err := nameOf(s.Source, template, key(s.Declared, text))
	if err != nil {
		return "", err
	}
	there, err := exists(ctx, session, name)
	if err != nil || there {
		return name, err
	}
	if script == nil {
		return name, s.make(ctx, session, name, s.Source, s.Open, func(made *pgx.Conn) error {
			if _, err := made.Exec(ctx, "SELECT set_config('wcrdb.schemas', $1, false)", strings.Join(append(s.Schemas, "public"), ",")); err != nil {
				return err
			}
			_, err := made.Exec(ctx, strip)
			return err
		})
	}
	empty, err := s.template(ctx, session, nil, "")
	if err != nil {
		return "", err
	}
	return name, s.make(ctx, session, name, empty, s.Migrate, func(made *pgx.Conn) error {
		s.Report("applying %d migrations to a template", len(script.Migrations))
		if err := migration.Run(ctx, made, script, func(int, int) {}); err != nil {
			return err
		}
		if err := s.Migrated(ctx, made); err != nil {
			return err
		}
		return run(ctx, made, "ANALYZE")
	})
}

// make makes a template: aside, under its name only when it is complete. Only
// one run does at a time.
func (s Server) make(ctx context.Context, session *pgx.Conn, name, from string, open restore.Open, fill func(*pgx.Conn) error) (err error) {
	if err := run(ctx, session, "SET lock_timeout = 0"); err != nil { // whoever makes it meanwhile may take long
		return err
	}
	if _, err := session.Exec(ctx, "SELECT pg_advisory_lock(hashtextextended($1, 0))", name); err != nil {
		return err
	}
	defer func() {
		if session.IsClosed() {
			return // the lock went with the session
		}
		_, unlock := session.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock(hashtextextended($1, 0))", name)
		err = errors.Join(err, unlock)
	}()
	there, err := exists(ctx, session, name)
	if err != nil || there {
		return err
	}
	aside := strings.Replace(name, "_"+template+"_", "_"+making+"_", 1)
	if err := run(ctx, session, "DROP DATABASE IF EXISTS "+postgres.QuoteIdentifier(aside)+" WITH (FORCE)"); err != nil {
		return fmt.Errorf("what a killed run has left: %w", err)
	}
	if err := s.copy(ctx, session, from, aside); err != nil {
		return err
	}
	quoted := postgres.QuoteIdentifier(aside)
	if err := s.fill(ctx, session, aside, from, open, fill); err != nil {
		return errors.Join(err, run(context.WithoutCancel(ctx), session, "DROP DATABASE IF EXISTS "+quoted+" WITH (FORCE)"))
	}
	return run(ctx, session,
		fmt.Sprintf("COMMENT ON DATABASE %s IS %s", quoted, postgres.QuoteLiteral(usedAt(time.Now()))),
		"ALTER DATABASE "+quoted+" WITH IS_TEMPLATE true ALLOW_CONNECTIONS false",
		"ALTER DATABASE "+quoted+" RENAME TO "+postgres.QuoteIdentifier(name))
}

// fill gives a copy what it is to have.
func (s Server) fill(ctx context.Context, session *pgx.Conn, database, from string, open restore.Open, fill func(*pgx.Conn) error) error {
	properties, err := restore.Properties(ctx, session, from)
	if err != nil {
		return err
	}
	if err := run(ctx, session, properties(database)...); err != nil {
		return err
	}
	made, err := open(ctx, database)
	if err != nil {
		return err
	}
	return errors.Join(fill(made), made.Close(context.WithoutCancel(ctx)))
}

// copy clones a database that others may have sessions in: they are waited for, not ended.
func (s Server) copy(ctx context.Context, session *pgx.Conn, from, to string) error {
	statement, err := creation(ctx, session, from, s.Owner)
	if err != nil {
		return err
	}
	for until := time.Now().Add(patience); ; {
		err := run(ctx, session, statement(to))
		if code(err) != inUse || time.Now().After(until) {
			if code(err) == inUse {
				return fmt.Errorf("database %s has sessions, and can only be copied when it has none: close them, then try again; "+
					"later clones need only the template: %w", from, err)
			}
			return err
		}
		s.Report("waiting for the sessions in database %s to end", from)
	}
}

// creation writes statements that clone a database. Where a crash may lose the
// data, copying files is faster than logging every page; before PostgreSQL 15
// there is no choice.
func creation(ctx context.Context, session *pgx.Conn, from, owner string) (statement func(to string) string, err error) {
	var strategy string
	err = session.QueryRow(ctx, `SELECT CASE WHEN current_setting('server_version_num')::int < 150000 THEN ''
		WHEN current_setting('fsync')::bool THEN ' STRATEGY wal_log' ELSE ' STRATEGY file_copy' END`).Scan(&strategy)
	return func(to string) string {
		return fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s OWNER %s%s",
			postgres.QuoteIdentifier(to), postgres.QuoteIdentifier(from), postgres.QuoteIdentifier(owner), strategy)
	}, err
}

func exists(ctx context.Context, session *pgx.Conn, name string) (there bool, err error) {
	err = session.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&there)
	return there, err
}

// run runs statements: one by itself, several in one transaction and one round trip.
func run(ctx context.Context, session *pgx.Conn, statements ...string) error {
	_, err := session.PgConn().Exec(ctx, strings.Join(statements, ";\n")).ReadAll()
	return err
}

func code(err error) string {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}
