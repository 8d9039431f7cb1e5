package operation

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/pgtest"
	"github.com/witchcityrope/database/internal/privileges"
)

// TestKeepExceptions: what a migration has made with too much loses that, and nothing else.
func TestKeepExceptions(t *testing.T) {
	named := func(name string, verbs ...privileges.Privilege) privileges.Object {
		object := privileges.Object{Class: privileges.Table, Schema: "public", Name: name, New: name == "", Owner: "owner"}
		object.ACL = object.ACL.Granted("owner", "rw", verbs...).Granted("owner", privileges.Public, privileges.Select)
		return object
	}
	model := privileges.Model{Major: 16, Objects: []privileges.Object{
		named("", privileges.Select, privileges.Insert, privileges.Delete), named("History", privileges.Select),
		named("of others", privileges.Select), named("not there", privileges.Select),
	}}
	model.Objects[1].ACL = model.Objects[1].ACL.Without(privileges.Public)
	o := &Operation{Stack: "dev", Access: func(*config.Stack) privileges.Model { return model }}
	session := pgtest.Start(t).Connect(t)
	execute := func(statements ...string) {
		for _, statement := range statements {
			_, err := session.Exec(t.Context(), statement)
			require.NoError(t, err, statement)
		}
	}
	acl := func(table string) (list string) {
		require.NoError(t, session.QueryRow(t.Context(), "SELECT array_to_string(relacl, ' ') FROM pg_class WHERE relname = $1", table).Scan(&list))
		return list
	}
	execute("CREATE ROLE owner", "CREATE ROLE rw", "GRANT CREATE ON SCHEMA public TO owner", "ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT SELECT, INSERT, DELETE ON TABLES TO rw",
		"ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT SELECT ON TABLES TO PUBLIC", `CREATE TABLE "of others" (x int)`, `GRANT INSERT ON "of others" TO rw`, "SET ROLE owner",
		`CREATE TABLE "History" (x int)`, `CREATE TABLE "Events" (x int)`)
	before := acl("of others")
	require.NoError(t, o.keepExceptions(t.Context(), session))
	require.NoError(t, o.keepExceptions(t.Context(), session), "nothing is left to do")
	assert.Equal(t, "owner=arwdDxt/owner rw=r/owner", acl("History"))
	assert.Equal(t, "=r/owner owner=arwdDxt/owner rw=ard/owner", acl("Events"))
	assert.Equal(t, before, acl("of others"), "an up takes it away, which may")
}
