package pgserver

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/pgtest"
)

// grantOn are inputs; of a schema that is empty, nothing is said.
func grantOn(role, class, schema, object string, privileges ...string) values {
	inputs := values{"database": text("shop"), "role": text(role), "class": text(class), "object": text(object), "privileges": texts(privileges...)}
	if schema != "" {
		inputs = inputs.with("schema", text(schema))
	}
	return inputs
}

func columns(of map[string][]string) property.Value {
	object := map[string]property.Value{}
	for column, privileges := range of {
		object[column] = texts(privileges...)
	}
	return property.New(object)
}

func TestObjectGrantCheck(t *testing.T) {
	provider := newTestProvider(t, unplugged(new([]Config)))
	good := grantOn("app", "table", "public", "Users", "SELECT")
	assert.Empty(t, provider.faults("ObjectGrant", good))
	assert.Empty(t, provider.faults("ObjectGrant", grantOn("public", "largeObject", "", "1", "SELECT")))
	assert.Contains(t, provider.faults("ObjectGrant", good.with("class", text("tabel")))["class"], "is none of")
	assert.Contains(t, provider.faults("ObjectGrant", grantOn("app", "table", "", "Users"))["schema"], "name it")
	assert.Contains(t, provider.faults("ObjectGrant", grantOn("app", "language", "public", "sql"))["schema"], "leave it out")
	assert.Contains(t, provider.faults("ObjectGrant", grantOn("app", "largeObject", "", "x"))["object"], "number of a large object")
	assert.Contains(t, provider.faults("ObjectGrant", grantOn("app", "type", "public", "mood", "SELECT"))["privileges"], `"SELECT" is not a privilege on a type`)
	assert.Contains(t, provider.faults("ObjectGrant", good.with("columns", columns(map[string][]string{"Id": {"DELETE"}})))["columns"], "not a privilege on columns")
	assert.Contains(t, provider.faults("ObjectGrant", good.with("role", text("public")).with("grantOption", property.New(true)))["grantOption"], "name a role")
}

// shop makes a database with an object of each class.
func shop(t *testing.T, server *pgtest.Server) *pgx.Conn {
	t.Helper()
	admin := server.Connect(t)
	execute(t, admin, "CREATE ROLE owner", `CREATE ROLE "App 1" LOGIN PASSWORD 'x'`, "CREATE DATABASE shop OWNER owner")
	conn := server.ConnectAs(t, pgtest.Superuser, pgtest.Password, "shop")
	execute(t, conn, "SET ROLE owner", "CREATE SCHEMA s", `CREATE TABLE s."Users" ("Id" int, "Email" text)`, `CREATE VIEW s.v AS SELECT 1 AS one`,
		"CREATE TABLE s.p (id int) PARTITION BY RANGE (id)", "CREATE SEQUENCE s.q", "CREATE TYPE s.mood AS ENUM ('good')", "CREATE DOMAIN s.d AS int",
		"CREATE FUNCTION s.f(int, text) RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE FUNCTION s.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
		"CREATE PROCEDURE s.run() LANGUAGE sql AS 'SELECT 1'", "SELECT lo_create(4711)", "RESET ROLE",
		"CREATE FOREIGN DATA WRAPPER w", "CREATE SERVER far FOREIGN DATA WRAPPER w")
	return conn
}

// has is what the ACL of something says of a role, as letters.
func has(t *testing.T, conn *pgx.Conn, acl, from, role string) string {
	t.Helper()
	return query[string](t, conn, `SELECT coalesce(string_agg(split_part(split_part(item::text, '=', 2), '/', 1), ''), '')
		FROM (SELECT unnest(`+acl+`) AS item FROM `+from+`) AS acl WHERE replace(split_part(item::text, '=', 1), '"', '') = $1`, role)
}

func TestObjectGrantLifeCycles(t *testing.T) {
	server := pgtest.Start(t)
	provider := connected(t, server)
	conn := shop(t, server)
	for _, test := range []struct {
		class, schema, object string
		first, second         []string
		acl, from             string
		one, two              string
		byHand                string
	}{
		{"table", "s", "Users", []string{"SELECT"}, []string{"INSERT", "SELECT", "UPDATE"}, "relacl", `pg_class WHERE relname = 'Users'`, "r", "arw", `REVOKE SELECT ON s."Users" FROM "App 1"`},
		{"table", "s", "v", []string{"SELECT"}, []string{"UPDATE"}, "relacl", `pg_class WHERE relname = 'v'`, "r", "w", `GRANT DELETE ON s.v TO "App 1"`},
		{"table", "s", "p", []string{"SELECT"}, []string{"INSERT"}, "relacl", `pg_class WHERE relname = 'p'`, "r", "a", `REVOKE ALL ON s.p FROM "App 1"`},
		{"sequence", "s", "q", []string{"USAGE"}, []string{"SELECT", "USAGE"}, "relacl", `pg_class WHERE relname = 'q'`, "U", "rU", `REVOKE ALL ON SEQUENCE s.q FROM "App 1"`},
		{"function", "s", "f(integer, text)", []string{"EXECUTE"}, nil, "proacl", `pg_proc WHERE proname = 'f' AND pronargs = 2`, "X", "", `GRANT EXECUTE ON FUNCTION s.f(int, text) TO "App 1"`},
		{"function", "s", "run", []string{"EXECUTE"}, nil, "proacl", `pg_proc WHERE proname = 'run'`, "X", "", `GRANT EXECUTE ON PROCEDURE s.run() TO "App 1"`},
		{"type", "s", "mood", []string{"USAGE"}, nil, "typacl", `pg_type WHERE typname = 'mood'`, "U", "", `GRANT USAGE ON TYPE s.mood TO "App 1"`},
		{"type", "s", "d", []string{"USAGE"}, nil, "typacl", `pg_type WHERE typname = 'd'`, "U", "", `GRANT USAGE ON TYPE s.d TO "App 1"`},
		{"schema", "", "s", []string{"USAGE"}, []string{"CREATE", "USAGE"}, "nspacl", `pg_namespace WHERE nspname = 's'`, "U", "UC", `REVOKE USAGE ON SCHEMA s FROM "App 1"`},
		{"database", "", "shop", []string{"CONNECT"}, []string{"CREATE", "TEMPORARY"}, "datacl", `pg_database WHERE datname = 'shop'`, "c", "CT", `GRANT CONNECT ON DATABASE shop TO "App 1"`},
		{"largeObject", "", "4711", []string{"SELECT"}, []string{"SELECT", "UPDATE"}, "lomacl", `pg_largeobject_metadata`, "r", "rw", `REVOKE ALL ON LARGE OBJECT 4711 FROM "App 1"`},
		{"language", "", "plpgsql", []string{"USAGE"}, nil, "lanacl", `pg_language WHERE lanname = 'plpgsql'`, "U", "", `GRANT USAGE ON LANGUAGE plpgsql TO "App 1"`},
		{"tablespace", "", "pg_default", []string{"CREATE"}, nil, "spcacl", `pg_tablespace WHERE spcname = 'pg_default'`, "C", "", `GRANT CREATE ON TABLESPACE pg_default TO "App 1"`},
		{"foreignServer", "", "far", []string{"USAGE"}, nil, "srvacl", `pg_foreign_server`, "U", "", `GRANT USAGE ON FOREIGN SERVER far TO "App 1"`},
		{"foreignDataWrapper", "", "w", []string{"USAGE"}, nil, "fdwacl", `pg_foreign_data_wrapper`, "U", "", `GRANT USAGE ON FOREIGN DATA WRAPPER w TO "App 1"`},
		{"parameter", "", "Work_mem", []string{"SET"}, []string{"ALTER SYSTEM", "SET"}, "paracl", `pg_parameter_acl WHERE parname = 'work_mem'`, "s", "sA", `REVOKE ALL ON PARAMETER work_mem FROM "App 1"`},
	} {
		t.Run(test.class+" "+test.object, func(t *testing.T) {
			now := func() string { return has(t, conn, test.acl, test.from, "App 1") }
			of := func(privileges []string) values {
				return grantOn("App 1", test.class, test.schema, test.object, privileges...)
			}
			resource := provider.create("ObjectGrant", of(test.first))
			assert.Equal(t, test.one, now())
			require.True(t, resource.refresh())
			assert.False(t, resource.diff(of(test.first)).HasChanges)
			resource.update(of(test.second))
			assert.Equal(t, test.two, now())
			require.True(t, resource.refresh())
			assert.False(t, resource.diff(of(test.second)).HasChanges)
			execute(t, conn, test.byHand)
			require.True(t, resource.refresh())
			require.True(t, resource.diff(of(test.second)).HasChanges, "drift")
			resource.update(of(test.second))
			assert.Equal(t, test.two, now())
			resource.update(of(test.first))
			assert.Equal(t, test.one, now())
			resource.delete()
			assert.Empty(t, now())
		})
	}
}

// TestObjectGrantThatMayBeGrantedInPart: an option on one privilege of several is drift.
func TestObjectGrantThatMayBeGrantedInPart(t *testing.T) {
	server := pgtest.Start(t)
	provider := connected(t, server)
	conn := shop(t, server)
	inputs := grantOn("App 1", "table", "s", "Users", "SELECT", "UPDATE").with("columns", columns(map[string][]string{"Email": {"INSERT", "REFERENCES"}}))
	resource := provider.create("ObjectGrant", inputs)
	for _, byHand := range []string{`GRANT SELECT ON s."Users" TO "App 1" WITH GRANT OPTION`, `GRANT INSERT ("Email") ON s."Users" TO "App 1" WITH GRANT OPTION`} {
		execute(t, conn, byHand)
		require.True(t, resource.refresh())
		require.True(t, resource.diff(inputs).HasChanges, byHand)
		resource.update(inputs)
		require.True(t, resource.refresh())
		assert.False(t, resource.diff(inputs).HasChanges)
	}
	assert.Equal(t, "rw", has(t, conn, "relacl", "pg_class WHERE relname = 'Users'", "App 1"))
}

func TestObjectGrantToEverybody(t *testing.T) {
	server := pgtest.Start(t)
	provider := connected(t, server)
	conn := shop(t, server)
	may := func() bool { return query[bool](t, conn, `SELECT has_type_privilege('App 1', 's.mood', 'USAGE')`) }
	require.True(t, may(), "built in")
	resource := provider.create("ObjectGrant", grantOn("public", "type", "s", "mood"))
	assert.False(t, may())
	require.True(t, resource.refresh())
	assert.False(t, resource.diff(grantOn("public", "type", "s", "mood")).HasChanges)
	resource.update(grantOn("public", "type", "s", "mood", "USAGE"))
	assert.True(t, may())
}

func TestObjectGrantOnColumns(t *testing.T) {
	server := pgtest.Start(t)
	provider := connected(t, server)
	conn := shop(t, server)
	may := func(column, privilege string) bool {
		return query[bool](t, conn, `SELECT has_column_privilege('App 1', 's."Users"', $1, $2)`, column, privilege)
	}
	table := func(privileges ...string) values { return grantOn("App 1", "table", "s", "Users", privileges...) }
	both := table("SELECT").with("columns", columns(map[string][]string{"Email": {"UPDATE", "SELECT"}}))
	resource := provider.create("ObjectGrant", both)
	assert.True(t, may("Id", "SELECT") && may("Email", "UPDATE"))
	assert.False(t, may("Id", "UPDATE"))
	require.True(t, resource.refresh())
	assert.False(t, resource.diff(both).HasChanges)

	columnsOnly := table().with("columns", columns(map[string][]string{"Email": {"UPDATE", "SELECT"}}))
	resource.update(columnsOnly)
	assert.False(t, may("Id", "SELECT"))
	assert.True(t, may("Email", "SELECT") && may("Email", "UPDATE"), "revoking on the table has revoked on the column, too")
	execute(t, conn, `GRANT SELECT ("Id") ON s."Users" TO "App 1"`)
	require.True(t, resource.refresh())
	require.True(t, resource.diff(columnsOnly).HasChanges, "drift")
	resource.update(columnsOnly)
	assert.False(t, may("Id", "SELECT"))
	resource.delete()
	assert.False(t, may("Email", "SELECT") || may("Email", "UPDATE"))
}

func TestObjectGrantOption(t *testing.T) {
	server := pgtest.Start(t)
	provider := connected(t, server)
	conn := shop(t, server)
	grantable := func() bool {
		return query[bool](t, conn, `SELECT has_table_privilege('App 1', 's.v', 'SELECT WITH GRANT OPTION')`)
	}
	plain := grantOn("App 1", "table", "s", "v", "SELECT")
	option := plain.with("grantOption", property.New(true))
	resource := provider.create("ObjectGrant", option)
	assert.True(t, grantable())
	require.True(t, resource.refresh())
	assert.False(t, resource.diff(option).HasChanges)
	resource.update(plain)
	assert.False(t, grantable())
	require.True(t, resource.refresh())
	assert.False(t, resource.diff(plain).HasChanges)
	assert.Equal(t, "r", has(t, conn, "relacl", "pg_class WHERE relname = 'v'", "App 1"))
}

// TestObjectGrantOptionOfColumns: a table and each of its columns have an option of their own.
func TestObjectGrantOptionOfColumns(t *testing.T) {
	server := pgtest.Start(t)
	provider := connected(t, server)
	conn := shop(t, server)
	lists := func() []string {
		return []string{has(t, conn, "relacl", `pg_class WHERE relname = 'Users'`, "App 1"), has(t, conn, "attacl", `pg_attribute WHERE attname = 'Email'`, "App 1"),
			has(t, conn, "attacl", `pg_attribute WHERE attname = 'Id' AND attrelid = 's."Users"'::regclass`, "App 1")}
	}
	inputs := grantOn("App 1", "table", "s", "Users", "SELECT").with("columns", columns(map[string][]string{"Email": {"UPDATE"}, "Id": {"UPDATE"}})).
		with("grantableColumns", texts("Email"))
	resource := provider.create("ObjectGrant", inputs)
	assert.Equal(t, []string{"r", "w*", "w"}, lists())
	other := inputs.with("grantOption", property.New(true)).with("grantableColumns", texts("Id"))
	require.True(t, resource.refresh())
	assert.False(t, resource.diff(inputs).HasChanges)
	resource.update(other)
	assert.Equal(t, []string{"r*", "w", "w*"}, lists())
	execute(t, conn, `REVOKE GRANT OPTION FOR UPDATE ("Id") ON s."Users" FROM "App 1"`)
	require.True(t, resource.refresh())
	require.True(t, resource.diff(other).HasChanges)
	resource.update(other)
	assert.Equal(t, []string{"r*", "w", "w*"}, lists())
	assert.Contains(t, provider.faults("ObjectGrant", inputs.with("grantableColumns", texts("Gone")))["grantableColumns"], "nothing of column")
}

func TestObjectGrantOnWhatIsNotThere(t *testing.T) {
	server := pgtest.Start(t)
	provider := connected(t, server)
	conn := shop(t, server)
	wanted := grantOn("App 1", "table", "s", "later", "SELECT")
	resource := provider.create("ObjectGrant", wanted)
	require.True(t, resource.refresh())
	assert.False(t, resource.diff(wanted).HasChanges)
	execute(t, conn, "CREATE TABLE s.later (id int)")
	require.True(t, resource.refresh())
	require.True(t, resource.diff(wanted).HasChanges, "it is there now")
	resource.update(wanted)
	assert.Equal(t, "r", has(t, conn, "relacl", "pg_class WHERE relname = 'later'", "App 1"))
	execute(t, conn, "DROP TABLE s.later")
	require.True(t, resource.refresh())
	resource.delete()

	ambiguous := grantOn("App 1", "function", "s", "f", "EXECUTE")
	_, err := provider.tryCreate("ObjectGrant", ambiguous)
	assert.ErrorContains(t, err, "there are 2 of this name; say the types of its arguments")
	_, err = provider.tryCreate("ObjectGrant", grantOn("nobody", "table", "s", "v", "SELECT"))
	assert.ErrorContains(t, err, "no such role")

	resource = provider.create("ObjectGrant", grantOn("App 1", "table", "s", "v", "SELECT"))
	execute(t, conn, `DROP OWNED BY "App 1"`, `DROP ROLE "App 1"`)
	assert.False(t, resource.refresh(), "nobody is there who may")
	resource.delete()
}

// TestObjectGrantsOfEverybodyOnContainers: what PUBLIC may do with databases and
// schemas is read, from whichever database.
func TestObjectGrantsOfEverybodyOnContainers(t *testing.T) {
	server := pgtest.Start(t)
	provider := connected(t, server)
	conn := shop(t, server)
	for _, test := range []struct{ class, object, acl, from, byHand, letters string }{
		{"schema", "public", "nspacl", "pg_namespace WHERE nspname = 'public'", "GRANT CREATE ON SCHEMA public TO PUBLIC", "C"},
		{"database", "shop", "datacl", "pg_database WHERE datname = 'shop'", "GRANT TEMPORARY ON DATABASE shop TO PUBLIC", "T"},
		{"database", "template1", "datacl", "pg_database WHERE datname = 'template1'", "GRANT CONNECT ON DATABASE template1 TO PUBLIC", "c"},
	} {
		now := func() string { return has(t, conn, test.acl, test.from, "") }
		none := grantOn("public", test.class, "", test.object)
		resource := provider.create("ObjectGrant", none)
		assert.Empty(t, now(), "built in")
		require.True(t, resource.refresh())
		assert.False(t, resource.diff(none).HasChanges)
		execute(t, conn, test.byHand)
		assert.Equal(t, test.letters, now())
		require.True(t, resource.refresh())
		require.True(t, resource.diff(none).HasChanges, "drift")
		resource.update(none)
		assert.Empty(t, now())
		resource.delete()
		assert.Empty(t, now())
	}

	used := grantOn("public", "schema", "", "s", "USAGE")
	resource := provider.create("ObjectGrant", used)
	assert.Equal(t, "U", has(t, conn, "nspacl", "pg_namespace WHERE nspname = 's'", ""))
	execute(t, conn, "DROP SCHEMA s CASCADE")
	require.True(t, resource.refresh())
	require.True(t, resource.diff(used).HasChanges, "it is made anew, and has nothing then")
	execute(t, conn, "CREATE SCHEMA s")
	resource.update(used)
	assert.Equal(t, "U", has(t, conn, "nspacl", "pg_namespace WHERE nspname = 's'", ""))
	execute(t, conn, "DROP SCHEMA s CASCADE")
	resource.delete()

	kept := provider.create("ObjectGrant", grantOn("public", "database", "", "shop", "CONNECT"))
	require.NoError(t, conn.Close(t.Context()))
	execute(t, server.Connect(t), "DROP DATABASE shop WITH (FORCE)")
	kept.delete()
	assert.False(t, kept.refresh(), "its database is gone")
}

// TestObjectGrantHasNoGap: who keeps a privilege never lacks it while others change.
func TestObjectGrantHasNoGap(t *testing.T) {
	server := pgtest.Start(t)
	provider := connected(t, server)
	conn := shop(t, server)
	execute(t, conn, `GRANT USAGE ON SCHEMA s TO "App 1"`)
	narrow := grantOn("App 1", "table", "s", "Users", "SELECT")
	wide := grantOn("App 1", "table", "s", "Users", "SELECT", "INSERT", "UPDATE")
	resource := provider.create("ObjectGrant", narrow)
	reader := server.ConnectAs(t, "App 1", "x", "shop")
	stop, result := make(chan struct{}), make(chan error, 1)
	queries := 0
	go func() {
		for {
			select {
			case <-stop:
				result <- nil
				return
			default:
			}
			if _, err := reader.Exec(t.Context(), `SELECT count(*) FROM s."Users"`); err != nil {
				result <- err
				return
			}
			queries++
		}
	}()
	for range 20 {
		resource.update(wide)
		resource.update(narrow)
	}
	close(stop)
	require.NoError(t, <-result)
	assert.Greater(t, queries, 40)
	assert.False(t, strings.Contains(has(t, conn, "relacl", `pg_class WHERE relname = 'Users'`, "App 1"), "w"))
}
