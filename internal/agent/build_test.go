package agent_test

import (
	"debug/elf"
	"os"
	"path/filepath"
	"runtime"
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

func TestItNeedsNothingOfTheImage(t *testing.T) {
	dir := project(t)
	found, err := agent.Find(dir)
	require.NoError(t, err)
	require.NoFileExists(t, found.Path, "a preview builds nothing")
	require.NoError(t, found.Build(t.Context(), dir, runtime.GOARCH))
	program, err := elf.Open(found.Path)
	require.NoError(t, err)
	defer program.Close()
	libraries, err := program.ImportedLibraries()
	require.NoError(t, err)
	assert.Empty(t, libraries)
}

// small is a project whose agent does nothing, and is soon built.
func small(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, content string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	write("go.mod", "module small\n")
	write("go.sum", "")
	for _, folder := range agent.Sources {
		write(folder+"/main.go", "package main\n\nfunc main() {}\n")
	}
	return dir
}

func TestItIsBuiltForDockersHost(t *testing.T) {
	dir := small(t)
	found, err := agent.Find(dir)
	require.NoError(t, err)
	for _, host := range []struct {
		architecture string
		machine      elf.Machine
	}{{"arm64", elf.EM_AARCH64}, {"amd64", elf.EM_X86_64}} {
		require.NoError(t, found.Build(t.Context(), dir, host.architecture))
		program, err := elf.Open(found.Path)
		require.NoError(t, err)
		defer program.Close()
		assert.Equal(t, host.machine, program.Machine, "whatever this machine is, and it was built for before")
	}
	before, err := os.Stat(found.Path)
	require.NoError(t, err)
	require.NoError(t, found.Build(t.Context(), dir, "amd64"))
	after, err := os.Stat(found.Path)
	require.NoError(t, err)
	assert.True(t, os.SameFile(before, after), "it is there")

	assert.ErrorContains(t, found.Build(t.Context(), dir, "pdp11"), "for pdp11, which Docker's host is")
	require.NoError(t, os.WriteFile(found.Path, []byte("something else"), 0o600))
	assert.ErrorContains(t, found.Build(t.Context(), dir, "amd64"), "delete it, and it is built anew")
}
