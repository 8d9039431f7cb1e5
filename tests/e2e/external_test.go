package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/operation"
)

// newExternal makes a project whose stack is a database in the server of
// another project, as one that is somebody else's.
func newExternal(t *testing.T, server *project, secret string, more values) *project {
	stack := server.config()
	other := &project{t: t, docker: server.docker, dir: t.TempDir(), stack: server.stack, plugins: server.plugins, secret: secret}
	other.environment()
	configuration := values{
		projectName + ":rootSecretFrom": "local",
		projectName + ":target":         values{"type": "external", "host": "127.0.0.1", "port": stack.Network.Publish.Port, "caFile": server.local("ca.crt")},
	}
	for key, value := range more {
		configuration[projectName+":"+key] = value
	}
	for name, content := range map[string]any{"Pulumi.yaml": server.read("Pulumi.yaml"), "Pulumi." + server.stack + ".yaml": values{"config": configuration}} {
		text, err := yaml.Marshal(content)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(other.dir, name), text, 0o600))
	}
	other.setLocalSecret(other.secret)
	authority, err := os.ReadFile(server.local("ca.crt"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(other.local("ca.crt"), authority, 0o600))
	other.env = append(other.env, "PULUMI_CONFIG_PASSPHRASE="+passphrase)
	require.NoError(t, os.MkdirAll(filepath.Join(other.dir, ".wcrdb", "state"), 0o700))
	_, err = other.pulumi("", "stack", "init")
	require.NoError(t, err)
	_, err = other.pulumi(server.derivation().Password(stack.Target.Username, stack.Access.GenerationOf(config.Superuser)),
		"config", "set", "--secret", projectName+":"+config.AdministratorPasswordKey)
	require.NoError(t, err)
	return other
}

// TestEndToEndExternal declares a database in a server that somebody else runs:
// it comes up beside what is there, changes nothing of it, and what is changed
// by hand is found and repaired by the next up.
func TestEndToEndExternal(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		server := newProject(t, "dev", plugins).initialize()
		server.configure(values{"access": values{"rules": []values{{"type": "hostssl", "databases": []string{"all"}, "roles": []string{"all"}, "address": "10.128.0.0/9", "method": "scram-sha-256"}}}})
		server.up()
		p := newExternal(t, server, server.secret, values{"database": values{"name": "shop"}, "access": values{"prefix": "shop"}})
		p.up()
		p.must("preview", "--expect-no-changes")
		p.must("refresh", "--expect-no-changes")
		assert.Contains(t, p.connections()["app"].Npgsql, "SSL Mode=VerifyFull;Root Certificate="+server.local("ca.crt"))
		p.as(t, "migrator", func(session *pgx.Conn) {
			_, err := session.Exec(t.Context(), "CREATE TABLE orders (id int PRIMARY KEY)")
			require.NoError(t, err)
		})
		p.as(t, "app", func(session *pgx.Conn) {
			_, err := session.Exec(t.Context(), "INSERT INTO orders VALUES (1)")
			require.NoError(t, err)
		})
		server.must("refresh", "--expect-no-changes") // it is as it was

		session := server.superuser(t, "shop")
		for _, drift := range []string{
			"ALTER ROLE " + p.names().App() + " PASSWORD 'another'",
			"REVOKE INSERT ON orders FROM " + p.names().ReadWrite,
			"ALTER DEFAULT PRIVILEGES FOR ROLE " + p.names().Owner + " REVOKE SELECT ON TABLES FROM " + p.names().ReadWrite,
		} {
			_, err := session.Exec(t.Context(), drift)
			require.NoError(t, err)
		}
		p.must("up")
		p.unchanged()
		p.as(t, "migrator", func(session *pgx.Conn) {
			_, err := session.Exec(t.Context(), "CREATE TABLE items (id int PRIMARY KEY)")
			require.NoError(t, err)
		})
		p.as(t, "app", func(session *pgx.Conn) {
			_, err := session.Exec(t.Context(), "INSERT INTO orders VALUES (2)")
			require.NoError(t, err)
			assert.Zero(t, ask[int](t, session, "SELECT count(*) FROM items"))
		})
		p.must("down", "--yes")
		server.must("refresh", "--expect-no-changes")
	})
}
