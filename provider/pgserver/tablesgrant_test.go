package pgserver

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/pgtest"
)

func onTables(role, schema string, except []string, privileges ...string) values {
	return values{"database": text("shop"), "role": text(role), "schema": text(schema), "except": texts(except...), "privileges": texts(privileges...)}
}

func TestTablesGrantCheck(t *testing.T) {
	provider := newTestProvider(t, unplugged(new([]Config)))
	good := onTables("app", "s", []string{"History"}, "SELECT")
	assert.Empty(t, provider.faults("TablesGrant", good))
	assert.Contains(t, provider.faults("TablesGrant", good.with("schema", text("")))["schema"], "is empty")
	assert.Contains(t, provider.faults("TablesGrant", good.with("privileges", texts("USAGE")))["privileges"], `"USAGE" is not a privilege on a table`)
	assert.Contains(t, provider.faults("TablesGrant", good.with("role", text("public")).with("grantOption", property.New(true)))["grantOption"], "name a role")
}

// TestTablesGrant: every table of the schema, whatever it is, but the exceptions, what
// the role owns, and other schemas; drift of one is drift.
func TestTablesGrant(t *testing.T) {
	onAllMajors(t, func(t *testing.T, server *pgtest.Server) {
		provider := connected(t, server)
		conn := shop(t, server)
		execute(t, conn, "SET ROLE owner", `CREATE TABLE s."History" (id int)`, "CREATE SCHEMA other", "CREATE TABLE other.t (id int)", `GRANT INSERT ON s."History", other.t TO "App 1"`,
			"CREATE MATERIALIZED VIEW s.m AS SELECT 1 AS one", "RESET ROLE", `CREATE TABLE s.own (id int)`, `ALTER TABLE s.own OWNER TO "App 1"`)
		of := func(table string) string {
			return has(t, conn, "relacl", "pg_class WHERE relname = '"+table+"'", "App 1")
		}
		all := func(letters string) map[string]string {
			return map[string]string{"Users": letters, "v": letters, "p": letters, "m": letters, "History": "a", "t": "a", "own": ""}
		}
		now := func() map[string]string {
			found := map[string]string{}
			for table := range all("") {
				found[table] = of(table)
			}
			return found
		}
		inputs := onTables("App 1", "s", []string{"History", "later"}, "SELECT", "UPDATE")
		resource := provider.create("TablesGrant", inputs)
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
			require.True(t, resource.refresh())
			require.True(t, resource.diff(inputs).HasChanges, byHand)
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
