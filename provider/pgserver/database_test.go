package pgserver

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/pgtest"
)

func TestDatabaseCheck(t *testing.T) {
	provider := newTestProvider(t, unplugged(new([]Config)))
	checked := provider.check("Database", values{"name": text("app")})
	assert.Equal(t, "UTF8", checked.Get("encoding").AsString())
	assert.True(t, checked.Get("allowConnections").AsBool())
	faults := provider.faults("Database", values{"name": text(""), "owner": text(strings.Repeat("x", 64))})
	assert.Contains(t, faults["name"], "is empty")
	assert.Contains(t, faults["owner"], "64 bytes")
	assert.False(t, provider.check("Database", values{"name": text("a"), "allowConnections": property.New(false)}).Get("allowConnections").AsBool())
}

func TestDatabase(t *testing.T) {
	server := pgtest.Start(t)
	provider := connected(t, server)
	conn := server.Connect(t)
	execute(t, conn, "CREATE ROLE one", "CREATE ROLE two")
	oid := func(name string) uint32 {
		return query[uint32](t, conn, "SELECT coalesce((SELECT oid FROM pg_database WHERE datname = $1), 0)", name)
	}
	app := values{"name": text(`App "1"`), "owner": text("one")}

	resource := provider.create("Database", app)
	first := oid(`App "1"`)
	require.NotZero(t, first)
	again := provider.create("Database", app)
	assert.Equal(t, first, oid(`App "1"`), "what is there is adopted")
	assert.Equal(t, resource.id, again.id)

	resource.update(app.with("owner", text("two")))
	require.True(t, resource.refresh())
	assert.Equal(t, "two", resource.output("owner"))
	execute(t, conn, `ALTER DATABASE "App ""1""" OWNER TO one`)
	require.True(t, resource.refresh())
	assert.True(t, resource.diff(app.with("owner", text("two"))).HasChanges)

	resource.update(app.with("allowConnections", property.New(false)))
	_, err := server.Login(t.Context(), pgtest.Superuser, pgtest.Password, `App "1"`)
	require.ErrorContains(t, err, "is not currently accepting connections")
	resource.update(app)
	server.ConnectAs(t, pgtest.Superuser, pgtest.Password, `App "1"`)

	assert.ErrorContains(t, resource.tryUpdate(app.with("encoding", text("LATIN1"))), "has the encoding UTF8, not LATIN1")
	require.NoError(t, resource.tryUpdate(app.with("encoding", text("utf-8"))))
	latin := provider.create("Database", values{"name": text("latin"), "encoding": text("LATIN1")})
	require.True(t, latin.refresh())
	assert.Equal(t, "LATIN1", latin.output("encoding"))
	assert.False(t, latin.diff(values{"name": text("latin"), "encoding": text("LATIN1")}).HasChanges, "an owner that is not managed is no drift")
	assert.Equal(t, "one", provider.imported("Database", `App "1"`).inputs.Get("owner").AsString())

	_, err = provider.tryCreate("Database", values{"name": text("other"), "owner": text("nobody")})
	require.ErrorContains(t, err, `role "nobody" does not exist`)
	provider.create("Database", values{"name": text("other"), "owner": text("one")}) // the interrupted one is taken up

	latin.delete()
	assert.NotZero(t, oid("latin"), "data is never dropped")
	execute(t, conn, "DROP DATABASE latin")
	assert.False(t, latin.refresh())
}
