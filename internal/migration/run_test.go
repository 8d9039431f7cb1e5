package migration

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/pgtest"
)

var brief = Limits{Lock: 100 * time.Millisecond, Statement: time.Minute}

// run runs a script alone on the server, and returns what the history then has.
func run(t *testing.T, session *pgx.Conn, script *Script) ([]Applied, error) {
	t.Helper()
	failure := Alone(t.Context(), session, brief, func() error {
		return Run(t.Context(), session, script, func(int, int) {})
	})
	history, err := History(t.Context(), session)
	require.NoError(t, err)
	return history, failure
}

func TestRun(t *testing.T) {
	server := pgtest.Start(t)
	both := []Applied{{"20260101000000_First", "9.0.10", "public"}, {"20260202000000_Second", "9.0.10", "public"}}
	fresh := func(t *testing.T) *pgx.Conn {
		name := strings.ToLower(strings.NewReplacer("/", "_", " ", "_", ",", "_").Replace(t.Name()))
		_, err := server.Connect(t).Exec(t.Context(), "CREATE DATABASE "+name)
		require.NoError(t, err)
		return server.ConnectAs(t, pgtest.Superuser, pgtest.Password, name)
	}
	t.Run("twice", func(t *testing.T) {
		session := fresh(t)
		for range 2 {
			history, err := run(t, session, idempotent(t))
			require.NoError(t, err)
			assert.Equal(t, both, history)
		}
	})
	t.Run("failing", func(t *testing.T) {
		session := fresh(t)
		content, err := os.ReadFile("testdata/idempotent.sql")
		require.NoError(t, err)
		history, failure := run(t, session, parse(t, strings.Replace(string(content), `"Boats" ADD`, `"Ships" ADD`, 1)))
		var failed *Failed
		require.True(t, errors.As(failure, &failed))
		assert.Equal(t, 27, failed.Statement.Line)
		assert.True(t, failed.Undone)
		assert.ErrorContains(t, failure, `line 27 (DO $EF$ BEGIN`)
		assert.ErrorContains(t, failure, `relation "Ships" does not exist`)
		assert.ErrorContains(t, failure, "the transaction was rolled back")
		assert.Equal(t, both[:1], history, "a transaction that was committed stays")
		assert.EqualValues(t, 'I', session.PgConn().TxStatus())
	})
	t.Run("failing without transactions", func(t *testing.T) {
		session := fresh(t)
		_, failure := run(t, session, parse(t, "CREATE TABLE a (x int);\nCREATE TABLE a (x int);"))
		assert.ErrorContains(t, failure, "line 2")
		assert.ErrorContains(t, failure, "was it made by hand")
		var there bool
		require.NoError(t, session.QueryRow(t.Context(), "SELECT to_regclass('a') IS NOT NULL").Scan(&there))
		assert.False(t, there, "all of it or nothing")
	})
	t.Run("outside transactions", func(t *testing.T) {
		session := fresh(t)
		_, err := run(t, session, parse(t, "CREATE TABLE a (x int); CREATE INDEX CONCURRENTLY i ON a (x); VACUUM a;"))
		assert.NoError(t, err)
	})
	t.Run("without an end", func(t *testing.T) {
		session := fresh(t)
		_, err := run(t, session, parse(t, "BEGIN; CREATE TABLE a (x int);"))
		assert.ErrorContains(t, err, "ends within a transaction")
		assert.EqualValues(t, 'I', session.PgConn().TxStatus())
	})
	t.Run("two at once", func(t *testing.T) {
		session := fresh(t)
		other := server.ConnectAs(t, pgtest.Superuser, pgtest.Password, session.Config().Database)
		require.NoError(t, Alone(t.Context(), other, brief, func() error {
			_, err := run(t, session, idempotent(t))
			assert.ErrorContains(t, err, "another run is under way, in the session with process id ")
			return nil
		}))
		_, err := run(t, session, idempotent(t))
		assert.NoError(t, err)
	})
	t.Run("longer than it may take", func(t *testing.T) {
		session := fresh(t)
		script := parse(t, "BEGIN; CREATE TABLE kept (x int); COMMIT; BEGIN; CREATE TABLE undone (x int); SELECT pg_sleep(60); COMMIT;")
		failure := Alone(t.Context(), session, Limits{Lock: time.Second, Statement: 200 * time.Millisecond}, func() error {
			return Run(t.Context(), session, script, func(int, int) {})
		})
		var answer *pgconn.PgError
		require.ErrorAs(t, failure, &answer)
		assert.Equal(t, "57014", answer.Code)
		assert.ErrorContains(t, failure, "line 1 (SELECT pg_sleep(60)): ")
		assert.ErrorContains(t, failure, "raise --statement-timeout if it may take so long; the transaction was rolled back")
		var kept, undone bool
		require.NoError(t, session.QueryRow(t.Context(), "SELECT to_regclass('kept') IS NOT NULL, to_regclass('undone') IS NOT NULL").Scan(&kept, &undone))
		assert.True(t, kept)
		assert.False(t, undone)
	})
	t.Run("behind a lock", func(t *testing.T) {
		session := fresh(t)
		_, err := run(t, session, parse(t, "CREATE TABLE a (x int)"))
		require.NoError(t, err)
		other := server.ConnectAs(t, pgtest.Superuser, pgtest.Password, session.Config().Database)
		tx, err := other.Begin(t.Context())
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), "LOCK TABLE a")
		require.NoError(t, err)
		_, err = run(t, session, parse(t, "ALTER TABLE a ADD y int"))
		assert.ErrorContains(t, err, "--lock-timeout")
		require.NoError(t, tx.Rollback(t.Context()))
	})
}
