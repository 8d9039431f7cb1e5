package pgserver

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/pgtest"
)

func onTables(role, schema string, except []string, privileges ...string) values {
	return values{"database": text("shop"), "role": text(role), "class": text("table"), "schema": text(schema), "except": texts(except...), "privileges": texts(privileges...)}
}

// TestSchemaGrantObserves: drift of all objects alike, and of some.
func TestSchemaGrantObserves(t *testing.T) {
	for name, row := range map[string]struct {
		found  map[string][]string
		all    []string
		option bool
	}{
		"nothing":              {map[string][]string{"a": nil, "b": nil}, []string{}, false},
		"alike":                {map[string][]string{"a": {"SELECT"}, "b": {"SELECT"}}, []string{"SELECT"}, false},
		"one has more":         {map[string][]string{"a": {"SELECT"}, "b": {"SELECT", "UPDATE"}}, []string{"SELECT", "UPDATE ON b"}, false},
		"all may grant":        {map[string][]string{"a": {"SELECT WITH GRANT OPTION"}, "b": {"SELECT WITH GRANT OPTION"}}, []string{"SELECT"}, true},
		"one may grant":        {map[string][]string{"a": {"SELECT"}, "b": {"SELECT WITH GRANT OPTION"}}, []string{"SELECT ON a", "SELECT WITH GRANT OPTION ON b"}, false},
		"one may grant one of": {map[string][]string{"a": {"INSERT", "SELECT WITH GRANT OPTION"}}, []string{"INSERT", "SELECT WITH GRANT OPTION"}, false},
	} {
		var args SchemaGrantArgs
		args.observe(row.found)
		assert.Equal(t, row.all, args.Privileges, name)
		assert.Equal(t, row.option, args.GrantOption, name)
	}
}

func TestSchemaGrantCheck(t *testing.T) {
	provider := newTestProvider(t, unplugged(new([]Config)))
	good := onTables("app", "s", []string{"History"}, "SELECT")
	assert.Empty(t, provider.faults("SchemaGrant", good))
	assert.Contains(t, provider.faults("SchemaGrant", good.with("schema", text("")))["schema"], "is empty")
	assert.Contains(t, provider.faults("SchemaGrant", good.with("privileges", texts("USAGE")))["privileges"], `"USAGE" is not a privilege on a table`)
	assert.Contains(t, provider.faults("SchemaGrant", good.with("class", text("domain")))["class"], `"domain" is none of function, sequence, table`)
	assert.Contains(t, provider.faults("SchemaGrant", good.with("role", text("public")).with("grantOption", property.New(true)))["grantOption"], "name a role")
}

// TestSchemaGrant: every table of the schema, whatever it is, but the exceptions, what
// the role or an extension owns, and other schemas; drift of one is drift.
func TestSchemaGrant(t *testing.T) {
	onAllMajors(t, func(t *testing.T, server *pgtest.Server) {
		provider := connected(t, server)
		conn := shop(t, server)
		execute(t, conn, "SET ROLE owner", `CREATE TABLE s."History" (id int)`, "CREATE SCHEMA other", "CREATE TABLE other.t (id int)", `GRANT INSERT ON s."History", other.t TO "App 1"`,
			"CREATE MATERIALIZED VIEW s.m AS SELECT 1 AS one", "RESET ROLE", "CREATE EXTENSION pg_stat_statements SCHEMA s", `CREATE TABLE s.own (id int)`, `ALTER TABLE s.own OWNER TO "App 1"`)
		of := func(table string) string {
			return has(t, conn, "relacl", "pg_class WHERE relname = '"+table+"'", "App 1")
		}
		all := func(letters string) map[string]string {
			return map[string]string{"Users": letters, "v": letters, "p": letters, "m": letters, "History": "a", "t": "a", "own": "", "pg_stat_statements": ""}
		}
		now := func() map[string]string {
			found := map[string]string{}
			for table := range all("") {
				found[table] = of(table)
			}
			return found
		}
		inputs := onTables("App 1", "s", []string{"History", "later"}, "SELECT", "UPDATE")
		resource := provider.create("SchemaGrant", inputs)
		unchanged := func() {
			t.Helper()
			assert.Equal(t, all("rw"), now())
			require.True(t, resource.refresh())
			assert.False(t, resource.diff(inputs).HasChanges)
		}
		unchanged()
		for _, byHand := range []string{
			`REVOKE UPDATE ON s.m FROM "App 1"`, `GRANT DELETE ON s.p TO "App 1"`, `GRANT SELECT ON s.v TO "App 1" WITH GRANT OPTION`,
			`GRANT INSERT ("Email") ON s."Users" TO "App 1"`,
		} {
			execute(t, conn, byHand)
			for range 3 { // what was found is compared with what is there, too
				require.True(t, resource.refresh())
				require.True(t, resource.diff(inputs).HasChanges, byHand)
			}
			resource.update(inputs)
			unchanged()
		}
		execute(t, conn, `CREATE TABLE s.later (id int)`, `GRANT INSERT ON s.later TO "App 1"`)
		unchanged()
		assert.Equal(t, "a", of("later"), "an exception that was not there")
		inputs = onTables("App 1", "s", []string{"History"}, "SELECT", "UPDATE")
		resource.update(inputs)
		unchanged()
		assert.Equal(t, "rw", of("later"), "none any more")
		resource.delete()
		assert.Equal(t, all(""), now())
	})
}

// TestSchemaGrantOfClasses: sequences; and functions, whatever their arguments, but no procedures.
func TestSchemaGrantOfClasses(t *testing.T) {
	onAllMajors(t, func(t *testing.T, server *pgtest.Server) {
		provider := connected(t, server)
		conn := shop(t, server)
		execute(t, conn, "SET ROLE owner", `CREATE SEQUENCE s."Numbers"`, `CREATE TYPE s."A mood" AS ENUM ('good')`,
			`CREATE FUNCTION s."Of all"(a int, b s."A mood"[], OUT c text) LANGUAGE sql AS $$SELECT 'x'$$`,
			`CREATE FUNCTION s."Of all"() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
			`CREATE PROCEDURE s.does() LANGUAGE sql AS 'SELECT 1'`, `CREATE AGGREGATE s.total(int) (SFUNC = int4pl, STYPE = int, INITCOND = 0)`,
			"RESET ROLE", "CREATE EXTENSION citext SCHEMA s", "REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA s FROM public")
		const sequences, functions = "FROM pg_class WHERE relkind = 'S' AND relnamespace = 's'::regnamespace", "FROM pg_proc WHERE pronamespace = 's'::regnamespace"
		for class, row := range map[string]struct{ privilege, all, granted, byHand string }{
			"sequence": {"USAGE", sequences, sequences + " AND CASE WHEN relkind = 'S' THEN has_sequence_privilege('App 1', oid, 'USAGE') END", `REVOKE USAGE ON SEQUENCE s."Numbers" FROM "App 1"`},
			"function": {"EXECUTE", functions + " AND prokind <> 'p' AND proowner = 'owner'::regrole", functions + " AND has_function_privilege('App 1', oid, 'EXECUTE')",
				`REVOKE EXECUTE ON FUNCTION s."Of all"(int, s."A mood"[]) FROM "App 1"`},
		} {
			count := func(of string) int { return query[int](t, conn, "SELECT count(*) "+of) }
			inputs := onTables("App 1", "s", nil, row.privilege).with("class", text(class))
			resource := provider.create("SchemaGrant", inputs)
			unchanged := func() {
				t.Helper()
				assert.Equal(t, count(row.all), count(row.granted), class)
				require.True(t, resource.refresh())
				assert.False(t, resource.diff(inputs).HasChanges, class)
			}
			require.Positive(t, count(row.all))
			unchanged()
			execute(t, conn, row.byHand)
			require.True(t, resource.refresh())
			require.True(t, resource.diff(inputs).HasChanges, class)
			resource.update(inputs)
			unchanged()
			resource.delete()
			assert.Zero(t, count(row.granted), class)
		}
	})
}
