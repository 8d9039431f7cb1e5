package e2e

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
)

// npgsqlKeywords are those of Npgsql 9 that the connection strings may use.
var npgsqlKeywords = []string{
	"Host", "Port", "Database", "Username", "Password", "SSL Mode", "Root Certificate",
	"Pooling", "Minimum Pool Size", "Maximum Pool Size", "Connection Lifetime",
}

// parseNpgsql reads a connection string as Npgsql does where nothing is quoted.
func parseNpgsql(t *testing.T, text string) map[string]string {
	t.Helper()
	parsed := map[string]string{}
	for pair := range strings.SplitSeq(text, ";") {
		key, value, found := strings.Cut(pair, "=")
		require.True(t, found)
		require.Contains(t, npgsqlKeywords, key)
		parsed[key] = value
	}
	return parsed
}

// provesOutputs looks at the contract with the API's deployment.
func provesOutputs(t *testing.T, p *project) {
	stack := p.config()
	masked, shown := p.outputs(), p.outputs("--show-secrets")
	names := []string{"access", "apiEnvironment", "caCertificate", "connectionBudget", "connections", "memoryBudget", "migratorEnvironment", "readme", "server"}
	require.Equal(t, names, slices.Sorted(maps.Keys(masked)))
	require.Equal(t, names, slices.Sorted(maps.Keys(shown)))
	for _, name := range []string{"apiEnvironment", "migratorEnvironment", "connections"} {
		assert.Equal(t, "[secret]", masked[name], name)
	}

	connections := shown["connections"].(map[string]any)
	require.Equal(t, []string{"app", "backup", "migrator", "monitor", "readonly"}, slices.Sorted(maps.Keys(connections)))
	for client, ways := range connections {
		for way, fields := range ways.(map[string]any) {
			t.Run(client+" "+way, func(t *testing.T) { provesConnection(t, stack, client, way, fields.(map[string]any)) })
		}
	}
	for output, client := range map[string]string{"apiEnvironment": "app", "migratorEnvironment": "migrator"} {
		inside := connections[client].(map[string]any)["internal"].(map[string]any)
		assert.Equal(t, map[string]any{
			"ConnectionStrings__DefaultConnection": inside["npgsql"], "DB_HOST": "db", "DB_PORT": "5432",
			"DB_NAME": stack.Database.Name, "DB_USER": inside["username"], "DB_PASSWORD": inside["password"],
		}, shown[output], output)
	}

	server := shown["server"].(map[string]any)
	assert.Equal(t, p.container().Name, "/"+server["containerName"].(string))
	assert.Equal(t, "16.14", server["version"])
	assert.EqualValues(t, stack.Network.Publish.Port, server["port"])
	assert.Equal(t, stack.Network.Name, server["network"])
	budget := shown["connectionBudget"].(map[string]any)
	assert.GreaterOrEqual(t, budget["free"], 0.0)
	assert.Less(t, budget["planned"], budget["maxConnections"])
	assert.Contains(t, shown["readme"], stack.Database.Name)
	assert.Equal(t, masked["readme"], shown["readme"])

	ca, err := os.ReadFile(p.local("ca.crt"))
	if !stack.TLS.Enabled {
		assert.Empty(t, shown["caCertificate"])
		assert.ErrorIs(t, err, os.ErrNotExist)
		return
	}
	require.NoError(t, err)
	assert.Equal(t, shown["caCertificate"], string(ca))
}

func provesConnection(t *testing.T, stack *config.Stack, client, way string, fields map[string]any) {
	require.Equal(t, []string{"database", "host", "npgsql", "password", "port", "uri", "username"}, slices.Sorted(maps.Keys(fields)))
	host, port := "db", 5432
	if way == "external" {
		host, port = "127.0.0.1", stack.Network.Publish.Port
	}
	assert.Equal(t, host, fields["host"])
	assert.EqualValues(t, port, fields["port"])
	assert.Equal(t, stack.Database.Name, fields["database"])
	npgsql := parseNpgsql(t, fields["npgsql"].(string))
	assert.Equal(t, host, npgsql["Host"])
	assert.Equal(t, strconv.Itoa(port), npgsql["Port"])
	assert.Equal(t, fields["username"], npgsql["Username"])
	assert.Equal(t, fields["password"], npgsql["Password"])
	mode, uriMode := "Disable", "disable"
	if stack.TLS.Enabled {
		mode, uriMode = "VerifyFull", "verify-full"
		assert.NotEmpty(t, npgsql["Root Certificate"])
	}
	assert.Equal(t, mode, npgsql["SSL Mode"])
	assert.True(t, strings.HasSuffix(fields["uri"].(string), "?sslmode="+uriMode))
	if client == "app" {
		pool := stack.Clients.App
		assert.Equal(t, map[string][]int{"dev": {2, 20, 0}, "test": {0, 50, 60}, "prod": {10, 150, 300}}[stack.Name],
			[]int{pool.MinPoolSize, pool.MaxPoolSize, pool.ConnectionLifetime})
		for keyword, number := range map[string]int{
			"Minimum Pool Size": pool.MinPoolSize, "Maximum Pool Size": pool.MaxPoolSize, "Connection Lifetime": pool.ConnectionLifetime,
		} {
			assert.Equal(t, strconv.Itoa(number), npgsql[keyword], keyword)
		}
	}
}
