package pgserver

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/pgtest"
)

func TestSuperuserCheck(t *testing.T) {
	provider := newTestProvider(t, unplugged(new([]Config)))
	faults := provider.faults("Superuser", values{"username": text(""), "verifier": text(canary)})
	assert.Contains(t, faults["username"], "is empty")
	assert.Contains(t, faults["verifier"], "is not a SCRAM-SHA-256 verifier")
	assert.NotContains(t, faults["verifier"], canary)
}

// The password is rotated with the server running, through the one that it still has.
func TestSuperuserRotation(t *testing.T) {
	server := pgtest.Start(t)
	conn := server.Connect(t)
	provider := newTestProvider(t, dial)
	generation := func(current string, earlier ...string) {
		provider.configure(configFor(server).with("password", text(current)).with("fallbackPasswords", texts(earlier...)))
	}
	inputs := func(password string) values {
		return values{"username": text(pgtest.Superuser), "verifier": verifier(password), "server": text("container 1")}
	}
	stored := func() string {
		return query[string](t, conn, "SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'")
	}
	refused := func(password string) {
		_, err := server.Login(t.Context(), pgtest.Superuser, password, "postgres")
		require.ErrorContains(t, err, "password authentication failed")
	}

	generation("one", pgtest.Password)
	superuser := provider.create("Superuser", inputs("one"))
	assert.Equal(t, "16.14", superuser.output("serverVersion"))
	assert.Equal(t, server.DataDir, superuser.output("dataDirectory"))
	assert.Equal(t, pgtest.Superuser, superuser.id)
	assert.Equal(t, verifier("one").AsString(), stored())
	refused(pgtest.Password)

	generation("two", "one")
	superuser.update(inputs("two"))
	assert.Equal(t, verifier("two").AsString(), stored())
	refused("one")
	server.ConnectAs(t, pgtest.Superuser, "two", "postgres")

	t.Run("again", func(t *testing.T) { // as after an interruption
		superuser.update(inputs("two"))
		generation("two", "one", pgtest.Password)
		superuser.update(inputs("two").with("server", text("container 2")))
		assert.Equal(t, verifier("two").AsString(), stored())
	})
	t.Run("drift", func(t *testing.T) {
		require.True(t, superuser.refresh())
		assert.False(t, superuser.diff(inputs("two").with("server", text("container 2"))).HasChanges)
		generation("two", "by hand")
		execute(t, conn, "ALTER ROLE postgres PASSWORD 'by hand'")
		require.True(t, superuser.refresh())
		diff := superuser.diff(inputs("two").with("server", text("container 2")))
		assert.True(t, diff.HasChanges)
		assert.Contains(t, diff.DetailedDiff, "verifier")
		superuser.update(inputs("two"))
		assert.Equal(t, verifier("two").AsString(), stored())
	})
	t.Run("import", func(t *testing.T) {
		imported := provider.imported("Superuser", pgtest.Superuser)
		assert.Equal(t, verifier("two").AsString(), imported.inputs.Get("verifier").AsString())
	})
	t.Run("a verifier of another password", func(t *testing.T) {
		err := superuser.tryUpdate(inputs(canary))
		require.ErrorContains(t, err, "does not belong to the provider's password")
		assert.NotContains(t, err.Error(), canary)
		assert.Equal(t, verifier("two").AsString(), stored())
	})
	t.Run("another role", func(t *testing.T) {
		_, err := provider.tryCreate("Superuser", inputs("two").with("username", text("somebody")))
		assert.ErrorContains(t, err, `"somebody" is not "postgres"`)
	})
	superuser.delete()
	assert.Equal(t, verifier("two").AsString(), stored(), "deleting the resource changes nothing")
}
