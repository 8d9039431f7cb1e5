package pgserver

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/pgtest"
)

func TestAdoptionCheck(t *testing.T) {
	provider := newTestProvider(t, unplugged(new([]Config)))
	for _, kind := range []string{"SetAside", "PutBack"} {
		assert.Empty(t, provider.faults(kind, values{"roles": texts("a", "b")}))
		faults := provider.faults(kind, values{"roles": texts("", strings.Repeat("x", 57), "a__aside", "b", "b")})
		assert.Contains(t, faults["roles[0]"], "is empty")
		assert.Contains(t, faults["roles[1]"], "64 bytes")
		assert.Contains(t, faults["roles[2]"], "ends in __aside")
		assert.Contains(t, faults["roles[4]"], "twice")
		assert.Len(t, faults, 4)
	}
}

// house is a server as an earlier life has left it: roles that own and may do things.
func house(t *testing.T, server *pgtest.Server) *pgx.Conn {
	t.Helper()
	conn := server.Connect(t)
	execute(t, conn,
		"CREATE ROLE owner NOLOGIN", "CREATE ROLE rw NOLOGIN", `CREATE ROLE "App 1" LOGIN PASSWORD 'old' CONNECTION LIMIT 3 VALID UNTIL '2001-01-01'`,
		"CREATE ROLE outsider LOGIN", "CREATE ROLE stale NOLOGIN",
		`GRANT rw TO "App 1"`, `GRANT stale TO "App 1"`, "GRANT rw TO outsider",
		`ALTER ROLE "App 1" SET search_path = old`, `ALTER ROLE "App 1" IN DATABASE postgres SET work_mem = '1MB'`,
		"CREATE SCHEMA app AUTHORIZATION owner", "CREATE TABLE app.t AS SELECT 1 AS n", "ALTER TABLE app.t OWNER TO owner",
		"GRANT USAGE ON SCHEMA app TO rw", "GRANT SELECT ON app.t TO rw",
		"ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT SELECT ON TABLES TO rw",
	)
	return conn
}

const houseRoles = `SELECT string_agg(rolname || '=' || oid, ',' ORDER BY rolname) FROM pg_roles WHERE rolname = ANY('{owner,rw,"App 1"}')`

// anew creates the roles as another resource would.
func anew(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	execute(t, conn,
		"CREATE ROLE owner NOLOGIN CREATEDB", "CREATE ROLE rw NOLOGIN NOINHERIT",
		`CREATE ROLE "App 1" LOGIN CONNECTION LIMIT 7 PASSWORD '`+verifier("new").AsString()+`'`,
		"CREATE ROLE fresh LOGIN", // has no forerunner
		`GRANT rw TO "App 1"`+withoutSet(conn), `GRANT owner TO fresh`, `GRANT outsider TO "App 1" WITH ADMIN OPTION`,
		`ALTER ROLE "App 1" SET search_path = "$user", "Odd, Name"`, `ALTER ROLE "App 1" SET app.tenant = 'it''s'`,
	)
}

// withoutSet are the options of a membership by which nobody may SET ROLE, where
// the server has them.
func withoutSet(conn *pgx.Conn) string {
	if majorOf(conn) < optionsOfMemberships {
		return ""
	}
	return " WITH INHERIT TRUE, SET FALSE"
}

func assertMoved(t *testing.T, server *pgtest.Server, conn *pgx.Conn, oids string) {
	t.Helper()
	assert.Equal(t, oids, query[string](t, conn, houseRoles), "the roles are the old ones")
	assert.Zero(t, query[int](t, conn, `SELECT count(*) FROM pg_roles WHERE rolname LIKE '%\_\_aside'`))
	assert.Equal(t, "owner", query[string](t, conn, "SELECT tableowner::text FROM pg_tables WHERE tablename = 't'"))
	options, set := "inherit_option, set_option", "f"
	if majorOf(conn) < optionsOfMemberships {
		options, set = "true, true", "t"
	}
	assert.Equal(t, []string{"App 1<outsider:t,t,t", "App 1<rw:f,t," + set, "fresh<owner:f,t,t", "outsider<rw:f,t,t"},
		query[[]string](t, conn, `SELECT array_agg(format('%s<%s:%s,%s,%s', m.rolname, g.rolname, admin_option, `+options+`)
				ORDER BY m.rolname COLLATE "C", g.rolname COLLATE "C")
			FROM (SELECT * FROM pg_auth_members WHERE roleid::regrole::text NOT LIKE 'pg_%') AS a
			JOIN pg_roles AS g ON g.oid = roleid JOIN pg_roles AS m ON m.oid = member`))
	assert.Equal(t, []string{`app.tenant=it's`, `search_path="$user", "Odd, Name"`},
		query[[]string](t, conn, `SELECT array_agg(c ORDER BY c COLLATE "C") FROM pg_db_role_setting, unnest(setconfig) AS c`))
	assert.Equal(t, "7 t infinity", query[string](t, conn, `SELECT format('%s %s %s', rolconnlimit, rolinherit, rolvaliduntil) FROM pg_roles WHERE rolname = 'App 1'`))
	assert.True(t, query[bool](t, conn, "SELECT rolcreatedb FROM pg_roles WHERE rolname = 'owner'"))
	assert.False(t, query[bool](t, conn, "SELECT rolinherit FROM pg_roles WHERE rolname = 'rw'"))

	app := server.ConnectAs(t, "App 1", "new", "postgres")
	assert.Equal(t, 1, query[int](t, app, "SELECT n FROM app.t"))
	execute(t, conn, "SET ROLE owner", "CREATE TABLE app.later AS SELECT 2 AS n", "RESET ROLE")
	assert.Equal(t, 2, query[int](t, app, "SELECT n FROM app.later"), "default privileges have survived")
	execute(t, conn, "DROP TABLE app.later")
}

// onAllMajors runs a test with a server of each supported major.
func onAllMajors(t *testing.T, test func(t *testing.T, server *pgtest.Server)) {
	t.Helper()
	for _, major := range slices.Sorted(maps.Keys(pgtest.Releases)) {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			server := pgtest.New(t, pgtest.Releases[major])
			require.NoError(t, server.Start(t.Context()))
			test(t, server)
		})
	}
}

// Roles that are there already are adopted: they stay the same roles, and become what is declared.
func TestAdoption(t *testing.T) { onAllMajors(t, adoptsRoles) }

func adoptsRoles(t *testing.T, server *pgtest.Server) {
	conn := house(t, server)
	provider := connected(t, server)
	oids := query[string](t, conn, houseRoles)
	roles := values{"roles": texts("owner", "rw", "App 1", "fresh")}

	setAside := provider.create("SetAside", roles)
	assert.Equal(t, []string{"App 1__aside", "outsider", "owner__aside", "rw__aside", "stale"},
		query[[]string](t, conn, `SELECT array_agg(rolname::text ORDER BY rolname COLLATE "C") FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> 'postgres'`))
	anew(t, conn)
	putBack := provider.create("PutBack", roles)
	assertMoved(t, server, conn, oids)

	t.Run("again", func(t *testing.T) {
		putBack.update(roles)
		setAside.update(roles)
		assertMoved(t, server, conn, oids)
	})
	t.Run("only what is new in the list is set aside", func(t *testing.T) {
		more := values{"roles": texts("owner", "rw", "App 1", "fresh", "stale")}
		setAside.update(more)
		assert.Equal(t, []string{"stale__aside"}, query[[]string](t, conn, `SELECT array_agg(rolname::text) FROM pg_roles WHERE rolname LIKE '%\_\_aside'`))
		require.True(t, putBack.refresh())
		assert.False(t, putBack.diff(roles).HasChanges)
		putBack.update(more)
		assertMoved(t, server, conn, oids)
	})
	t.Run("a role left aside is drift", func(t *testing.T) {
		execute(t, conn, "ALTER ROLE rw RENAME TO rw__aside")
		require.True(t, putBack.refresh())
		more := values{"roles": texts("owner", "rw", "App 1", "fresh", "stale")}
		assert.True(t, putBack.diff(more).HasChanges)
		putBack.update(more)
		assertMoved(t, server, conn, oids)
	})
	t.Run("deleting changes nothing", func(t *testing.T) {
		setAside.delete()
		putBack.delete()
		assertMoved(t, server, conn, oids)
	})
	t.Run("the login itself", func(t *testing.T) {
		_, err := provider.tryCreate("SetAside", values{"roles": texts("outsider", pgtest.Superuser)})
		require.ErrorContains(t, err, `"postgres" is the provider's own login`)
		assert.Equal(t, 1, query[int](t, conn, "SELECT count(*) FROM pg_roles WHERE rolname = 'outsider'"), "all or nothing")
	})
}

// A run that was interrupted anywhere is finished by the next one.
func TestAdoptionInterrupted(t *testing.T) { onAllMajors(t, adoptsRolesInterrupted) }

func adoptsRolesInterrupted(t *testing.T, server *pgtest.Server) {
	conn := house(t, server)
	provider := connected(t, server)
	oids := query[string](t, conn, houseRoles)
	roles := values{"roles": texts("owner", "rw", "App 1", "fresh")}

	provider.create("SetAside", roles) // interrupted before it was recorded
	setAside := provider.create("SetAside", roles)
	execute(t, conn, "CREATE ROLE rw NOLOGIN NOINHERIT") // interrupted, and recorded nowhere
	provider.create("SetAside", roles)                   // the state is lost
	assert.Zero(t, query[int](t, conn, "SELECT count(*) FROM pg_roles WHERE rolname = 'rw'"), "there is room for every role")
	anew(t, conn) // interrupted before they were put back
	setAside.update(roles.with("trigger", text("the run before was interrupted")))
	execute(t, conn, "CREATE ROLE owner NOLOGIN CREATEDB") // of which only this one had not been recorded
	putBack := provider.create("PutBack", roles.with("trigger", text("the run before was interrupted")))
	assertMoved(t, server, conn, oids)

	setAside.update(roles) // interrupted before anything was created: nothing was, since nothing is new
	putBack.update(roles)
	assertMoved(t, server, conn, oids)
}

// What was created in the place of another role is never dropped with what it owns.
func TestAdoptionKeepsWhatIsOwned(t *testing.T) {
	server := pgtest.Start(t)
	conn := house(t, server)
	provider := connected(t, server)
	roles := values{"roles": texts("owner", "rw", "App 1")}
	provider.create("SetAside", roles)
	anew(t, conn)
	execute(t, conn, "CREATE TABLE precious AS SELECT 1 AS n", "ALTER TABLE precious OWNER TO owner")
	_, err := provider.tryCreate("PutBack", roles)
	require.ErrorContains(t, err, `the one created in its place cannot be dropped`)
	assert.ErrorContains(t, err, "owner of table precious")
	assert.Equal(t, 3, query[int](t, conn, `SELECT count(*) FROM pg_roles WHERE rolname LIKE '%\_\_aside'`), "all or nothing")
	execute(t, conn, "REASSIGN OWNED BY owner TO owner__aside")
	provider.create("PutBack", roles)
	assert.Equal(t, "owner", query[string](t, conn, "SELECT tableowner::text FROM pg_tables WHERE tablename = 'precious'"))
}
