//go:build unix

package acquire

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSuits(t *testing.T) {
	for version, want := range map[string]bool{
		"v3.259.0": true, "v3.259.1": true, "v3.300.0": true, "v3.260.0-alpha.1": true,
		"v3.258.9": false, "v3.9.0": false, "v2.300.0": false, "v4.0.0": false,
		"v3.259.0-alpha": false, "3.259.0": false, "": false, "dev": false,
	} {
		assert.Equal(t, want, suits(version), version)
	}
}

// The CLI, the SDK and the module that the CLI is built in move together.
func TestPulumiVersions(t *testing.T) {
	assert.Equal(t, PulumiVersion, sdk.Version.String())
	for _, module := range []string{"pkg", "sdk"} {
		line := "github.com/pulumi/pulumi/" + module + "/v3 v" + PulumiVersion
		assert.Contains(t, string(pulumiModule), line)
		assert.Contains(t, string(pulumiChecksums), line+" h1:")
	}
}

func TestFindCLIOnPath(t *testing.T) {
	ownCache(t)
	path := onlyOnPath(t)
	asked := filepath.Join(t.TempDir(), "asked")
	pulumi := script(t, path, "pulumi", "echo $1 >>"+asked+"; echo v3.260.1")

	for range 3 {
		found, err := FindCLI(t.Context())
		require.NoError(t, err)
		assert.Equal(t, PulumiCLI{Path: pulumi, Version: "v3.260.1"}, found)
	}
	times, err := os.ReadFile(asked)
	require.NoError(t, err)
	assert.Equal(t, "version\n", string(times), "asked once")

	// Another file is asked again.
	script(t, path, "pulumi", "echo v3.100.0")
	found, err := FindCLI(t.Context())
	require.NoError(t, err)
	assert.Equal(t, PulumiCLI{Remark: pulumi + " is not used: it is v3.100.0, 3.259.0 or a later 3.x is needed"}, found)

	script(t, path, "pulumi", "echo broken >&2; exit 1")
	found, err = FindCLI(t.Context())
	require.NoError(t, err)
	assert.Contains(t, found.Remark, "exit status 1")
}

// fakeGo builds a file that prints what a new enough CLI would.
const fakeGo = `
while [ "$1" != -o ]; do shift; done
for i in 1 2 3 4 5 6 7 8 9 10; do for j in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do echo package; done; done
{ cat go.mod; echo "$GOFLAGS $CGO_ENABLED"; echo "$*"; } >"$2"`

func TestCLIIsBuiltOnce(t *testing.T) {
	cache := ownCache(t)
	path := onlyOnPath(t)
	script(t, path, "pulumi", "echo v3.100.0")
	script(t, path, "go", fakeGo)
	var heard said

	cli, err := CLI(t.Context(), heard.report)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(cache, "pulumi-3.259.0", "pulumi"), cli)
	built, err := os.ReadFile(cli)
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(string(built), string(pulumiModule)))
	assert.Contains(t, string(built), "-mod=readonly 0")
	assert.Contains(t, string(built), "version.Version=v3.259.0 github.com/pulumi/pulumi/pkg/v3/cmd/pulumi")
	assert.Contains(t, heard.String(), "it is v3.100.0")
	assert.Contains(t, heard.String(), "building the Pulumi CLI 3.259.0")
	assert.Contains(t, heard.String(), "250 packages compiled")

	script(t, path, "go", "exit 1")
	again, err := CLI(t.Context(), t.Logf)
	require.NoError(t, err)
	assert.Equal(t, cli, again)
}

func TestCLICannotBeBuilt(t *testing.T) {
	cache := ownCache(t)
	path := onlyOnPath(t)
	_, err := CLI(t.Context(), t.Logf)
	require.ErrorContains(t, err, "no go to build it with; install Pulumi")

	script(t, path, "go", "echo no network; exit 1")
	_, err = CLI(t.Context(), t.Logf)
	require.ErrorContains(t, err, "no network")
	assert.NoDirExists(t, filepath.Join(cache, "pulumi-3.259.0"))
}
