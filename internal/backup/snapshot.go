package backup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// relations are the tables whose rows a dump has: no extension's, no system's,
// no other session's. Partitions and children have their own.
const relations = `
SELECT c.oid, n.nspname, c.relname, pg_table_size(c.oid), greatest(c.reltuples, 0)::bigint
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 2, 3`

// unreadable names what of the database a dump would fail at.
const unreadable = `
SELECT format('%s %I.%I', CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END, n.nspname, c.relname)
       || CASE WHEN has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') THEN ' (row security hides rows)' ELSE '' END
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'S') AND c.relpersistence <> 't' AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
  AND NOT (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AND NOT row_security_active(c.oid))
ORDER BY 1 LIMIT 20`

// relation is a table of the snapshot.
type relation struct {
	oid          uint32
	schema, name string
	size         int64
	rows         int64 // estimated, until it is counted
}

func (r relation) identifier() string { return pgx.Identifier{r.schema, r.name}.Sanitize() }

// snapshot is a transaction that sees the database as the dump does.
type snapshot struct {
	session   *pgx.Conn
	tx        pgx.Tx
	id        string
	begun     time.Time // when the server was started
	relations []relation
	manifest  *Manifest
}

// lockBackups is held by a backup of the database in the session that it belongs to.
const lockBackups = `SELECT pg_try_advisory_lock(hashtextextended('wcrdb backup', oid::bigint)) FROM pg_database WHERE datname = current_database()`

// unbound takes limits off the session that holds the snapshot for as long as the dump takes.
const unbound = `
SELECT set_config(name, '0', false) FROM pg_settings
WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout')`

// patience is how long a table's lock is waited for.
const patience = "10min"

// take begins the transaction. Tables are locked before the snapshot is
// taken, as by any reader, so that none is dropped, rewritten or emptied
// between its rows being counted and being dumped.
func (s *snapshot) take(ctx context.Context) error {
	if err := s.session.QueryRow(ctx, "SELECT pg_postmaster_start_time()").Scan(&s.begun); err != nil {
		return err
	}
	var ours bool
	if err := s.session.QueryRow(ctx, lockBackups).Scan(&ours); err != nil {
		return err
	}
	if !ours {
		return fmt.Errorf("%w: of database %s, by another session of the server; wait for it", ErrBusy, s.session.Config().Database)
	}
	if err := s.settings(ctx); err != nil {
		return err
	}
	if _, err := s.session.Exec(ctx, unbound); err != nil {
		return err
	}
	if err := readable(ctx, s.session); err != nil {
		return err
	}
	before, err := tables(ctx, s.session)
	if err != nil {
		return err
	}
	if s.tx, err = s.session.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}); err != nil {
		return err
	}
	return s.look(ctx, before)
}

func (s *snapshot) look(ctx context.Context, before []relation) error {
	if _, err := s.tx.Exec(ctx, "SET LOCAL lock_timeout = '"+patience+"'"); err != nil {
		return err
	}
	if len(before) > 0 {
		names := make([]string, len(before))
		for i, table := range before {
			names[i] = "ONLY " + table.identifier()
		}
		if _, err := s.tx.Exec(ctx, "LOCK TABLE "+strings.Join(names, ", ")+" IN ACCESS SHARE MODE"); err != nil {
			return fmt.Errorf("locking the tables: %w", err)
		}
	}
	m := s.manifest
	err := s.tx.QueryRow(ctx, `
		SELECT pg_export_snapshot(), pg_current_wal_lsn()::text, current_database(), pg_database_size(current_database()),
		       current_setting('server_version'), current_setting('server_version_num')::int / 10000`,
	).Scan(&s.id, &m.LSN, &m.Database, &m.DatabaseBytes, &m.ServerVersion, &m.ServerMajor)
	if err != nil {
		return err
	}
	if s.relations, err = tables(ctx, s.tx); err != nil {
		return err
	}
	if err := s.inventory(ctx); err != nil {
		return err
	}
	m.LastMigration, err = LastMigration(ctx, s.tx)
	return err
}

type querier interface {
	Query(ctx context.Context, query string, args ...any) (pgx.Rows, error)
}

// Tables are those of a database that a dump has rows of.
func Tables(ctx context.Context, session querier) (found []pgx.Identifier, err error) {
	all, err := tables(ctx, session)
	for _, each := range all {
		found = append(found, pgx.Identifier{each.schema, each.name})
	}
	return found, err
}

func tables(ctx context.Context, session querier) ([]relation, error) {
	rows, err := session.Query(ctx, relations)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (found relation, err error) {
		return found, row.Scan(&found.oid, &found.schema, &found.name, &found.size, &found.rows)
	})
}

func readable(ctx context.Context, session querier) error {
	hidden, err := texts(ctx, session, unreadable)
	if err != nil || len(hidden) == 0 {
		return err
	}
	return permission(errors.New(strings.Join(hidden, ", ")))
}

func texts(ctx context.Context, session querier, query string) ([]string, error) {
	rows, err := session.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// inventory reads what a dump of one database does not have, or does not show.
func (s *snapshot) inventory(ctx context.Context) error {
	var err error
	if s.manifest.Roles, err = texts(ctx, s.tx, `SELECT rolname::text FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1`); err != nil {
		return err
	}
	s.manifest.Extensions, err = Extensions(ctx, s.tx)
	return err
}

// Extensions are those of a database.
func Extensions(ctx context.Context, session querier) ([]Extension, error) {
	rows, err := session.Query(ctx, `
		SELECT e.extname::text, e.extversion, n.nspname::text FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Extension])
}

// serverSettings are what is set for the whole server. What is set for roles and
// databases is in the dumps of those.
const serverSettings = `
SELECT name, current_setting(name) FROM pg_settings
WHERE source NOT IN ('default', 'override', 'client', 'session', 'interactive', 'global', 'database', 'user', 'database user') ORDER BY 1`

// settings reads them while the session has none of its own.
func (s *snapshot) settings(ctx context.Context) error {
	rows, err := s.session.Query(ctx, serverSettings)
	if err != nil {
		return err
	}
	s.manifest.Settings = map[string]string{}
	var name, value string
	_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		s.manifest.Settings[name] = value
		return nil
	})
	return err
}

// count counts the rows of every table, and says so after each.
func (s *snapshot) count(ctx context.Context, counted func() error) error {
	for i, table := range s.relations {
		if err := s.tx.QueryRow(ctx, "SELECT count(*) FROM ONLY "+table.identifier()).Scan(&s.relations[i].rows); err != nil {
			return fmt.Errorf("counting the rows of %s: %w", table.identifier(), err)
		}
		s.manifest.Tables = append(s.manifest.Tables, Table{Schema: table.schema, Name: table.name, Rows: s.relations[i].rows})
		if err := counted(); err != nil {
			return err
		}
	}
	return nil
}

// end ends the transaction and gives the lock back. A session that is broken
// has neither any more.
func (s *snapshot) end(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	if s.session.IsClosed() {
		return nil
	}
	var err error
	if s.tx != nil {
		err = s.tx.Rollback(ctx)
	}
	if err == nil {
		_, err = s.session.Exec(ctx, "SELECT pg_advisory_unlock_all()")
	}
	if s.session.IsClosed() { // that is how it was found out
		return nil
	}
	return err
}
