package agent_test

import (
	"debug/elf"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/agent"
)

// project has the agent's sources, so that they can be changed.
func project(t *testing.T) string {
	t.Helper()
	dir, root := t.TempDir(), configtest.Root(t)
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	for _, folder := range agent.Sources {
		require.NoError(t, os.CopyFS(filepath.Join(dir, folder), os.DirFS(filepath.Join(root, folder))))
	}
	return dir
}

func TestTheVersionIsThatOfTheSources(t *testing.T) {
	dir := project(t)
	before, err := agent.Find(dir)
	require.NoError(t, err)
	elsewhere, err := agent.Find(configtest.Root(t))
	require.NoError(t, err)
	assert.Equal(t, elsewhere.Version, before.Version, "wherever they are")

	require.NoError(t, os.WriteFile(filepath.Join(dir, agent.Sources[0], "more_test.go"), []byte("package main\n"), 0o600))
	same, err := agent.Find(dir)
	require.NoError(t, err)
	assert.Equal(t, before, same, "tests are not of it")

	require.NoError(t, os.WriteFile(filepath.Join(dir, agent.Sources[0], "more.go"), []byte("package main\n"), 0o600))
	after, err := agent.Find(dir)
	require.NoError(t, err)
	assert.NotEqual(t, before, after)

	_, err = agent.Find(t.TempDir())
	assert.ErrorContains(t, err, "backup.enabled: the agent's sources")
}

func TestItIsBuiltForTheImage(t *testing.T) {
	dir := project(t)
	found, err := agent.Find(dir)
	require.NoError(t, err)
	require.NoFileExists(t, found.Path, "a preview builds nothing")
	require.NoError(t, found.Build(t.Context(), dir))
	program, err := elf.Open(found.Path)
	require.NoError(t, err)
	defer program.Close()
	libraries, err := program.ImportedLibraries()
	require.NoError(t, err)
	assert.Empty(t, libraries, "it needs nothing of the image")
	require.NoError(t, found.Build(t.Context(), dir), "a second time")
}
