package measure

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/health"
	"github.com/witchcityrope/database/internal/migration"
	"github.com/witchcityrope/database/internal/pgtest"
)

func stack(t *testing.T) *config.Stack {
	t.Helper()
	decoded, err := config.Decode("shop", "dev", map[string]string{
		"rootSecretFrom": "local", "database": `{"name": "shop", "schemas": ["auth", "public"]}`,
		"health": `{"tables": ["Users", "public.Events", "public.Users", "Hidden", "Elsewhere"], "deadRows": {"warning": 1, "critical": 2, "atLeast": 100}}`,
	})
	require.NoError(t, err)
	return decoded
}

// TestDatabase measures on a server of every major what was made to be there.
func TestDatabase(t *testing.T) {
	for major, release := range pgtest.Releases {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			settings := []string{"max_prepared_transactions=2", "autovacuum=off", "max_connections=40", "superuser_reserved_connections=4"}
			if major >= 16 {
				settings = append(settings, "reserved_connections=5")
			}
			server := pgtest.New(t, release, settings...)
			require.NoError(t, server.Start(t.Context()))
			prepare(t, server)
			holder := login(t, server, "shop_app_1")
			execute(t, holder, "BEGIN", `LOCK TABLE public."Events" IN SHARE MODE`)
			execute(t, login(t, server, "shop_backup"), "BEGIN", "SELECT 1")
			waiter := login(t, server, "shop_app_0")
			ended := make(chan error, 1)
			go func() {
				_, err := waiter.Exec(t.Context(), `INSERT INTO public."Events" VALUES (1)`)
				ended <- err
			}()
			session := server.ConnectAs(t, pgtest.Superuser, pgtest.Password, "shop")
			require.Eventually(t, func() bool {
				found, _ := Database(t.Context(), server.ConnectAs(t, pgtest.Superuser, pgtest.Password, "shop"), stack(t))
				return found.Waiting == 1 && len(found.Dead) == 1
			}, 30*time.Second, 50*time.Millisecond)

			found, faults := Database(t.Context(), session, stack(t))
			assert.Empty(t, faults)
			assert.False(t, found.InRecovery)
			assert.Equal(t, map[string]health.Table{
				"Users":         {Where: `auth."Users"`, Readable: true},
				"public.Events": {Where: `public."Events"`, Readable: true},
				"Hidden":        {Where: `public."Hidden"`},
			}, found.Tables)
			assert.Equal(t, []string{"1_First", "2_Second"}, found.Applied)
			assert.Equal(t, []int{40, 4}, []int{found.MaxConnections, found.SuperuserReserved})
			assert.Equal(t, map[bool]int{true: 5}[major >= 16], found.Reserved)
			assert.Contains(t, found.Sessions, health.Sessions{Login: "shop_app_0", Count: 1})
			assert.Positive(t, found.BlocksHit)
			require.NotNil(t, found.Transaction)
			assert.Equal(t, "two-phase", found.Transaction.Prepared, "it is the oldest")
			assert.EqualValues(t, waiter.PgConn().PID(), found.Longest.PID)
			assert.Contains(t, found.Longest.Blocker, fmt.Sprintf("process %d (shop_app_1, idle in transaction)", holder.PgConn().PID()))
			assert.Positive(t, found.Longest.For)
			assert.NotEmpty(t, found.Oldest.Database)
			assert.Positive(t, found.Oldest.Transactions)
			assert.Equal(t, []health.DeadRows{{Table: "public.dead", Live: 100, Dead: 900}}, found.Dead)
			require.Len(t, found.Slots, 1)
			assert.Equal(t, "gone", found.Slots[0].Name)
			assert.GreaterOrEqual(t, found.Slots[0].Retained, int64(16<<20))
			assert.False(t, found.Slots[0].Active)
			assert.Zero(t, found.Standbys)
			assert.Empty(t, found.ArchiveFailing)
			assert.Equal(t, []string{"failed"}, found.InvalidIndexes)
			assert.Equal(t, []string{"max_wal_senders"}, found.PendingRestart)
			assert.True(t, found.FilesRead)
			assert.Empty(t, found.FileFaults)
			measuredByAnAdministrator(t, server)
			invalidWhileAnotherIsBuilt(t, server)

			execute(t, holder, "ROLLBACK")
			require.NoError(t, <-ended)
			execute(t, server.ConnectAs(t, pgtest.Superuser, pgtest.Password, "shop"), "ROLLBACK PREPARED 'two-phase'")
			found, _ = Database(t.Context(), session, stack(t))
			assert.Zero(t, found.Waiting)
			assert.Nil(t, found.Transaction, "a backup's does not count")

			Pending(found, &migration.Script{Migrations: []migration.Migration{{ID: "1_First"}, {ID: "3_Third"}}})
			assert.True(t, found.Compared)
			assert.Equal(t, []string{"3_Third"}, found.Pending)
			assert.Equal(t, []string{"2_Second"}, found.Unknown)

			_, err := session.Exec(t.Context(), "CREATE TABLE changed ()")
			assert.ErrorContains(t, err, "read-only transaction", "nothing can be changed")
			about, err := Server(t.Context(), session)
			require.NoError(t, err)
			assert.Contains(t, about.Version, fmt.Sprint(major))
			assert.WithinDuration(t, time.Now(), about.Started, 10*time.Minute)
			assert.Nil(t, Certificate(session, nil, "db", time.Now()), "there is no TLS")
		})
	}
}

// measuredByAnAdministrator: who administrates a managed server is no superuser.
func measuredByAnAdministrator(t *testing.T, server *pgtest.Server) {
	superuser := server.ConnectAs(t, pgtest.Superuser, pgtest.Password, "shop")
	execute(t, superuser, "CREATE ROLE administrator LOGIN PASSWORD 'p' CREATEROLE CREATEDB", `GRANT SELECT ON public."__EFMigrationsHistory" TO administrator`)
	blind, faults := Database(t.Context(), login(t, server, "administrator"), stack(t))
	require.Contains(t, faults, "connections", "nothing is seen, which is not nobody: %+v", blind.Sessions)
	assert.Contains(t, faults["connections"], "GRANT pg_monitor TO")
	assert.Contains(t, faults, "transactions")
	execute(t, superuser, "GRANT pg_monitor TO administrator")
	found, faults := Database(t.Context(), login(t, server, "administrator"), stack(t))
	assert.Empty(t, faults)
	assert.False(t, found.FilesRead)
	assert.Equal(t, []string{"max_wal_senders"}, found.PendingRestart)
	assert.Contains(t, found.Sessions, health.Sessions{Login: "shop_app_0", Count: 1})
	execute(t, superuser, "REVOKE ALL ON pg_file_settings FROM PUBLIC", "GRANT SELECT ON pg_file_settings, pg_hba_file_rules TO administrator")
	found, faults = Database(t.Context(), login(t, server, "administrator"), stack(t))
	assert.Empty(t, faults, "the views are nothing without their functions")
	assert.False(t, found.FilesRead)
	execute(t, superuser, "GRANT EXECUTE ON FUNCTION pg_show_all_file_settings(), pg_hba_file_rules() TO administrator")
	found, faults = Database(t.Context(), login(t, server, "administrator"), stack(t))
	assert.Empty(t, faults)
	assert.True(t, found.FilesRead)
}

// invalidWhileAnotherIsBuilt: a build hides its index from who may not see it,
// and one of another database has a number of that database.
func invalidWhileAnotherIsBuilt(t *testing.T, server *pgtest.Server) {
	administrator := server.Connect(t)
	execute(t, administrator, "CREATE DATABASE elsewhere", "CREATE ROLE blind LOGIN PASSWORD 'p'")
	elsewhere := server.ConnectAs(t, pgtest.Superuser, pgtest.Password, "elsewhere")
	execute(t, elsewhere, "CREATE TABLE held (n int)")
	holder := server.ConnectAs(t, pgtest.Superuser, pgtest.Password, "elsewhere")
	execute(t, holder, "BEGIN", "INSERT INTO held VALUES (1)")
	built := make(chan error, 1)
	go func() {
		_, err := elsewhere.Exec(context.Background(), "CREATE INDEX CONCURRENTLY waiting ON held (n)")
		built <- err
	}()
	require.Eventually(t, func() bool {
		var building int
		require.NoError(t, administrator.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting%'").Scan(&building))
		return building == 1
	}, 30*time.Second, 20*time.Millisecond)
	found, faults := Database(t.Context(), server.ConnectAs(t, pgtest.Superuser, pgtest.Password, "shop"), stack(t))
	assert.Empty(t, faults)
	assert.Equal(t, []string{"failed"}, found.InvalidIndexes)
	found, faults = Database(t.Context(), login(t, server, "blind"), stack(t))
	assert.NotContains(t, faults, "integrity")
	assert.Equal(t, []string{"failed"}, found.InvalidIndexes)
	execute(t, holder, "COMMIT")
	require.NoError(t, <-built)
}

// prepare makes a database in which there is something to see.
func prepare(t *testing.T, server *pgtest.Server) {
	execute(t, server.Connect(t), "CREATE DATABASE shop",
		"CREATE ROLE shop_app_0 LOGIN PASSWORD 'p'", "CREATE ROLE shop_app_1 LOGIN PASSWORD 'p'", "CREATE ROLE shop_backup LOGIN PASSWORD 'p'",
		"SELECT pg_create_physical_replication_slot('gone', true)", "CREATE TABLE more (n int)", "SELECT pg_switch_wal()", "INSERT INTO more VALUES (1)", "SELECT pg_switch_wal()",
		"ALTER SYSTEM SET max_wal_senders = 11", "SELECT pg_reload_conf()",
	)
	maker, err := server.Login(t.Context(), pgtest.Superuser, pgtest.Password, "shop")
	require.NoError(t, err)
	execute(t, maker, "CREATE SCHEMA auth", "CREATE SCHEMA other", "GRANT USAGE ON SCHEMA auth TO shop_app_1",
		`CREATE TABLE auth."Users" (n int)`, `CREATE TABLE public."Events" (n int)`, `CREATE TABLE public."Hidden" (n int)`, `CREATE TABLE other."Elsewhere" (n int)`,
		`GRANT SELECT ON auth."Users", public."Events" TO shop_app_1`, `GRANT ALL ON public."Events" TO shop_app_0, shop_app_1`,
		`CREATE TABLE "__EFMigrationsHistory" ("MigrationId" text, "ProductVersion" text)`, `INSERT INTO "__EFMigrationsHistory" VALUES ('2_Second', '9.0'), ('1_First', '9.0')`,
		"CREATE TABLE public.dead AS SELECT n FROM generate_series(1, 1000) AS n", "DELETE FROM public.dead WHERE n > 100",
		"CREATE TABLE twice AS SELECT 1 AS n FROM generate_series(1, 2)",
	)
	_, err = maker.Exec(t.Context(), "CREATE UNIQUE INDEX CONCURRENTLY failed ON twice (n)")
	require.ErrorContains(t, err, "could not create unique index")
	execute(t, maker, "BEGIN", "SELECT 1", "PREPARE TRANSACTION 'two-phase'")
	require.NoError(t, maker.Close(t.Context()))
}

func TestFaultsAreThoseOfOneCheck(t *testing.T) {
	server := pgtest.Start(t)
	session := server.Connect(t)
	execute(t, session, "CREATE ROLE shop_app_1", `CREATE TABLE "__EFMigrationsHistory" (other text)`)
	_, faults := Database(t.Context(), session, stack(t))
	assert.Len(t, faults, 1)
	assert.Contains(t, faults["migrations"], `column "MigrationId" does not exist`)
}

func TestFilesThatTheServerCannotTake(t *testing.T) {
	server := pgtest.Start(t)
	session := server.Connect(t)
	for _, wrong := range []struct{ line, file, says string }{
		{"work_mem = 3", "postgresql.conf", "work_mem: setting could not be applied"},
		{"no_such_setting = 3", "postgresql.conf", "no_such_setting: unrecognized configuration parameter"},
		{"nonsense", "pg_hba.conf", "pg_hba.conf line"},
	} {
		execute(t, server.Connect(t), fmt.Sprintf("COPY (SELECT '%s') TO PROGRAM 'cat >> %s'", wrong.line, wrong.file))
		found, faults := Database(t.Context(), session, stack(t))
		assert.Empty(t, faults)
		require.NotEmpty(t, found.FileFaults)
		assert.Contains(t, strings.Join(found.FileFaults, "\n"), wrong.says)
	}
}

func TestFailingArchive(t *testing.T) {
	server := pgtest.Start(t, "archive_mode=on", "archive_command=false")
	session := server.Connect(t)
	execute(t, session, "CREATE TABLE more (n int)", "SELECT pg_switch_wal()")
	require.Eventually(t, func() bool {
		found, _ := Database(t.Context(), server.Connect(t), stack(t))
		return found.ArchiveFailing != ""
	}, 30*time.Second, 100*time.Millisecond)
}

func TestReadDisk(t *testing.T) {
	for output, want := range map[string]health.Disk{
		"Filesystem     1024-blocks     Used Available Capacity Mounted on\n/dev/vda         263174212 50000000 200000000      20% /\n":                            {Total: 250000000 << 10, Free: 200000000 << 10},
		"Filesystem           1024-blocks    Used Available Capacity Mounted on\ntmpfs                   409600     50000    359600  12% /var/lib/postgresql/data": {Total: 409600 << 10, Free: 359600 << 10},
	} {
		found, err := readDisk(output)
		require.NoError(t, err)
		assert.Equal(t, want, found)
	}
	for _, output := range []string{"", "df: no such file", "Filesystem 1024-blocks Used\na b c d e f", "Filesystem 1024-blocks\n"} {
		_, err := readDisk(output)
		assert.ErrorContains(t, err, "df said", output)
	}
}

func login(t *testing.T, server *pgtest.Server, name string) *pgx.Conn {
	t.Helper()
	return server.ConnectAs(t, name, "p", "shop")
}

func execute(t *testing.T, session *pgx.Conn, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		_, err := session.Exec(context.Background(), statement)
		require.NoError(t, err, statement)
	}
}
