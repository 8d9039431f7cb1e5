package pgserver

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/pgtest"
)

func ownedBy(owner, class string, allowed, denied, except map[string][]string) values {
	return values{"database": text("shop"), "owner": text(owner), "class": text(class), "allowed": columns(allowed), "denied": columns(denied), "except": columns(except)}
}

func TestOwnedGrantCheck(t *testing.T) {
	provider := newTestProvider(t, unplugged(new([]Config)))
	in := map[string][]string{"app": {"s"}}
	assert.Empty(t, provider.faults("OwnedGrant", ownedBy("owner", "function", in, nil, nil)))
	assert.Contains(t, provider.faults("OwnedGrant", ownedBy("owner", "table", in, nil, nil))["class"], "neither function nor type")
	assert.Contains(t, provider.faults("OwnedGrant", ownedBy("owner", "type", in, in, nil))["denied"], `role "app" is allowed in schema "s", too`)
}

// TestOwnedGrantOnFunctions: functions with arguments, procedures, aggregates; not those of others or of extensions.
func TestOwnedGrantOnFunctions(t *testing.T) {
	server := pgtest.Start(t)
	provider := connected(t, server)
	conn := shop(t, server)
	execute(t, conn, "CREATE FUNCTION s.of_superuser() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE EXTENSION citext SCHEMA s",
		`ALTER FUNCTION s.citext(boolean) OWNER TO owner`, // as if the owner had made the extension
		"SET ROLE owner", "CREATE SCHEMA other", "CREATE FUNCTION other.g() RETURNS int LANGUAGE sql AS 'SELECT 1'",
		"CREATE AGGREGATE s.total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0')",
		`CREATE FUNCTION s."Odd, Name"(s.mood[], VARIADIC int[]) RETURNS int LANGUAGE sql AS 'SELECT 1'`, "RESET ROLE")
	may := func(role, function string) bool {
		return query[bool](t, conn, "SELECT has_function_privilege($1, $2, 'EXECUTE')", role, function)
	}
	owned := []string{"s.f(int, text)", "s.f()", "s.run()", "s.total(int)", `s."Odd, Name"(s.mood[], int[])`}
	inputs := ownedBy("owner", "function", map[string][]string{"App 1": {"s"}}, map[string][]string{"public": {"s"}}, map[string][]string{"public": {"s.f()", "s.gone(nothing)"}})
	resource := provider.create("OwnedGrant", inputs)
	others := func() {
		for _, function := range []string{"s.of_superuser()", "s.citext(boolean)", "other.g()", "s.f()"} {
			assert.True(t, may("public", function), function)
		}
	}
	as := func(message string) {
		t.Helper()
		for _, function := range owned {
			assert.True(t, may("App 1", function), "%s: %s", message, function)
			assert.Equal(t, function == "s.f()", may("public", function), "%s: %s", message, function)
		}
		others()
		require.True(t, resource.refresh())
		assert.False(t, resource.diff(inputs).HasChanges, message)
	}
	as("as declared")
	for _, byHand := range []string{
		`REVOKE EXECUTE ON FUNCTION s.f(int, text) FROM "App 1"`, "GRANT EXECUTE ON FUNCTION s.f(int, text) TO PUBLIC",
		`GRANT EXECUTE ON PROCEDURE s.run() TO PUBLIC`, `REVOKE EXECUTE ON FUNCTION s.total(int) FROM "App 1"`,
	} {
		execute(t, conn, byHand)
		require.True(t, resource.refresh())
		require.True(t, resource.diff(inputs).HasChanges, byHand)
		resource.update(inputs)
		as(byHand)
	}
	resource.delete()
	assert.False(t, may("public", "s.total(int)"), "deleting opens nothing")
	others()
}

func TestOwnedGrantOnTypes(t *testing.T) {
	onAllMajors(t, func(t *testing.T, server *pgtest.Server) {
		provider := connected(t, server)
		conn := shop(t, server)
		may := func(role, kind string) bool {
			return query[bool](t, conn, "SELECT has_type_privilege($1, $2, 'USAGE')", role, kind)
		}
		both := func(role string) []bool { return []bool{may(role, "s.mood"), may(role, "s.d")} }
		later := func() bool {
			execute(t, conn, "SET ROLE owner", "CREATE TYPE s.later AS ENUM ('x')", "RESET ROLE")
			defer execute(t, conn, "DROP TYPE s.later")
			return may("public", "s.later")
		}
		public, app := map[string][]string{"public": {"s"}}, map[string][]string{"App 1": {"s"}}
		denied := ownedBy("owner", "type", app, public, nil).with("future", property.New(true))
		resource := provider.create("OwnedGrant", denied)
		assert.Equal(t, []bool{false, false}, both("public"))
		assert.Equal(t, []bool{true, true}, both("App 1"))
		assert.False(t, later())
		require.True(t, resource.refresh())
		assert.False(t, resource.diff(denied).HasChanges)
		for _, byHand := range []string{"GRANT USAGE ON TYPE s.mood TO PUBLIC", "ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT USAGE ON TYPES TO PUBLIC"} {
			execute(t, conn, byHand)
			require.True(t, resource.refresh())
			require.True(t, resource.diff(denied).HasChanges, byHand)
			resource.update(denied)
			assert.Equal(t, []bool{false, false}, both("public"))
			assert.False(t, later())
		}
		execute(t, conn, `CREATE ROLE reader`)
		resource.update(ownedBy("owner", "type", map[string][]string{"reader": {"s"}}, nil, nil))
		assert.Equal(t, []bool{true, true}, both("public"), "nothing is said of it any more")
		assert.True(t, later())
		assert.Zero(t, query[int](t, conn, `SELECT count(*) FROM pg_type, aclexplode(typacl) AS a WHERE grantee = '"App 1"'::regrole`))

		resource.update(denied)
		resource.delete()
		assert.Equal(t, []bool{true, true}, both("public"))
		assert.True(t, later())
		assert.Zero(t, query[int](t, conn, "SELECT count(*) FROM pg_default_acl"))
	})
}
