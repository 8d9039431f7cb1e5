package pgserver

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var errNoServer = errors.New("there is no server in this test")

// unplugged is a way to reach servers that records what was asked for, and fails.
func unplugged(asked *[]Config) dialer {
	return func(_ context.Context, config Config) (*pgx.Conn, error) {
		*asked = append(*asked, config)
		return nil, errNoServer
	}
}

func someConfig() values {
	return values{"host": text("127.0.0.1"), "username": text("postgres"), "password": text("pw").WithSecret(true)}
}

func TestCheckConfig(t *testing.T) {
	provider := newTestProvider(t, unplugged(new([]Config)))
	checked, err := provider.CheckConfig(p.CheckRequest{Inputs: someConfig().with("version", text("1.2.3")).properties()})
	require.NoError(t, err)
	require.Empty(t, checked.Failures)
	assert.InDelta(t, 5432, checked.Inputs.Get("port").AsNumber(), 0)
	assert.InDelta(t, 60, checked.Inputs.Get("readyTimeout").AsNumber(), 0)
	assert.Equal(t, "postgres", checked.Inputs.Get("database").AsString())
	assert.Equal(t, "prefer", checked.Inputs.Get("tlsMode").AsString())
	assert.True(t, checked.Inputs.Get("password").Secret())

	for name, test := range map[string]struct {
		key   string
		value property.Value
		want  string
	}{
		"socket":       {"host", text("/var/run/postgresql"), `host: "/var/run/postgresql" is neither a host name nor an IP address`},
		"no host":      {"host", text(""), "host: \"\" is neither a host name nor an IP address"},
		"missing":      {"host", property.New(property.Null), "host: "},
		"port":         {"port", property.New(70000.0), "port: 70000 is not a TCP port"},
		"username":     {"username", text(""), "username: is empty"},
		"password":     {"password", text(""), "password: is empty"},
		"mode":         {"tlsMode", text("disable"), `tlsMode: "disable" is unknown; use one of prefer, require, verify-full`},
		"prefer, afar": {"host", text("db.example.org"), "tlsMode: prefer may send data in clear"},
		"unused CA":    {"caFile", text("ca.crt"), "caFile: \"ca.crt\" would not be used"},
		"no time":      {"readyTimeout", property.New(-1.0), "readyTimeout: -1 is not a number of seconds"},
	} {
		t.Run(name, func(t *testing.T) {
			checked, err := provider.CheckConfig(p.CheckRequest{Inputs: someConfig().with(test.key, test.value).properties()})
			require.NoError(t, err)
			require.Len(t, checked.Failures, 1)
			assert.Contains(t, checked.Failures[0].Property+": "+checked.Failures[0].Reason, test.want)
		})
	}
}

// An unknown value is no fault: what is unknown is checked once it is known.
func TestCheckConfigUnknown(t *testing.T) {
	provider := newTestProvider(t, unplugged(new([]Config)))
	for key := range someConfig() {
		checked, err := provider.CheckConfig(p.CheckRequest{Inputs: someConfig().with(key, property.New(property.Computed)).properties()})
		require.NoError(t, err)
		assert.Empty(t, checked.Failures, key)
	}
}

// Whatever changes in the configuration: no resource is replaced because of it.
func TestDiffConfigNeverReplaces(t *testing.T) {
	provider := newTestProvider(t, unplugged(new([]Config)))
	old := someConfig().with("fallbackPasswords", texts("a")).with("port", property.New(5432.0)).with("__internal", text("x"))
	same, err := provider.DiffConfig(p.DiffRequest{State: old.properties(), Inputs: old.with("__internal", text("y")).with("version", text("2")).properties()})
	require.NoError(t, err)
	assert.False(t, same.HasChanges)

	for key, value := range map[string]property.Value{
		"host": text("::1"), "port": property.New(1.0), "username": text("other"), "password": text("new").WithSecret(true),
		"fallbackPasswords": texts("a", "b"), "database": text("other"), "tlsMode": text("require"),
		"caFile": text("ca"), "readyTimeout": property.New(1.0),
	} {
		diff, err := provider.DiffConfig(p.DiffRequest{State: old.properties(), Inputs: old.with(key, value).properties(), OldInputs: old.properties()})
		require.NoError(t, err)
		assert.True(t, diff.HasChanges, key)
		assert.False(t, diff.DeleteBeforeReplace)
		require.Len(t, diff.DetailedDiff, 1, key)
		assert.Contains(t, []p.DiffKind{p.Update, p.Add}, diff.DetailedDiff[key].Kind, key)
	}
	diff, err := provider.DiffConfig(p.DiffRequest{State: old.properties(), Inputs: someConfig().properties()})
	require.NoError(t, err)
	assert.Equal(t, p.Delete, diff.DetailedDiff["fallbackPasswords"].Kind)
}

// The configuration in use is the last one that was configured, whole: nothing of an earlier one stays,
// and nothing of one that was only asked about gets in.
func TestConfigureForgets(t *testing.T) {
	var asked []Config
	provider := newTestProvider(t, unplugged(&asked))
	provider.configure(someConfig().with("fallbackPasswords", texts("old")).with("port", property.New(1.0)))
	provider.configure(someConfig())
	_, err := provider.CheckConfig(p.CheckRequest{Inputs: someConfig().with("database", text("only asked")).properties()})
	require.NoError(t, err)
	_, err = provider.DiffConfig(p.DiffRequest{
		State: someConfig().with("fallbackPasswords", texts("old")).properties(), Inputs: someConfig().properties(),
	})
	require.NoError(t, err)

	_, err = provider.tryCreate("Database", values{"name": text("app")})
	require.ErrorIs(t, err, errNoServer)
	assert.Equal(t, []Config{{
		Host: "127.0.0.1", Port: 5432, Username: "postgres", Database: "postgres", Password: "pw", TLSMode: "prefer", ReadyTimeout: 60,
	}}, asked)
}

// A preview, and all that comes before it, never talks to the server.
func TestPreviewNeedsNoServer(t *testing.T) {
	for kind, inputs := range map[string][2]values{
		"Superuser":     {{"username": text("postgres"), "verifier": verifier("a")}, {"username": text("postgres"), "verifier": verifier("b")}},
		"ServerFile":    {{"path": text("a.conf"), "content": text("a")}, {"path": text("a.conf"), "content": text("b")}},
		"SystemSetting": {{"name": text("work_mem"), "value": text("1MB")}, {"name": text("work_mem"), "value": text("2MB")}},
		"Database":      {{"name": text("app")}, {"name": text("app"), "owner": text("me")}},
		"SetAside":      {{"roles": texts("a")}, {"roles": texts("a", "b")}},
		"PutBack":       {{"roles": texts("a")}, {"roles": texts("a", "b")}},
	} {
		t.Run(kind, func(t *testing.T) {
			var asked []Config
			provider := newTestProvider(t, unplugged(&asked))
			provider.configure(someConfig())
			before, after := provider.check(kind, inputs[0]), provider.check(kind, inputs[1])
			created, err := provider.Create(p.CreateRequest{Urn: urn(kind), Properties: before, DryRun: true})
			require.NoError(t, err)
			for key, value := range before.All {
				assert.True(t, value.Equals(created.Properties.Get(key)), "%s is known at preview", key)
			}
			resource := made{provider, kind, "id", before, withOutputs(kind, before)}
			diff := resource.diff(inputs[1])
			assert.True(t, diff.HasChanges)
			for key, change := range diff.DetailedDiff {
				assert.Contains(t, []p.DiffKind{p.Update, p.Add}, change.Kind, key)
			}
			assert.False(t, resource.diff(inputs[0]).HasChanges)
			updated, err := provider.Update(p.UpdateRequest{ID: "id", Urn: urn(kind), State: resource.state, OldInputs: before, Inputs: after, DryRun: true})
			require.NoError(t, err)
			if kind == "Superuser" {
				assert.Equal(t, "16.14", updated.Properties.Get("serverVersion").AsString(), "a new password makes no new server")
			}
			assert.Empty(t, asked)
		})
	}
}

// Another name is another thing.
func TestReplacements(t *testing.T) {
	provider := newTestProvider(t, unplugged(new([]Config)))
	provider.configure(someConfig())
	for kind, test := range map[string]struct {
		inputs values
		key    string
		value  property.Value
	}{
		"Superuser":     {values{"username": text("a"), "verifier": verifier("a")}, "username", text("b")},
		"ServerFile":    {values{"path": text("a"), "content": text("")}, "path", text("b")},
		"SystemSetting": {values{"name": text("a"), "value": text("1")}, "name", text("b")},
		"Database":      {values{"name": text("a")}, "name", text("b")},
	} {
		checked := provider.check(kind, test.inputs)
		resource := made{provider, kind, "id", checked, withOutputs(kind, checked)}
		diff := resource.diff(test.inputs.with(test.key, test.value))
		assert.Equal(t, p.UpdateReplace, diff.DetailedDiff[test.key].Kind, kind)
	}
}

// withOutputs adds what a resource has beside its inputs.
func withOutputs(kind string, inputs property.Map) property.Map {
	switch kind {
	case "Superuser":
		return inputs.Set("serverVersion", text("16.14")).Set("dataDirectory", text("/data"))
	case "SystemSetting":
		return inputs.Set("effectiveValue", text("1MB")).Set("pendingRestart", property.New(false))
	}
	return inputs
}

// What is secret stays secret: in what Check returns, and in the state.
func TestSecrets(t *testing.T) {
	provider := newTestProvider(t, unplugged(new([]Config)))
	provider.configure(someConfig())
	for kind, inputs := range map[string]values{
		"Superuser":  {"username": text("a"), "verifier": verifier("a")},
		"ServerFile": {"path": text("a"), "content": text("a")},
	} {
		key := map[string]string{"Superuser": "verifier", "ServerFile": "content"}[kind]
		checked := provider.check(kind, inputs)
		assert.True(t, checked.Get(key).Secret(), kind)
		created, err := provider.Create(p.CreateRequest{Urn: urn(kind), Properties: checked, DryRun: true})
		require.NoError(t, err)
		assert.True(t, created.Properties.Get(key).Secret(), kind)
	}
}
