package measure

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/health"
	"github.com/witchcityrope/database/internal/migration"
)

// Server asks a server what it is.
func Server(ctx context.Context, session *pgx.Conn) (found health.Server, err error) {
	settings := session.Config()
	found.Address = fmt.Sprintf("%s:%d", settings.Host, settings.Port)
	err = session.QueryRow(ctx, "SELECT current_setting('server_version'), pg_postmaster_start_time()").Scan(&found.Version, &found.Started)
	return found, err
}

// parts of what is measured in a database, by the check that needs them.
var parts = []struct {
	check   string
	measure func(context.Context, *pgx.Conn, *config.Stack, *health.Database) error
}{
	{"writable", measureRecovery}, {"tables", measureTables}, {"migrations", measureMigrations}, {"connections", measureConnections},
	{"cache", measureCache}, {"transactions", measureTransactions}, {"locks", measureLocks}, {"wraparound", measureAge},
	{"dead rows", measureDeadRows}, {"replication", measureReplication}, {"integrity", measureIntegrity}, {"settings", measureSettings},
}

// Database measures in an administrator's session, and changes nothing. A part that
// cannot be measured is among the faults, by the name of its check.
func Database(ctx context.Context, session *pgx.Conn, stack *config.Stack) (found *health.Database, faults map[string]string) {
	found, faults = &health.Database{Tables: map[string]health.Table{}}, map[string]string{}
	limit := time.Duration(stack.Health.Timeout).Milliseconds()
	if _, err := session.Exec(ctx, fmt.Sprintf("SET default_transaction_read_only = on; SET statement_timeout = %d", limit)); err != nil {
		for _, part := range parts {
			faults[part.check] = err.Error()
		}
		return found, faults
	}
	for _, part := range parts {
		if err := part.measure(ctx, session, stack, found); err != nil {
			faults[part.check] = err.Error()
		}
	}
	return found, faults
}

// Pending compares what was applied with a script.
func Pending(found *health.Database, script *migration.Script) {
	history := make([]migration.Applied, len(found.Applied))
	for i, id := range found.Applied {
		history[i].ID = id
	}
	plan := migration.NewPlan(script, history)
	found.Pending, found.Unknown, found.Compared = plan.Pending, plan.Unknown, true
}

func measureRecovery(ctx context.Context, session *pgx.Conn, _ *config.Stack, found *health.Database) error {
	return session.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&found.InRecovery)
}

func measureTables(ctx context.Context, session *pgx.Conn, stack *config.Stack, found *health.Database) error {
	schemas := make([]string, len(stack.Database.Schemas))
	for i, schema := range stack.Database.Schemas {
		schemas[i] = schema.Name
	}
	rows, err := session.Query(ctx, `
		SELECT wanted, format('%I.%I', n.nspname, c.relname), coalesce((
			SELECT has_table_privilege(r.oid, c.oid, 'SELECT') AND has_schema_privilege(r.oid, n.oid, 'USAGE') FROM pg_roles r WHERE r.rolname = $3), false)
		FROM unnest($1::text[]) AS wanted
		JOIN pg_class c ON c.relkind IN ('r', 'p')
		JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE wanted = n.nspname || '.' || c.relname OR wanted = c.relname AND n.nspname = ANY ($2::text[])
		ORDER BY 3, 2`, stack.Health.Tables, schemas, stack.Access.Names().App())
	if err != nil {
		return err
	}
	var name string
	var table health.Table
	_, err = pgx.ForEachRow(rows, []any{&name, &table.Where, &table.Readable}, func() error {
		found.Tables[name] = table
		return nil
	})
	return err
}

func measureMigrations(ctx context.Context, session *pgx.Conn, _ *config.Stack, found *health.Database) error {
	history, err := migration.History(ctx, session)
	for _, applied := range history {
		found.Applied = append(found.Applied, applied.ID)
	}
	slices.Sort(found.Applied)
	return err
}

// seesOthers refuses a login to which what others do is hidden: to it, there
// would be no sessions and no transactions.
func seesOthers(ctx context.Context, session *pgx.Conn) error {
	var login string
	var sees bool
	if err := session.QueryRow(ctx, "SELECT quote_ident(current_user), pg_has_role('pg_read_all_stats', 'USAGE')").Scan(&login, &sees); err != nil || sees {
		return err
	}
	return fmt.Errorf("%s does not see the sessions of others: GRANT pg_monitor TO %[1]s", login)
}

func measureConnections(ctx context.Context, session *pgx.Conn, _ *config.Stack, found *health.Database) (err error) {
	if err := seesOthers(ctx, session); err != nil {
		return err
	}
	if err := session.QueryRow(ctx, `
		SELECT current_setting('max_connections')::int, current_setting('superuser_reserved_connections')::int,
			coalesce(current_setting('reserved_connections', true), '0')::int`).
		Scan(&found.MaxConnections, &found.SuperuserReserved, &found.Reserved); err != nil {
		return err
	}
	found.Sessions, err = collect[health.Sessions](ctx, session, `
		SELECT coalesce(usename::text, ''), count(*) FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() GROUP BY 1 ORDER BY 2 DESC, 1`)
	return err
}

func measureCache(ctx context.Context, session *pgx.Conn, _ *config.Stack, found *health.Database) error {
	return session.QueryRow(ctx, "SELECT blks_hit, blks_read FROM pg_stat_database WHERE datname = current_database()").Scan(&found.BlocksHit, &found.BlocksRead)
}

// measureTransactions leaves those of backups out, which take as long as they do.
func measureTransactions(ctx context.Context, session *pgx.Conn, stack *config.Stack, found *health.Database) error {
	if err := seesOthers(ctx, session); err != nil {
		return err
	}
	var longest health.Transaction
	var seconds float64
	err := session.QueryRow(ctx, `
		SELECT pid, usename::text, coalesce(state, ''), extract(epoch FROM clock_timestamp() - xact_start)::float8, '' FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND datname = current_database() AND xact_start IS NOT NULL
			AND pid <> pg_backend_pid() AND usename IS DISTINCT FROM $1
		UNION ALL
		SELECT 0, owner::text, 'prepared', extract(epoch FROM clock_timestamp() - prepared)::float8, gid FROM pg_prepared_xacts WHERE database = current_database()
		ORDER BY 4 DESC LIMIT 1`, stack.Access.Names().Backup).Scan(&longest.PID, &longest.Login, &longest.State, &seconds, &longest.Prepared)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	longest.Age = duration(seconds)
	found.Transaction = &longest
	return err
}

func measureLocks(ctx context.Context, session *pgx.Conn, _ *config.Stack, found *health.Database) error {
	var seconds float64
	err := session.QueryRow(ctx, `
		WITH waiting AS (
			SELECT w.pid, extract(epoch FROM clock_timestamp() - coalesce(w.waitstart, a.query_start))::float8 AS seconds
			FROM pg_locks w JOIN pg_stat_activity a USING (pid)
			WHERE NOT w.granted AND a.datname = current_database()
		)
		SELECT (SELECT count(DISTINCT pid) FROM waiting), pid, seconds, coalesce((
			SELECT format('process %s (%s, %s)', b.pid, b.usename, b.state) FROM pg_stat_activity b WHERE b.pid = ANY (pg_blocking_pids(waiting.pid)) LIMIT 1), 'nobody any more')
		FROM waiting ORDER BY seconds DESC LIMIT 1`).Scan(&found.Waiting, &found.Longest.PID, &seconds, &found.Longest.Blocker)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	found.Longest.For = duration(seconds)
	return err
}

func measureAge(ctx context.Context, session *pgx.Conn, _ *config.Stack, found *health.Database) error {
	return session.QueryRow(ctx, `
		SELECT datname::text, age(datfrozenxid)::bigint, mxid_age(datminmxid)::bigint FROM pg_database
		ORDER BY greatest(age(datfrozenxid), mxid_age(datminmxid)) DESC LIMIT 1`).Scan(&found.Oldest.Database, &found.Oldest.Transactions, &found.Oldest.Multixacts)
}

func measureDeadRows(ctx context.Context, session *pgx.Conn, stack *config.Stack, found *health.Database) (err error) {
	found.Dead, err = collect[health.DeadRows](ctx, session, `
		SELECT format('%I.%I', schemaname, relname), n_live_tup, n_dead_tup FROM pg_stat_user_tables WHERE n_dead_tup >= $1
		ORDER BY n_dead_tup::float8 / (n_live_tup + n_dead_tup) DESC LIMIT 10`, stack.Health.DeadRows.AtLeast)
	return err
}

func measureReplication(ctx context.Context, session *pgx.Conn, _ *config.Stack, found *health.Database) (err error) {
	if found.Slots, err = collect[health.Slot](ctx, session, `
		SELECT slot_name::text, active, coalesce(pg_wal_lsn_diff(
			CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn), 0)::bigint, coalesce(wal_status, '')
		FROM pg_replication_slots ORDER BY 1`); err != nil {
		return err
	}
	return session.QueryRow(ctx, `
		SELECT (SELECT count(*) FROM pg_stat_replication), coalesce((
			SELECT last_failed_wal FROM pg_stat_archiver
			WHERE current_setting('archive_mode') <> 'off' AND last_failed_time > coalesce(last_archived_time, '-infinity')), '')`).
		Scan(&found.Standbys, &found.ArchiveFailing)
}

// measureIntegrity leaves out indexes that are being built.
func measureIntegrity(ctx context.Context, session *pgx.Conn, _ *config.Stack, found *health.Database) (err error) {
	if err := session.QueryRow(ctx, `
		SELECT coalesce(sum(checksum_failures), 0)::bigint FROM pg_stat_database WHERE datname = current_database() OR datid = 0`).Scan(&found.ChecksumFailures); err != nil {
		return err
	}
	found.InvalidIndexes, err = texts(ctx, session, `
		SELECT indexrelid::regclass::text FROM pg_index i
		WHERE NOT indisvalid AND NOT EXISTS (
			SELECT FROM pg_stat_progress_create_index p WHERE p.datname = current_database() AND p.index_relid = i.indexrelid) ORDER BY 1`)
	return err
}

// measureSettings leaves out what a restart would not change, though the server
// says so: what the command line has the last word on, and what was taken back
// before it was ever in effect. Lines that only a restart can take are pending,
// not wrong. A managed server shows its files to nobody.
func measureSettings(ctx context.Context, session *pgx.Conn, _ *config.Stack, found *health.Database) (err error) {
	if err := session.QueryRow(ctx, readableFiles).Scan(&found.FilesRead); err != nil {
		return err
	}
	if !found.FilesRead {
		found.PendingRestart, err = texts(ctx, session, `
			SELECT name FROM pg_settings WHERE pending_restart AND source <> 'command line' ORDER BY 1`)
		return err
	}
	if found.PendingRestart, err = texts(ctx, session, `
		SELECT name FROM pg_settings WHERE pending_restart AND source <> 'command line'
			AND (source = 'configuration file' OR lower(name) IN (SELECT lower(name) FROM pg_file_settings)) ORDER BY 1`); err != nil {
		return err
	}
	found.FileFaults, err = texts(ctx, session, `
		SELECT format('%s line %s: %s: %s', regexp_replace(sourcefile, '.*/', ''), sourceline, name, error) FROM pg_file_settings
		WHERE error IS NOT NULL AND coalesce(name, '') NOT IN (SELECT name FROM pg_settings WHERE pending_restart)
		UNION ALL
		SELECT format('pg_hba.conf line %s: %s', line_number, error) FROM pg_hba_file_rules WHERE error IS NOT NULL`)
	return err
}

// readableFiles asks for both: a view's functions are called with the rights of
// whoever reads it.
const readableFiles = `
	SELECT has_table_privilege('pg_file_settings', 'SELECT') AND has_function_privilege('pg_show_all_file_settings()', 'EXECUTE')
		AND has_table_privilege('pg_hba_file_rules', 'SELECT') AND has_function_privilege('pg_hba_file_rules()', 'EXECUTE')`

func collect[T any](ctx context.Context, session *pgx.Conn, query string, args ...any) ([]T, error) {
	rows, err := session.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[T])
}

func texts(ctx context.Context, session *pgx.Conn, query string, args ...any) ([]string, error) {
	rows, err := session.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
