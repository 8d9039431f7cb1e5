//go:build unix

package acquire

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeCLI installs every plugin but tls, and keeps a record.
func fakeCLI(t *testing.T, home, record string) string {
	t.Helper()
	return script(t, t.TempDir(), "pulumi", `
echo "$*" >>`+record+`
if [ "$4" = tls ]; then
	echo "[resource plugin tls-5.5.1] installing"
	echo "warning: Error downloading plugin: no such host"
	echo "error: failed all 5 attempts"
	exit 1
fi
mkdir -p `+home+`/plugins/resource-$4-v$5`)
}

func TestPlugins(t *testing.T) {
	cache, home, record := ownCache(t), t.TempDir(), filepath.Join(t.TempDir(), "record")
	t.Setenv("PULUMI_HOME", home)
	require.NoError(t, os.MkdirAll(filepath.Join(home, "plugins", "resource-docker-v4.11.2"), 0o700))
	cli := fakeCLI(t, home, record)

	before, err := FindPlugins()
	require.NoError(t, err)
	assert.Equal(t, []Plugin{
		{Name: "docker", Version: "4.11.2", Published: true},
		{Name: "postgresql", Version: "3.18.0"},
		{Name: "tls", Version: "5.5.1"},
	}, before)

	var heard said
	after, err := Plugins(t.Context(), cli, heard.report)
	require.NoError(t, err)
	assert.Equal(t, []Plugin{
		{Name: "docker", Version: "4.11.2", Published: true},
		{Name: "postgresql", Version: "3.18.0", Published: true},
		{Name: "tls", Version: "5.5.1", Why: "Error downloading plugin: no such host"},
	}, after)
	assert.Contains(t, heard.String(), "installing the Pulumi plugin tls@v5.5.1")
	assert.Equal(t, 2, attempts(t, record))

	// The failure is remembered.
	again, err := Plugins(t.Context(), cli, t.Logf)
	require.NoError(t, err)
	assert.Contains(t, again[2].Why, "Error downloading plugin: no such host (tried at ")
	assert.Contains(t, again[2].Why, filepath.Join(cache, "failed-downloads.json"))
	assert.Equal(t, 2, attempts(t, record))

	// For a day.
	require.NoError(t, remember(failuresFact, map[string]failure{"tls@v5.5.1": {When: time.Now().Add(-25 * time.Hour), Why: "old"}}))
	_, err = Plugins(t.Context(), cli, t.Logf)
	require.NoError(t, err)
	assert.Equal(t, 3, attempts(t, record))
}

func attempts(t *testing.T, record string) int {
	t.Helper()
	lines, err := os.ReadFile(record)
	require.NoError(t, err)
	return strings.Count(string(lines), "plugin install resource ")
}

func TestPartlyInstalledPlugin(t *testing.T) {
	ownCache(t)
	home := t.TempDir()
	t.Setenv("PULUMI_HOME", home)
	require.NoError(t, os.MkdirAll(filepath.Join(home, "plugins", "resource-docker-v4.11.2"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(home, "plugins", "resource-docker-v4.11.2.partial"), nil, 0o600))
	found, err := FindPlugins()
	require.NoError(t, err)
	assert.False(t, found[0].Published)
}

func TestPluginsInterrupted(t *testing.T) {
	ownCache(t)
	t.Setenv("PULUMI_HOME", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Plugins(ctx, script(t, t.TempDir(), "pulumi", "exit 1"), t.Logf)
	require.ErrorIs(t, err, context.Canceled)

	found, err := FindPlugins()
	require.NoError(t, err)
	assert.Empty(t, found[0].Why, "an interruption is no failure to remember")
}

func TestPluginThatIsNotThereAfterAll(t *testing.T) {
	ownCache(t)
	t.Setenv("PULUMI_HOME", t.TempDir())
	found, err := Plugins(t.Context(), script(t, t.TempDir(), "pulumi", "exit 0"), t.Logf)
	require.NoError(t, err)
	assert.Contains(t, found[0].Why, "not in the plugin folder")
}
