package report_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/pgtest"
	"github.com/witchcityrope/database/internal/report"
)

// TestReports makes every report on a server of every major, of a database in
// which there is something to see.
func TestReports(t *testing.T) {
	for major, release := range pgtest.Releases {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			server := pgtest.New(t, release, "shared_preload_libraries=pg_stat_statements", "track_io_timing=on", "autovacuum=off")
			require.NoError(t, server.Start(t.Context()))
			maker, err := server.Login(t.Context(), pgtest.Superuser, pgtest.Password, "postgres")
			require.NoError(t, err)
			execute(t, maker,
				"CREATE SCHEMA stats", "CREATE EXTENSION pg_stat_statements SCHEMA stats",
				`CREATE TABLE "Users" (id int PRIMARY KEY, "Email" text, "SceneName" text)`,
				`CREATE INDEX first ON "Users" ("Email")`, `CREATE INDEX second ON "Users" ("Email")`, `CREATE INDEX lower ON "Users" (lower("Email"))`,
				`INSERT INTO "Users" SELECT n, 'someone' || n || '@example.org', repeat('x', 100) FROM generate_series(1, 20000) AS n`,
				`DELETE FROM "Users" WHERE id > 5000`, "SET enable_seqscan = off", `SELECT count(*) FROM "Users" WHERE id < 100`, "SELECT pg_sleep(0.05)", "RESET enable_seqscan",
				"UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'lower'::regclass",
			)
			require.NoError(t, maker.Close(t.Context())) // which tells what it has counted
			counted(t, server)
			session := server.Connect(t)
			execute(t, session, `ANALYZE "Users"`)
			make := func(name string) report.Table {
				table, err := report.Run(t.Context(), session, name, 50)
				require.NoError(t, err)
				assert.True(t, strings.HasPrefix(table.Server, fmt.Sprint(major)))
				assert.Equal(t, "postgres", table.Database)
				assert.WithinDuration(t, time.Now(), table.At, time.Minute)
				require.Len(t, table.Text(), len(table.Rows))
				for _, row := range table.Rows {
					require.Len(t, row, len(table.Columns))
				}
				return table
			}
			t.Run("activity", func(t *testing.T) { seesActivity(t, server, make) })
			t.Run("cache", func(t *testing.T) {
				rows := make("cache").Rows
				assert.Equal(t, "the whole database", rows[0]["table"])
				assert.InDelta(t, 50, rows[0]["hit_percent"], 50)
				users := find(t, rows, "table", "Users")
				assert.Positive(t, users["blocks_hit"])
			})
			t.Run("indexes", func(t *testing.T) {
				table := make("indexes")
				assert.Equal(t, major >= 16, strings.Contains(strings.Join(table.Columns, " "), "last_scan"))
				assert.Equal(t, "lower", table.Rows[0]["index"], "what is wrong comes first")
				assert.Equal(t, "invalid, never used", table.Rows[0]["note"])
				assert.Equal(t, "primary key", find(t, table.Rows, "index", "Users_pkey")["note"])
				assert.Positive(t, find(t, table.Rows, "index", "Users_pkey")["scans"])
				assert.Equal(t, "never used, same as second", find(t, table.Rows, "index", "first")["note"])
			})
			t.Run("slow", func(t *testing.T) {
				slept := find(t, make("slow").Rows, "query", "SELECT pg_sleep($1)")
				assert.Greater(t, slept["mean_ms"], 50.0)
				assert.EqualValues(t, 1, slept["calls"])
				assert.NotNil(t, slept["disk_ms"], "track_io_timing is on")
			})
			t.Run("size", func(t *testing.T) {
				rows := make("size").Rows
				users := find(t, rows, "table", "Users")
				assert.Greater(t, users["rows_bytes"], int64(20000*100))
				assert.EqualValues(t, 5000, users["estimated_rows"])
				assert.Greater(t, rows[0]["total_bytes"], users["total_bytes"])
			})
			t.Run("locks", func(t *testing.T) { seesLocks(t, server, make) })
			t.Run("bloat", func(t *testing.T) {
				users := find(t, make("bloat").Rows, "table", "Users")
				assert.EqualValues(t, 15000, users["dead_rows"])
				assert.InDelta(t, 75, users["dead_percent"], 0.1)
				held := users["size_bytes"].(int64)
				assert.InDelta(t, float64(held)*3/4, float64(users["estimated_free_bytes"].(int64)), float64(held)/10, "three rows of four are gone")
				execute(t, session, "CREATE TABLE unknown AS SELECT repeat('x', 100) FROM generate_series(1, 1000)", "VACUUM unknown", "CREATE TABLE empty (n int)", "VACUUM empty")
				assert.Nil(t, find(t, make("bloat").Rows, "table", "unknown")["estimated_free_bytes"], "it was vacuumed and never analyzed: how wide its rows are, nobody knows")
				assert.EqualValues(t, 0, find(t, make("bloat").Rows, "table", "empty")["estimated_free_bytes"])
			})
		})
	}
}

func seesActivity(t *testing.T, server *pgtest.Server, make func(string) report.Table) {
	other := server.Connect(t)
	execute(t, other, "SET application_name = 'the other'", "BEGIN", "SELECT 1 AS   seen")
	row := find(t, make("activity").Rows, "application", "the other")
	assert.Equal(t, "idle in transaction", row["state"])
	assert.Equal(t, "SELECT 1 AS seen", row["query"])
	assert.Equal(t, "127.0.0.1", row["client"])
	assert.Positive(t, row["transaction_seconds"])
}

func seesLocks(t *testing.T, server *pgtest.Server, make func(string) report.Table) {
	assert.Empty(t, make("locks").Rows)
	holder, waiter := server.Connect(t), server.Connect(t)
	execute(t, holder, "BEGIN", `LOCK TABLE "Users"`)
	ended := backgroundQuery(t, waiter, `SELECT 1 FROM "Users"`)
	var rows []map[string]any
	require.Eventually(t, func() bool { rows = make("locks").Rows; return len(rows) > 0 }, 10*time.Second, 20*time.Millisecond)
	assert.Equal(t, `"Users"`, rows[0]["on"])
	assert.EqualValues(t, holder.PgConn().PID(), rows[0]["blocked_by"])
	assert.Equal(t, "idle in transaction", rows[0]["blocker_state"])
	assert.NotNil(t, rows[0]["waiting_seconds"])
	execute(t, holder, "COMMIT")
	require.NoError(t, <-ended)

	const lock = `SELECT FROM "Users" WHERE id = 7 FOR UPDATE`
	execute(t, holder, "BEGIN", lock)
	ended = backgroundQuery(t, waiter, lock)
	require.Eventually(t, func() bool { rows = make("locks").Rows; return len(rows) > 0 }, 10*time.Second, 20*time.Millisecond)
	assert.Equal(t, `a row of "Users"`, rows[0]["on"])
	execute(t, holder, "COMMIT")
	require.NoError(t, <-ended)
}

func backgroundQuery(t *testing.T, session *pgx.Conn, statement string) <-chan error {
	ended := make(chan error, 1)
	go func() {
		_, err := session.Exec(t.Context(), statement)
		ended <- err
	}()
	return ended
}

// TestReportsDoNotWaitLongForATable: sizes are asked of tables that somebody may hold.
func TestReportsDoNotWaitLongForATable(t *testing.T) {
	server := pgtest.Start(t)
	holder := server.Connect(t)
	execute(t, holder, "CREATE TABLE held (n int)", "BEGIN", "LOCK TABLE held IN ACCESS EXCLUSIVE MODE")
	started := time.Now()
	_, err := report.Run(t.Context(), server.Connect(t), "size", 10)
	assert.ErrorContains(t, err, "report size: somebody holds a table exclusively, for more than 5s; wcrdb report activity")
	assert.Less(t, time.Since(started), 25*time.Second)
}

func TestSlowSaysWhatIsMissing(t *testing.T) {
	session := pgtest.Start(t).Connect(t)
	_, err := report.Run(t.Context(), session, "slow", 10)
	require.ErrorContains(t, err, "add it to database.extensions and to settings.shared_preload_libraries")
	execute(t, session, "CREATE EXTENSION pg_stat_statements")
	_, err = report.Run(t.Context(), session, "slow", 10)
	require.ErrorContains(t, err, `pg_stat_statements is not loaded (shared_preload_libraries is "")`)
}

func TestSlowFollowsTheExtensionNotTheServer(t *testing.T) {
	server := pgtest.New(t, pgtest.Releases[18], "shared_preload_libraries=pg_stat_statements")
	require.NoError(t, server.Start(t.Context()))
	session := server.Connect(t)
	execute(t, session, "CREATE EXTENSION pg_stat_statements VERSION '1.9'")
	table, err := report.Run(t.Context(), session, "slow", 10)
	require.NoError(t, err)
	assert.Contains(t, table.Columns, "disk_ms")
	assert.Nil(t, table.Rows[0]["disk_ms"], "track_io_timing is off, and nothing was measured")
	execute(t, session, "DROP EXTENSION pg_stat_statements", "CREATE EXTENSION pg_stat_statements VERSION '1.7'")
	_, err = report.Run(t.Context(), session, "slow", 10)
	require.ErrorContains(t, err, "ALTER EXTENSION pg_stat_statements UPDATE")
}

func TestUnknownReport(t *testing.T) {
	_, err := report.Run(t.Context(), nil, "weather", 10)
	require.EqualError(t, err, "no report weather; there are activity, cache, indexes, slow, size, locks, bloat")
}

func TestText(t *testing.T) {
	now := time.Now()
	table := report.Table{
		At: now, Columns: []string{"table", "size_bytes", "waiting_seconds", "mean_ms", "hit_percent", "last_scan", "blocked_by"},
		Rows: []map[string]any{
			{"table": "Users", "size_bytes": int64(3 << 20), "waiting_seconds": 61.23, "mean_ms": 1.25, "hit_percent": 99.0, "last_scan": now.Add(-3 * time.Hour), "blocked_by": int32(7)},
			{"table": "Events"},
		},
	}
	assert.Equal(t, []string{"table", "size", "waiting", "mean", "hit", "last scan", "blocked by"}, table.Header())
	assert.Equal(t, [][]string{
		{"Users", "3MiB", "1m1.2s", "1.2 ms", "99.0 %", "3 hours ago", "7"},
		{"Events", "", "", "", "", "", ""},
	}, table.Text())
}

// counted waits until what a session has deleted reached the counts that all see.
func counted(t *testing.T, server *pgtest.Server) {
	t.Helper()
	require.Eventually(t, func() bool {
		session, err := server.Login(t.Context(), pgtest.Superuser, pgtest.Password, "postgres")
		require.NoError(t, err)
		var dead int
		require.NoError(t, session.QueryRow(t.Context(), `SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'Users'`).Scan(&dead))
		require.NoError(t, session.Close(t.Context()))
		return dead == 15000
	}, 30*time.Second, 50*time.Millisecond)
}

func find(t *testing.T, rows []map[string]any, column, value string) map[string]any {
	t.Helper()
	for _, row := range rows {
		if row[column] == value {
			return row
		}
	}
	require.Failf(t, "no such row", "%s %s in %v", column, value, rows)
	return nil
}

func execute(t *testing.T, session *pgx.Conn, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		_, err := session.Exec(context.Background(), statement)
		require.NoError(t, err, statement)
	}
}
