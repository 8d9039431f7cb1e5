//go:build unix

package acquire

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	var heard []string
	err := run(t.Context(), command{
		dir:      t.TempDir(),
		env:      []string{"WORD=hello"},
		args:     []string{"sh", "-c", "echo $WORD; printf 'wor'; echo ld; printf rest"},
		eachLine: func(line string) { heard = append(heard, line) },
	})
	require.NoError(t, err)
	assert.Equal(t, []string{"hello", "world"}, heard)
}

func TestRunFails(t *testing.T) {
	err := run(t.Context(), command{args: []string{"sh", "-c", "head -c 5000 /dev/zero | tr '\\0' x; echo; echo the end; exit 3"}})
	require.ErrorContains(t, err, "exit status 3")
	assert.True(t, strings.HasSuffix(err.Error(), "the end"))
	assert.Less(t, len(err.Error()), shownOutput+200)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, run(ctx, command{args: []string{"sh", "-c", "true"}}), context.Canceled)
	assert.ErrorContains(t, run(t.Context(), command{args: []string{"no-such-program"}}), "no-such-program")
}

func TestIsDebian(t *testing.T) {
	for release, want := range map[string]bool{
		"PRETTY_NAME=\"Debian GNU/Linux 13\"\nID=debian\n": true,
		"ID=\"debian\"":                true,
		"ID=ubuntu\nID_LIKE=debian\n":  false,
		"NAME=Debian\nVERSION_ID=13\n": false,
		"":                             false,
	} {
		assert.Equal(t, want, isDebian(release), release)
	}
}

func TestRequire(t *testing.T) {
	path := onlyOnPath(t)
	record := filepath.Join(t.TempDir(), "record")
	script(t, path, "apt-get", `echo "$DEBIAN_FRONTEND $*" >>`+record)
	var heard said
	tools := []program{{"sh", "dash"}, {"missing-tool", "missing-package"}, {"other-tool", "other-package"}}
	err := needs(t.Context(), heard.report, "testing", tools...)

	installs, debianErr := debianRoot()
	require.NoError(t, debianErr)
	if !installs {
		require.ErrorContains(t, err, "testing needs missing-tool and other-tool, not found on PATH")
		require.ErrorContains(t, err, "apt-get install missing-package other-package")
		assert.NoFileExists(t, record)
		return
	}
	require.NoError(t, err)
	const install = "noninteractive install -q -y --no-install-recommends missing-package other-package\n"
	assert.Equal(t, install, contentOf(t, record))
	assert.Contains(t, heard.String(), "installing Debian packages: missing-package other-package")

	// Package lists that are missing or old are fetched.
	script(t, path, "apt-get", `echo "$DEBIAN_FRONTEND $*" >>`+record+`
if [ "$1" = update ]; then touch `+record+`.lists; fi
test -e `+record+`.lists`)
	require.NoError(t, os.Remove(record))
	require.NoError(t, needs(t.Context(), heard.report, "testing", tools...))
	assert.Equal(t, install+"noninteractive update -q\n"+install, contentOf(t, record))

	script(t, path, "apt-get", "echo no network; exit 100")
	assert.ErrorContains(t, needs(t.Context(), heard.report, "testing", tools...), "no network")
}

func contentOf(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}
