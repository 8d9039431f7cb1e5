package restore_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/pgtest"
	"github.com/witchcityrope/database/internal/restore"
)

func opener(server *pgtest.Server) restore.Open {
	return func(ctx context.Context, database string) (*pgx.Conn, error) {
		return server.Login(ctx, pgtest.Superuser, pgtest.Password, database)
	}
}

func do(t *testing.T, session *pgx.Conn, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		_, err := session.Exec(t.Context(), statement)
		require.NoError(t, err, statement)
	}
}

func ask[T any](t *testing.T, session *pgx.Conn, query string, args ...any) (value T) {
	t.Helper()
	require.NoError(t, session.QueryRow(t.Context(), query, args...).Scan(&value), query)
	return value
}

// propertiesOf a database, as text.
const propertiesOf = `SELECT concat_ws(E'\n', pg_get_userbyid(datdba), datconnlimit, shobj_description(oid, 'pg_database'),
	(SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(datacl) a),
	(SELECT string_agg(format('%s: %s', setrole::regrole, setconfig), E'\n' ORDER BY setrole) FROM pg_db_role_setting WHERE setdatabase = d.oid))
	FROM pg_database d WHERE datname = $1`

func TestSwap(t *testing.T) {
	server := pgtest.Start(t)
	session := server.Connect(t)
	do(t, session, "CREATE ROLE owner", "CREATE ROLE app LOGIN PASSWORD 'app'", `CREATE ROLE "a group"`,
		"CREATE DATABASE shop OWNER owner CONNECTION LIMIT 77", "COMMENT ON DATABASE shop IS 'it''s the shop'", "REVOKE ALL ON DATABASE shop FROM PUBLIC",
		"GRANT CONNECT ON DATABASE shop TO app", `GRANT CONNECT, TEMP ON DATABASE shop TO "a group" WITH GRANT OPTION`,
		`ALTER DATABASE shop SET search_path = "$user", public, "odd, one"`, `ALTER ROLE "a group" IN DATABASE shop SET work_mem = '5MB'`, `ALTER DATABASE shop SET custom.thing = 'it''s'`)
	before := ask[string](t, session, propertiesOf, "shop")
	old := server.ConnectAs(t, pgtest.Superuser, pgtest.Password, "shop")
	do(t, old, "CREATE TABLE which AS SELECT 'old' AS name", "GRANT SELECT ON which TO app")

	// The application goes on all the time, reconnecting where it is thrown out.
	ctx, stop := context.WithCancel(t.Context())
	var logins atomic.Int64
	idle := make(chan struct{})
	go func() {
		defer close(idle)
		for ctx.Err() == nil {
			app, err := server.Login(ctx, "app", "app", "shop")
			if err != nil {
				continue
			}
			logins.Add(1)
			for err == nil {
				_, err = app.Exec(ctx, "SELECT count(*) FROM which")
			}
			_ = app.Close(context.Background())
		}
	}()
	require.Eventually(t, func() bool { return logins.Load() > 0 }, 10*time.Second, time.Millisecond)

	at := time.Date(2026, 11, 24, 2, 15, 0, 0, time.UTC)
	next, err := restore.Beside("shop", restore.Restoring, at)
	require.NoError(t, err)
	kept, err := restore.Beside("shop", restore.Before, at)
	require.NoError(t, err)
	require.Equal(t, "shop_before_20261124t021500", kept)
	require.NoError(t, restore.Create(ctx, session, "shop", next, func() error {
		_, err := server.Login(ctx, "app", "app", next)
		require.ErrorContains(t, err, "permission denied for database", "nobody gets in before it is proven")
		filling := server.ConnectAs(t, pgtest.Superuser, pgtest.Password, next)
		do(t, filling, "CREATE TABLE which AS SELECT 'new' AS name", "GRANT SELECT ON which TO app")
		return nil
	}))
	require.NoError(t, restore.Swap(t.Context(), opener(server), restore.Exchange{Database: "shop", Next: next, Kept: kept}))
	require.Error(t, old.Ping(t.Context()), "sessions of the old one have ended")

	seen := logins.Load()
	require.Eventually(t, func() bool { return logins.Load() > seen }, 10*time.Second, time.Millisecond, "the application is back")
	stop()
	<-idle
	app, err := server.Login(t.Context(), "app", "app", "shop")
	require.NoError(t, err)
	defer app.Close(context.Background())
	assert.Equal(t, "new", ask[string](t, app, "SELECT name FROM which"))
	assert.Equal(t, before, ask[string](t, session, propertiesOf, "shop"))
	assert.Equal(t, "old", ask[string](t, server.ConnectAs(t, pgtest.Superuser, pgtest.Password, kept), "SELECT name FROM which"))
	_, err = server.Login(t.Context(), "app", "app", kept)
	require.ErrorContains(t, err, "permission denied for database")

	neighbours, err := restore.Neighbours(t.Context(), session, "shop")
	require.NoError(t, err)
	require.Len(t, neighbours, 1)
	assert.Equal(t, at, neighbours[0].Since)
	for _, wrong := range []string{"shop", "postgres", "shop_before_", "shop_before_20261124t021500x", "shop_before_20261124t021501"} {
		require.Error(t, restore.Drop(t.Context(), session, "shop", wrong))
	}
	require.NoError(t, restore.Drop(t.Context(), session, "shop", kept))
}

// TestSwapKilled ends the session that swaps at random moments: either all was done, or nothing.
func TestSwapKilled(t *testing.T) {
	server := pgtest.Start(t)
	session := server.Connect(t)
	do(t, session, "CREATE DATABASE shop", "CREATE DATABASE spare")
	present := func() string {
		return fmt.Sprint(ask[uint32](t, session, "SELECT oid FROM pg_database WHERE datname = 'shop'"))
	}
	done, undone := 0, 0
	for round := 0; round < 30 || done == 0 && round < 300; round++ { // a busy machine needs more
		before := present()
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(round)*time.Millisecond)
		err := restore.Swap(ctx, opener(server), restore.Exchange{Database: "shop", Next: "spare", Kept: "kept"})
		cancel()
		var names []string
		require.EventuallyWithT(t, func(t *assert.CollectT) {
			rows, err := session.Query(context.Background(), "SELECT datname::text FROM pg_database WHERE datname IN ('shop', 'spare', 'kept') ORDER BY 1")
			require.NoError(t, err)
			names, err = pgx.CollectRows(rows, pgx.RowTo[string])
			require.NoError(t, err)
			require.Len(t, names, 2)
			var others int
			require.NoError(t, session.QueryRow(context.Background(), "SELECT count(*) FROM pg_stat_activity WHERE datname = 'postgres' AND pid <> pg_backend_pid()").Scan(&others))
			require.Zero(t, others, "the session that was left has noticed")
		}, 20*time.Second, 5*time.Millisecond)
		rows, err2 := session.Query(t.Context(), "SELECT datname::text FROM pg_database WHERE datname IN ('shop', 'spare', 'kept') ORDER BY 1")
		require.NoError(t, err2)
		names, err2 = pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err2)
		if names[0] == "kept" {
			done++
			require.Equal(t, []string{"kept", "shop"}, names)
			require.NotEqual(t, before, present())
			do(t, session, "ALTER DATABASE kept RENAME TO spare")
			continue
		}
		undone++
		require.Error(t, err)
		require.Equal(t, []string{"shop", "spare"}, names)
		require.Equal(t, before, present())
	}
	t.Logf("%d swaps done, %d undone", done, undone)
	assert.Positive(t, done)
	assert.Positive(t, undone)
}

func TestExclusively(t *testing.T) {
	server := pgtest.Start(t)
	session := server.Connect(t)
	do(t, session, "CREATE DATABASE shop", "CREATE DATABASE shop_restoring_20261124t021500", "CREATE DATABASE shop_before_20261124t021500", "CREATE DATABASE shop_restoring_it")
	var said []string
	report := func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
	require.NoError(t, restore.Exclusively(t.Context(), opener(server), "shop", report, func(*pgx.Conn) error {
		again := restore.Exclusively(t.Context(), opener(server), "shop", report, func(*pgx.Conn) error { return nil })
		require.ErrorIs(t, again, restore.ErrBusy)
		return nil
	}))
	require.Len(t, said, 1)
	assert.Contains(t, said[0], "shop_restoring_20261124t021500")
	assert.Equal(t, 3, ask[int](t, session, "SELECT count(*)::int FROM pg_database WHERE datname LIKE 'shop%'"))

	failure := errors.New("the disk is full")
	require.ErrorIs(t, restore.Create(t.Context(), session, "shop", "shop_restoring_20261124t021501", func() error { return failure }), failure)
	assert.Equal(t, 3, ask[int](t, session, "SELECT count(*)::int FROM pg_database WHERE datname LIKE 'shop%'"), "nothing is left")
	require.ErrorContains(t, restore.Create(t.Context(), session, "gone", "x", func() error { return nil }), "there is no database gone")
}

// TestCreateLike: the new database sorts and compares as the old one does, on every major.
func TestCreateLike(t *testing.T) {
	const locale = `SELECT concat_ws(' ', encoding, datcollate, datctype, d ->> 'datlocprovider', coalesce(d ->> 'datlocale', d ->> 'daticulocale')) FROM pg_database, to_jsonb(pg_database) AS d WHERE datname = $1`
	for major, version := range pgtest.Releases {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			server := pgtest.New(t, version)
			require.NoError(t, server.Start(t.Context()))
			session := server.Connect(t)
			options := []string{"LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'"}
			if major >= 15 {
				options = append(options, "LOCALE_PROVIDER icu ICU_LOCALE 'und' LOCALE 'C'")
			}
			if major >= 17 {
				options = append(options, "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'")
			}
			for i, option := range options {
				like, name := fmt.Sprintf("like%d", i), fmt.Sprintf("made%d", i)
				do(t, session, fmt.Sprintf("CREATE DATABASE %s TEMPLATE template0 %s", like, option))
				require.NoError(t, restore.Create(t.Context(), session, like, name, func() error { return nil }))
				assert.Equal(t, ask[string](t, session, locale, like), ask[string](t, session, locale, name))
			}
		})
	}
}

// TestSwapKilledBetweenRenames cuts the connections while the second rename
// waits for a lock: the first was never done, and the name was never missing.
func TestSwapKilledBetweenRenames(t *testing.T) {
	server := pgtest.Start(t)
	looking := server.Connect(t)
	do(t, looking, "CREATE DATABASE shop", "CREATE DATABASE next")
	const databases = "SELECT string_agg(format('%s %s', oid, datname), ' ' ORDER BY oid) FROM pg_database"
	before := ask[string](t, looking, databases)
	held, err := server.Connect(t).Begin(t.Context())
	require.NoError(t, err)
	_, err = held.Exec(t.Context(), "COMMENT ON DATABASE next IS 'held'")
	require.NoError(t, err)

	var opened []*pgx.Conn
	var mutex sync.Mutex
	open := func(ctx context.Context, database string) (*pgx.Conn, error) {
		session, err := opener(server)(ctx, database)
		mutex.Lock()
		defer mutex.Unlock()
		opened = append(opened, session)
		return session, err
	}
	exchange := restore.Exchange{Database: "shop", Next: "next", Kept: "kept"}
	ended := make(chan error, 1)
	go func() { ended <- restore.Swap(t.Context(), open, exchange) }()
	const renaming = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'ALTER DATABASE %'"
	require.Eventually(t, func() bool {
		return ask[int](t, looking, renaming+` AND wait_event_type = 'Lock' AND query LIKE '%"next" RENAME TO "shop"'`) == 1
	}, 20*time.Second, 5*time.Millisecond)
	assert.Equal(t, before, ask[string](t, looking, databases))
	mutex.Lock()
	for _, session := range opened {
		if err := session.PgConn().Conn().Close(); !errors.Is(err, net.ErrClosed) { // the swap closes them, once one is cut
			require.NoError(t, err)
		}
	}
	mutex.Unlock()
	require.Error(t, <-ended)
	require.NoError(t, held.Rollback(t.Context()))
	require.Eventually(t, func() bool { return ask[int](t, looking, renaming) == 0 }, 20*time.Second, 5*time.Millisecond)
	assert.Equal(t, before, ask[string](t, looking, databases))
	require.NoError(t, restore.Swap(t.Context(), opener(server), exchange))
}
