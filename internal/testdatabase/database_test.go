package testdatabase_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/pgtest"
	"github.com/witchcityrope/database/internal/testdatabase"
)

// stack is a server with a stack's database, of which tests clone theirs.
type stack struct {
	testdatabase.Server
	t      *testing.T
	server *pgtest.Server
}

func newStack(t *testing.T, server *pgtest.Server) stack {
	t.Helper()
	s := stack{t: t, server: server, Server: testdatabase.Server{
		Open: func(ctx context.Context, database string) (*pgx.Conn, error) {
			return server.Login(ctx, pgtest.Superuser, pgtest.Password, database)
		},
		Source: "shop", Declared: "1", Schemas: []string{"auth"}, Owner: "shop_owner", Report: t.Logf,
		Migrate: func(ctx context.Context, database string) (*pgx.Conn, error) {
			return server.Login(ctx, "shop_migrator", "migrator", database)
		},
		Migrated: func(context.Context, *pgx.Conn) error { return nil },
	}}
	s.exec("postgres", "CREATE ROLE shop_owner; CREATE ROLE shop_migrator LOGIN PASSWORD 'migrator' IN ROLE shop_owner; ALTER ROLE shop_migrator SET role = shop_owner; CREATE ROLE shop_rw; CREATE ROLE app LOGIN PASSWORD 'app' IN ROLE shop_rw")
	s.exec("postgres", "CREATE DATABASE shop OWNER shop_owner")
	s.exec("shop", `REVOKE ALL ON DATABASE shop FROM PUBLIC; GRANT CONNECT ON DATABASE shop TO app, shop_migrator; ALTER DATABASE shop SET lock_timeout = '7s';
		ALTER ROLE app IN DATABASE shop SET work_mem = '9MB'; ALTER SCHEMA public OWNER TO shop_owner; CREATE SCHEMA auth AUTHORIZATION shop_owner;
		GRANT USAGE ON SCHEMA public TO app; CREATE EXTENSION citext SCHEMA public;
		ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner GRANT SELECT, INSERT ON TABLES TO shop_rw`)
	return s
}

func (s stack) exec(database, statements string) {
	s.t.Helper()
	session, err := s.Open(s.t.Context(), database)
	require.NoError(s.t, err)
	defer session.Close(context.Background())
	_, err = session.Exec(s.t.Context(), statements)
	require.NoError(s.t, err)
}

func (s stack) ask(database, query string) (answer string) {
	s.t.Helper()
	session, err := s.Open(s.t.Context(), database)
	require.NoError(s.t, err)
	defer session.Close(context.Background())
	require.NoError(s.t, session.QueryRow(s.t.Context(), query).Scan(&answer))
	return answer
}

// databases of the server, by what their names begin with.
func (s stack) databases(beginning string) string {
	s.t.Helper()
	return s.ask("postgres", fmt.Sprintf("SELECT coalesce(string_agg(datname, ' ' ORDER BY datname), '') FROM pg_database WHERE starts_with(datname, '%s')", beginning))
}

// one makes a single database.
func (s stack) one(sql string) testdatabase.Created {
	s.t.Helper()
	made, err := s.Create(s.t.Context(), testdatabase.Wanted{SQL: sql, Count: 1, Lease: time.Hour, Holder: "a test"})
	require.NoError(s.t, err)
	require.Len(s.t, made, 1)
	return made[0]
}

// TestCreateFromManyObjects: what goes with one object, in whatever order, has no name when it is its turn.
func TestCreateFromManyObjects(t *testing.T) {
	s := newStack(t, pgtest.Start(t))
	for i := range 40 {
		s.exec("shop", fmt.Sprintf(`CREATE TABLE many_%[1]d (id int); CREATE FUNCTION many_%[1]d() RETURNS SETOF many_%[1]d LANGUAGE sql AS 'SELECT * FROM many_%[1]d';
			CREATE FUNCTION one_%[1]d(many_%[1]d) RETURNS int LANGUAGE sql AS 'SELECT $1.id'; CREATE VIEW seen_%[1]d AS SELECT * FROM many_%[1]d()`, i))
	}
	made := s.one(tables)
	assert.Equal(t, "Boats", s.ask(made.Name, `SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')`))
	assert.Equal(t, "0", s.ask(made.Name, `SELECT count(*)::text FROM pg_proc WHERE proname ~ '^(many|one)_'`))
}

// TestLeftoversOfOthersDoNotFailARun: what cannot be removed is told.
func TestLeftoversOfOthersDoNotFailARun(t *testing.T) {
	s := newStack(t, pgtest.Start(t))
	left := s.one(tables)
	s.exec("postgres", fmt.Sprintf(`COMMENT ON DATABASE %[1]s IS '{"until": "2001-01-01T00:00:00Z"}'; ALTER DATABASE %[1]s IS_TEMPLATE true`, left.Name))
	var told string
	s.Report = func(format string, args ...any) { told += fmt.Sprintf(format, args...) }
	assert.NotEmpty(t, s.one(tables).Name)
	assert.Contains(t, told, "could not be removed")
	assert.Contains(t, told, "cannot drop a template database")
}

const tables = `START TRANSACTION; CREATE TABLE "Boats" (id int, name citext); CREATE SCHEMA cms; COMMIT;`

func TestCreate(t *testing.T) {
	s := newStack(t, pgtest.Start(t))
	// What somebody has left in the stack's database is in no test's.
	s.exec("shop", `CREATE TABLE leftover (id int); CREATE VIEW left_view AS SELECT * FROM leftover; CREATE TYPE mood AS ENUM ('a'); CREATE SCHEMA old; CREATE TABLE old.x (id serial);
		CREATE FUNCTION auth.f() RETURNS mood LANGUAGE sql AS 'SELECT NULL::mood'; CREATE DOMAIN positive AS int; SELECT lo_create(0)`)
	first := s.one(tables)
	second := s.one(tables)
	assert.Equal(t, first.Template, second.Template)
	assert.NotEqual(t, first.Name, second.Name)
	assert.Equal(t, `public."Boats"`, s.ask(first.Name, `SELECT string_agg(oid::regclass::text, ' ') FROM pg_class WHERE relnamespace IN ('public'::regnamespace, 'auth'::regnamespace, 'cms'::regnamespace)`+
		` AND relkind IN ('r', 'v') AND set_config('search_path', '', false) = ''`))
	assert.Equal(t, "auth cms public", s.ask(first.Name, "SELECT string_agg(nspname, ' ' ORDER BY nspname) FROM pg_namespace WHERE nspname !~ '^pg_|^information'"))
	assert.Equal(t, "0", s.ask(first.Name, "SELECT count(*)::text FROM pg_largeobject_metadata"))
	assert.Equal(t, "", s.ask(first.Name, "SELECT coalesce(string_agg(typname, ' '), '') FROM pg_type WHERE typname IN ('mood', 'positive')"))
	assert.Equal(t, "leftover", s.ask("shop", "SELECT relname FROM pg_class WHERE relname = 'leftover'"), "the stack's database stays as it is")
	for _, made := range []testdatabase.Created{first, second} {
		acl := "SELECT datacl::text || datdba::regrole FROM pg_database WHERE datname = "
		assert.Equal(t, s.ask("postgres", acl+"'shop'"), s.ask("postgres", acl+"'"+made.Name+"'"))
		settings := "SELECT string_agg(setrole::regrole || setconfig::text, ' ' ORDER BY setrole) FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase WHERE datname = "
		assert.Equal(t, s.ask("postgres", settings+"'shop'"), s.ask("postgres", settings+"'"+made.Name+"'"))
	}

	app, err := s.server.Login(t.Context(), "app", "app", first.Name)
	require.NoError(t, err)
	defer app.Close(context.Background())
	var rows int
	_, err = app.Exec(t.Context(), `INSERT INTO "Boats" VALUES (1, 'one')`)
	require.NoError(t, err, "the default privileges hold for what the migrations made")
	require.NoError(t, app.QueryRow(t.Context(), `SELECT count(*) FROM "Boats" WHERE name = 'ONE'`).Scan(&rows))
	assert.Equal(t, 1, rows)
	assert.Equal(t, "0", s.ask(second.Name, `SELECT count(*)::text FROM "Boats"`), "runs do not see each other")

	other := s.one(tables + "CREATE TABLE later (id int);")
	assert.NotEqual(t, first.Template, other.Template, "another script, another template")
	assert.Len(t, templates(t, s), 3, "of two scripts, and of none")
	_, err = s.Open(t.Context(), first.Template)
	assert.ErrorContains(t, err, "not currently accepting connections", "nobody changes a template")

	list, err := s.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 3)
	for _, database := range list {
		assert.Equal(t, "a test", database.Holder)
		assert.WithinDuration(t, time.Now().Add(time.Hour), database.Until, 10*time.Second)
		assert.Positive(t, database.Bytes)
	}
	i := slices.IndexFunc(list, func(d testdatabase.Database) bool { return d.Name == first.Name })
	assert.Equal(t, 1, list[i].Sessions)

	require.NoError(t, s.Drop(t.Context(), first.Name, second.Name))
	assert.ErrorContains(t, s.Drop(t.Context(), first.Name), "there is no test database "+first.Name+": was it dropped already, or reaped?")
	for _, name := range []string{"shop", "postgres", first.Template} {
		assert.ErrorContains(t, s.Drop(t.Context(), other.Name, name), name+" is not the name of a test database")
	}
	assert.Equal(t, other.Name, s.databases("shop_run_"))
}

func templates(t *testing.T, s stack) []string {
	t.Helper()
	session, err := s.Open(t.Context(), "postgres")
	require.NoError(t, err)
	defer session.Close(context.Background())
	rows, err := session.Query(t.Context(), "SELECT datname FROM pg_database WHERE datistemplate AND starts_with(datname, 'shop')")
	require.NoError(t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return names
}

func TestReap(t *testing.T) {
	s := newStack(t, pgtest.Start(t))
	kept, expired, busy := s.one(tables), s.one(tables), s.one(tables)
	for _, name := range []string{expired.Name, busy.Name} {
		s.exec("postgres", fmt.Sprintf(`COMMENT ON DATABASE %s IS '{"until": "2001-01-01T00:00:00Z"}'`, name))
	}
	session, err := s.server.Login(t.Context(), "app", "app", busy.Name)
	require.NoError(t, err)
	defer session.Close(context.Background())
	// A run that was killed before it had written its lease down, and one that was killed while it made a template.
	fresh, orphan := fmt.Sprintf("shop_run_%s_000000", base36(time.Now())), fmt.Sprintf("shop_run_%s_000001", base36(time.Now().Add(-time.Hour)))
	s.exec("postgres", "CREATE DATABASE "+fresh)
	s.exec("postgres", "CREATE DATABASE "+orphan)
	s.exec("postgres", "CREATE DATABASE shop_making_0000")
	s.exec("postgres", "CREATE DATABASE shop_run_mine")

	reaped, err := s.Reap(t.Context(), time.Now(), false)
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{expired.Name, orphan}, reaped.Databases)
	assert.Equal(t, []string{busy.Name}, reaped.Kept, "it has a session")
	assert.Equal(t, []string{"shop_making_0000"}, reaped.Templates)
	reaped, err = s.Reap(t.Context(), time.Now(), true)
	require.NoError(t, err)
	assert.Equal(t, []string{busy.Name}, reaped.Databases)
	assert.Contains(t, s.databases("shop_run_"), kept.Name)
	assert.Contains(t, s.databases("shop_run_"), fresh)
	assert.Contains(t, s.databases("shop_run_"), "shop_run_mine", "not made here")

	reaped, err = s.Reap(t.Context(), time.Now().Add(8*24*time.Hour), false)
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{kept.Name, fresh}, reaped.Databases)
	assert.Len(t, reaped.Templates, 2)
	assert.Empty(t, templates(t, s))
	assert.NotEmpty(t, s.one(tables).Name, "made anew")

	// A later run reaps what an earlier one has left.
	left := s.one(tables)
	s.exec("postgres", fmt.Sprintf(`COMMENT ON DATABASE %s IS '{"until": "2001-01-01T00:00:00Z"}'`, left.Name))
	s.one(tables)
	assert.NotContains(t, s.databases("shop_run_"), left.Name)
}

func base36(at time.Time) (text string) {
	const digits = "0123456789abcdefghijklmnopqrstuvwxyz"
	for seconds := at.Unix(); seconds > 0; seconds /= 36 {
		text = digits[seconds%36:seconds%36+1] + text
	}
	return text
}

// TestManyAtOnce: 32 runs begin at the same moment, with the application's
// tables, and no template is there yet.
func TestManyAtOnce(t *testing.T) {
	s := newStack(t, pgtest.Start(t))
	script, err := os.ReadFile(filepath.Join(configtest.Root(t), "tests", "e2e", "testdata", "schema", "wcr-schema.sql"))
	require.NoError(t, err)
	names, failures := make([]string, 32), make([]error, 32)
	var runs sync.WaitGroup
	for i := range names {
		runs.Go(func() {
			made, err := s.Create(t.Context(), testdatabase.Wanted{SQL: string(script), Count: 1, Lease: time.Hour})
			if failures[i] = err; err == nil {
				names[i] = made[0].Name
			}
		})
	}
	runs.Wait()
	for i := range names {
		require.NoError(t, failures[i])
		assert.Equal(t, "24", s.ask(names[i], "SELECT count(*)::text FROM pg_tables WHERE schemaname = 'public'"))
	}
	slices.Sort(names)
	assert.Len(t, slices.Compact(names), 32)
	assert.Len(t, templates(t, s), 2)
	require.NoError(t, s.Drop(t.Context(), names...))
	assert.Empty(t, s.databases("shop_run_"))
}

// TestFaultyScript leaves nothing, and says where it is wrong.
func TestFaultyScript(t *testing.T) {
	s := newStack(t, pgtest.Start(t))
	_, err := s.Create(t.Context(), testdatabase.Wanted{SQL: "CREATE TABLE a (id int);\nCREATE TABLE b (id nothing);", Count: 1, Lease: time.Hour})
	require.ErrorContains(t, err, `line 2`)
	require.ErrorContains(t, err, `type "nothing" does not exist`)
	_, err = s.Create(t.Context(), testdatabase.Wanted{SQL: "RESET SESSION AUTHORIZATION; RESET ROLE; CREATE ROLE mighty SUPERUSER;", Count: 1, Lease: time.Hour})
	require.ErrorContains(t, err, "permission denied to create role", "a script is run by the migrator, and nobody else")
	assert.Empty(t, s.databases("shop_making"))
	assert.Empty(t, s.databases("shop_run"))
	assert.Len(t, templates(t, s), 1, "that without tables")
}

// TestWaitsForTheSourcesSessions, which are not ended.
func TestWaitsForTheSourcesSessions(t *testing.T) {
	s := newStack(t, pgtest.Start(t))
	session, err := s.server.Login(t.Context(), "app", "app", "shop")
	require.NoError(t, err)
	told := make(chan struct{}, 100)
	s.Report = func(string, ...any) { told <- struct{}{} }
	go func() {
		<-told
		_ = session.Close(context.Background())
	}()
	assert.NotEmpty(t, s.one("").Name)
}

// TestCloneOnEveryMajor, and how long it takes beside what the server needs.
func TestCloneOnEveryMajor(t *testing.T) {
	script, err := os.ReadFile(filepath.Join(configtest.Root(t), "tests", "e2e", "testdata", "schema", "wcr-schema.sql"))
	require.NoError(t, err)
	for major, release := range pgtest.Releases {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			server := pgtest.New(t, release)
			require.NoError(t, server.Start(t.Context()))
			s := newStack(t, server)
			made, err := s.Create(t.Context(), testdatabase.Wanted{SQL: string(script), Count: 3, Lease: time.Hour})
			require.NoError(t, err)
			require.Len(t, made, 3)
			for _, database := range made {
				assert.Equal(t, "24", s.ask(database.Name, "SELECT count(*)::text FROM pg_tables WHERE schemaname = 'public'"))
			}
			t.Logf("%.1f ms, %.1f ms, %.1f ms", made[0].Milliseconds, made[1].Milliseconds, made[2].Milliseconds)
		})
	}
}
