package postgresql

import (
	"testing"

	"github.com/blang/semver"
	"github.com/jackc/pgx/v5"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/pgtest"
	"github.com/witchcityrope/database/internal/postgres"
)

const (
	roleType      = "postgresql:index/role:Role"
	schemaType    = "postgresql:index/schema:Schema"
	extensionType = "postgresql:index/extension:Extension"
	defaultsType  = "postgresql:index/defaultPrivileges:DefaultPrivileges"
)

func urn(kind string) resource.URN {
	return resource.NewURN("stack", "project", "", tokens.Type(kind), "name")
}

// inputs makes a property map of plain Go values.
func inputs(values map[string]any) property.Map {
	return resource.FromResourcePropertyMap(resource.NewPropertyMapFromMap(values))
}

func with(values map[string]any, more map[string]any) property.Map {
	merged := map[string]any{}
	for _, part := range []map[string]any{values, more} {
		for name, value := range part {
			merged[name] = value
		}
	}
	return inputs(merged)
}

// bench is a provider under test.
type bench struct {
	integration.Server
	t *testing.T
}

func newBench(t *testing.T, config map[string]any) *bench {
	t.Helper()
	provider, err := New()
	require.NoError(t, err)
	server, err := integration.NewServer(t.Context(), "postgresql", semver.MustParse("3.18.0"), integration.WithProvider(provider))
	require.NoError(t, err)
	require.NoError(t, server.Configure(p.ConfigureRequest{Args: inputs(config)}))
	return &bench{Server: server, t: t}
}

func on(server *pgtest.Server) map[string]any {
	return map[string]any{
		"host": "127.0.0.1", "port": server.Port, "username": pgtest.Superuser, "password": pgtest.Password,
		"sslmode": "disable", "connectTimeout": 180,
	}
}

func (b *bench) create(kind string, values property.Map) p.CreateResponse {
	b.t.Helper()
	checked, err := b.Check(p.CheckRequest{Urn: urn(kind), Inputs: values})
	require.NoError(b.t, err)
	require.Empty(b.t, checked.Failures)
	created, err := b.Create(p.CreateRequest{Urn: urn(kind), Properties: checked.Inputs})
	require.NoError(b.t, err)
	return created
}

func (b *bench) remove(kind string, created p.CreateResponse) {
	b.t.Helper()
	require.NoError(b.t, b.Delete(p.DeleteRequest{Urn: urn(kind), ID: created.ID, Properties: created.Properties}))
}

func (b *bench) read(kind, id string, state, values property.Map) p.ReadResponse {
	b.t.Helper()
	response, err := b.Read(p.ReadRequest{Urn: urn(kind), ID: id, Properties: state, Inputs: values})
	require.NoError(b.t, err)
	return response
}

func ask[T any](t *testing.T, session *pgx.Conn, query string, args ...any) (answer T) {
	t.Helper()
	require.NoError(t, session.QueryRow(t.Context(), query, args...).Scan(&answer))
	return answer
}

func do(t *testing.T, session *pgx.Conn, statement string) {
	t.Helper()
	_, err := session.Exec(t.Context(), statement)
	require.NoError(t, err, statement)
}

func TestWhatReplaces(t *testing.T) {
	b := newBench(t, nil)
	defaults := map[string]any{"database": "app", "role": "rw", "schema": "auth", "objectType": "table", "privileges": []any{"SELECT", "INSERT"}}
	role := map[string]any{"name": "a", "login": true, "password": "x", "roles": []any{"b", "c"}}
	for name, test := range map[string]struct {
		kind             string
		before, change   map[string]any
		changes, replace bool
	}{
		"role unchanged":         {kind: roleType, before: role, change: map[string]any{"roles": []any{"c", "b"}, "inherit": true, "connectionLimit": -1}},
		"role password":          {kind: roleType, before: role, change: map[string]any{"password": "y"}, changes: true},
		"role name":              {kind: roleType, before: role, change: map[string]any{"name": "z"}, changes: true},
		"role members":           {kind: roleType, before: role, change: map[string]any{"roles": []any{"b"}}, changes: true},
		"defaults privileges":    {kind: defaultsType, before: defaults, change: map[string]any{"privileges": []any{"SELECT"}}, changes: true},
		"defaults owner":         {kind: defaultsType, before: defaults, change: map[string]any{"owner": "o"}, changes: true, replace: true},
		"schema owner":           {kind: schemaType, before: map[string]any{"name": "auth"}, change: map[string]any{"owner": "o"}, changes: true},
		"schema database":        {kind: schemaType, before: map[string]any{"name": "auth"}, change: map[string]any{"database": "o"}, changes: true, replace: true},
		"extension version":      {kind: extensionType, before: map[string]any{"name": "citext"}, change: map[string]any{"version": "2"}, changes: true},
		"extension other":        {kind: extensionType, before: map[string]any{"name": "citext"}, change: map[string]any{"name": "hstore"}, changes: true, replace: true},
		"extension database":     {kind: extensionType, before: map[string]any{"name": "citext"}, change: map[string]any{"database": "o"}, changes: true, replace: true},
		"schema default unsaid":  {kind: schemaType, before: map[string]any{"name": "auth"}, change: map[string]any{"ifNotExists": true}},
		"role skips, in place":   {kind: roleType, before: role, change: map[string]any{"skipDropRole": true}, changes: true},
		"role validity for ever": {kind: roleType, before: role, change: map[string]any{"validUntil": "infinity"}},
	} {
		t.Run(name, func(t *testing.T) {
			diff, err := b.Diff(p.DiffRequest{Urn: urn(test.kind), OldInputs: inputs(test.before), Inputs: with(test.before, test.change)})
			require.NoError(t, err)
			assert.Equal(t, test.changes, diff.HasChanges)
			for input, change := range diff.DetailedDiff {
				assert.Equal(t, test.replace, change.Kind == p.UpdateReplace || change.Kind == p.AddReplace, input)
			}
		})
	}
}

func TestPreviewsNeedNoServer(t *testing.T) {
	b := newBench(t, map[string]any{"host": "127.0.0.1", "port": 1})
	unknown := property.New(property.Computed)
	for kind, values := range map[string]property.Map{
		roleType:      inputs(map[string]any{"name": "a"}).Set("password", unknown).Set("roles", unknown),
		schemaType:    property.NewMap(map[string]property.Value{"name": unknown}),
		extensionType: property.NewMap(map[string]property.Value{"name": unknown}),
		defaultsType:  inputs(map[string]any{"database": "a", "role": "b", "objectType": "table", "owner": "c"}).Set("privileges", unknown),
	} {
		checked, err := b.Check(p.CheckRequest{Urn: urn(kind), Inputs: values})
		require.NoError(t, err, kind)
		require.Empty(t, checked.Failures, kind)
		_, err = b.Create(p.CreateRequest{Urn: urn(kind), Properties: checked.Inputs, DryRun: true})
		require.NoError(t, err, kind)
		_, err = b.Update(p.UpdateRequest{Urn: urn(kind), State: values, OldInputs: values, Inputs: values, DryRun: true})
		require.NoError(t, err, kind)
	}
	_, err := b.Create(p.CreateRequest{Urn: urn(roleType), Properties: inputs(map[string]any{"name": "a", "password": "top secret"})})
	require.ErrorContains(t, err, "creating role a")
	assert.NotContains(t, err.Error(), "top secret")
}

func TestRole(t *testing.T) {
	server := pgtest.Start(t)
	b, admin := newBench(t, on(server)), server.Connect(t)
	verifier := postgres.ScramVerifier("it's a secret", []byte("salt of sixteen."), 4096)
	group := b.create(roleType, inputs(map[string]any{"name": "group"}))
	values := inputs(map[string]any{
		"name": "app", "login": true, "password": verifier, "roles": []any{"group"}, "searchPaths": []any{"a", "B c"},
		"connectionLimit": 3, "statementTimeout": 1000, "idleInTransactionSessionTimeout": 2000, "assumeRole": "group", "validUntil": "2099-01-01",
	})
	created := b.create(roleType, values)
	assert.Equal(t, "app", created.ID)
	assert.True(t, created.Properties.Get("password").Secret())
	read := b.read(roleType, "app", created.Properties, values)
	assert.Equal(t, values.Set("password", values.Get("password").WithSecret(true)), read.Inputs)
	assert.Equal(t, verifier, ask[string](t, admin, "SELECT rolpassword FROM pg_authid WHERE rolname = 'app'"))
	assert.Equal(t, "group", ask[string](t, server.ConnectAs(t, "app", "it's a secret", "postgres"), "SELECT current_user::text"))

	t.Run("exists already", func(t *testing.T) {
		_, err := b.Create(p.CreateRequest{Urn: urn(roleType), Properties: values})
		require.ErrorContains(t, err, `role "app" already exists`)
		assert.NotContains(t, err.Error(), verifier)
	})
	t.Run("import", func(t *testing.T) {
		imported := b.read(roleType, "app", property.Map{}, property.Map{})
		assert.Equal(t, "app", imported.Inputs.Get("name").AsString())
		assert.True(t, imported.Inputs.Get("login").AsBool())
		assert.EqualValues(t, 3, imported.Inputs.Get("connectionLimit").AsNumber())
	})
	t.Run("drift", func(t *testing.T) {
		do(t, admin, "ALTER ROLE app PASSWORD 'other' NOINHERIT VALID UNTIL '2098-01-01'; ALTER ROLE app RESET ALL; REVOKE \"group\" FROM app")
		drifted := b.read(roleType, "app", created.Properties, values)
		diff, err := b.Diff(p.DiffRequest{Urn: urn(roleType), State: drifted.Properties, OldInputs: drifted.Inputs, Inputs: values})
		require.NoError(t, err)
		for _, input := range []string{
			"password", "inherit", "validUntil", "roles", "searchPaths", "statementTimeout", "idleInTransactionSessionTimeout", "assumeRole",
		} {
			assert.Contains(t, diff.DetailedDiff, input)
		}
		assert.Len(t, diff.DetailedDiff, 8)
		_, err = b.Update(p.UpdateRequest{Urn: urn(roleType), ID: "app", State: drifted.Properties, OldInputs: drifted.Inputs, Inputs: values})
		require.NoError(t, err)
		assert.Equal(t, read.Inputs, b.read(roleType, "app", created.Properties, values).Inputs)
	})
	t.Run("rename", func(t *testing.T) {
		renamed, err := b.Update(p.UpdateRequest{
			Urn: urn(roleType), ID: "app", State: created.Properties, OldInputs: values, Inputs: values.Set("name", property.New("app2")),
		})
		require.NoError(t, err)
		created.Properties = renamed.Properties
		assert.Equal(t, "app2", b.read(roleType, "app", renamed.Properties, values.Set("name", property.New("app2"))).ID)
	})
	t.Run("delete", func(t *testing.T) {
		do(t, admin, "GRANT CREATE ON SCHEMA public TO app2; SET ROLE app2; CREATE TABLE owned (); RESET ROLE")
		b.remove(roleType, created)
		b.remove(roleType, created)
		assert.Equal(t, "postgres", ask[string](t, admin, "SELECT tableowner FROM pg_tables WHERE tablename = 'owned'"))
		assert.Empty(t, b.read(roleType, "app2", created.Properties, values).ID)
		b.remove(roleType, group)
	})
}

func TestSchemaAndExtension(t *testing.T) {
	server := pgtest.Start(t)
	b, admin := newBench(t, on(server)), server.Connect(t)
	b.create(roleType, inputs(map[string]any{"name": "owner"}))

	values := inputs(map[string]any{"name": "auth", "owner": "owner", "database": "postgres"})
	schema := b.create(schemaType, values)
	assert.Equal(t, "postgres.auth", schema.ID)
	assert.Equal(t, schema.ID, b.create(schemaType, values).ID, "an existing schema is adopted")
	imported := b.read(schemaType, "postgres.auth", property.Map{}, property.Map{})
	assert.Equal(t, values, imported.Inputs)
	do(t, admin, "ALTER SCHEMA auth OWNER TO postgres")
	drifted := b.read(schemaType, schema.ID, schema.Properties, values)
	assert.Equal(t, "postgres", drifted.Inputs.Get("owner").AsString())
	_, err := b.Update(p.UpdateRequest{Urn: urn(schemaType), ID: schema.ID, State: drifted.Properties, OldInputs: drifted.Inputs, Inputs: values})
	require.NoError(t, err)
	assert.Equal(t, values, b.read(schemaType, schema.ID, schema.Properties, values).Inputs)
	do(t, admin, "CREATE TABLE auth.things ()")
	require.ErrorContains(t, b.Delete(p.DeleteRequest{Urn: urn(schemaType), ID: schema.ID, Properties: schema.Properties}), "other objects depend on it")
	schema.Properties = schema.Properties.Set("dropCascade", property.New(true))
	b.remove(schemaType, schema)
	b.remove(schemaType, schema)
	assert.Empty(t, b.read(schemaType, schema.ID, schema.Properties, values).ID)

	values = inputs(map[string]any{"name": "citext", "schema": "public"})
	extension := b.create(extensionType, values)
	assert.Equal(t, "postgres.citext", extension.ID)
	assert.NotEmpty(t, extension.Properties.Get("version").AsString())
	assert.Equal(t, values, b.read(extensionType, extension.ID, extension.Properties, values).Inputs)
	do(t, admin, "DROP EXTENSION citext")
	assert.Empty(t, b.read(extensionType, extension.ID, extension.Properties, values).ID)
	b.remove(extensionType, extension)
	gone := extension.Properties.Set("database", property.New("gone"))
	assert.Empty(t, b.read(extensionType, extension.ID, gone, values).ID, "with its database")
}

func TestDefaultPrivilegesRefuse(t *testing.T) {
	server := pgtest.Start(t)
	b := newBench(t, on(server))
	for says, values := range map[string]map[string]any{
		`"view" has no default privileges`:  {"objectType": "view", "privileges": []any{"SELECT"}},
		`a table cannot have "EXECUTE"`:     {"objectType": "table", "privileges": []any{"EXECUTE"}},
		"a table cannot have":               {"objectType": "table", "privileges": []any{"SELECT ON TABLES TO app; --"}},
		"schemas are not in schemas":        {"objectType": "schema", "schema": "public", "privileges": []any{"USAGE"}},
		"not possible with the role public": {"objectType": "table", "role": "public", "privileges": []any{"SELECT"}, "withGrantOption": true},
	} {
		_, err := b.Create(p.CreateRequest{
			Urn: urn(defaultsType), Properties: with(map[string]any{"database": "postgres", "role": "app", "owner": "postgres"}, values),
		})
		assert.ErrorContains(t, err, says)
	}
}

func TestWithoutASuperuser(t *testing.T) {
	server := pgtest.Start(t)
	admin := server.Connect(t)
	do(t, admin, "CREATE ROLE manager LOGIN CREATEROLE CREATEDB PASSWORD 'manage'")
	do(t, admin, "CREATE DATABASE app OWNER manager")
	config := on(server)
	config["username"], config["password"], config["database"], config["superuser"] = "manager", "manage", "app", false
	b := newBench(t, config)
	owner := b.create(roleType, inputs(map[string]any{"name": "owner"}))
	app := b.create(roleType, inputs(map[string]any{"name": "app"}))
	schema := b.create(schemaType, inputs(map[string]any{"name": "auth", "owner": "owner", "database": "app"}))
	defaults := b.create(defaultsType, inputs(map[string]any{
		"database": "app", "role": "app", "owner": "owner", "objectType": "table", "privileges": []any{"SELECT"},
	}))
	inside := server.ConnectAs(t, pgtest.Superuser, pgtest.Password, "app")
	assert.Equal(t, "owner", ask[string](t, inside, "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'auth'"))
	assert.False(t, ask[bool](t, inside, "SELECT pg_has_role('manager', 'owner', 'USAGE')"), "a borrowed membership stayed")
	b.remove(defaultsType, defaults)
	b.remove(schemaType, schema)
	b.remove(roleType, app)
	b.remove(roleType, owner)
}

func TestServerComesBack(t *testing.T) {
	server := pgtest.Start(t)
	b := newBench(t, on(server))
	b.create(roleType, inputs(map[string]any{"name": "before"}))
	require.NoError(t, server.Kill())
	require.NoError(t, server.Start(t.Context()))
	b.create(roleType, inputs(map[string]any{"name": "after"}))
}

func TestTransportSecurity(t *testing.T) {
	for mode, test := range map[string]struct{ encrypted, verified bool }{
		"disable": {}, "require": {encrypted: true}, "verify-full": {encrypted: true, verified: true},
	} {
		config, err := settings{host: "db.example", port: 5432, username: "o'brien", password: "p'w", sslmode: mode, timeout: 5}.pool("a b")
		require.NoError(t, err, mode)
		connection := config.ConnConfig
		assert.Equal(t, []string{"a b", "o'brien", "p'w"}, []string{connection.Database, connection.User, connection.Password})
		assert.Equal(t, test.encrypted, connection.TLSConfig != nil, mode)
		if test.encrypted {
			assert.Equal(t, test.verified, !connection.TLSConfig.InsecureSkipVerify, mode)
		}
		assert.NotContains(t, connection.ConnString(), "p'w")
	}
	_, err := settings{host: "db", port: 5432, sslmode: "verify-full", rootcert: "/missing/ca.crt"}.pool("app")
	require.ErrorContains(t, err, "/missing/ca.crt")
}
