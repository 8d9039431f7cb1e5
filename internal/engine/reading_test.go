package engine

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
)

// local is a stack whose secrets are files of a project's folder.
func local(t *testing.T) (*Project, *config.Stack) {
	t.Setenv("PULUMI_BACKEND_URL", "file://"+filepath.ToSlash(t.TempDir()))
	t.Setenv("PULUMI_CONFIG_PASSPHRASE", "")
	t.Setenv("PULUMI_CONFIG_PASSPHRASE_FILE", "")
	t.Setenv("TMPDIR", t.TempDir())
	return newProject(t, "config:\n  shop:rootSecretFrom: local\n"), &config.Stack{Name: "prod", RootSecretFrom: config.FromLocal}
}

// files below a folder, with what is in them.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			found[path] = ""
			return err
		}
		content, err := os.ReadFile(path)
		found[path] = string(content)
		return err
	}))
	return found
}

func TestReadingAStackThatWasNeverMadeMakesNothing(t *testing.T) {
	project, stack := local(t)
	before := files(t, project.Dir)
	for _, passphrase := range []string{"", "given"} {
		t.Setenv("PULUMI_CONFIG_PASSPHRASE", passphrase)
		_, err := OpenReading(t.Context(), project, stack, Tools{})
		require.ErrorIs(t, err, ErrNeverMade)
		assert.ErrorContains(t, err, "stack prod was never brought up", "passphrase %q", passphrase)
		assert.ErrorContains(t, err, "wcrdb up -s prod")
	}
	assert.Equal(t, before, files(t, project.Dir))
}

// TestReadingWaitsForNobody reads while another process, this one, has the lock.
func TestReadingWaitsForNobody(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("NOT RUN: a script stands for the engine")
	}
	project, stack := local(t)
	require.NoError(t, project.MakePassphrase("prod"))
	require.NoError(t, project.writeWorkspace(project.workspaceDir("prod"), "prod", true))
	require.NoError(t, os.WriteFile(filepath.Join(project.LocalDir("prod"), stack.Access.Root.File()), []byte("the secret"), 0o600))
	backend, err := project.backend()
	require.NoError(t, err)
	made := &Stack{Project: project, Config: stack, backend: backend, dir: project.workspaceDir("prod"), workspace: passphraseWorkspace{}}
	path, _ := made.stateFile()
	_, err = made.begin(t.Context(), path)
	require.NoError(t, err)
	host, err := os.Hostname()
	require.NoError(t, err)
	held, err := json.Marshal(lock{PID: os.Getpid(), Username: "ann", Hostname: host})
	require.NoError(t, err)
	locks := filepath.Join(backendFolder(path), "locks", "organization", project.Name, "prod")
	require.NoError(t, os.MkdirAll(locks, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(locks, "one.json"), held, 0o600))
	engine := filepath.Join(t.TempDir(), "pulumi") // is not to be started
	require.NoError(t, os.WriteFile(engine, []byte("#!/bin/sh\nexit 1\n"), 0o700))

	before := []map[string]string{files(t, project.Dir), files(t, backendFolder(path))}
	opened, err := OpenReading(t.Context(), project, stack, Tools{CLI: engine})
	require.NoError(t, err)
	state, err := opened.State(t.Context())
	require.NoError(t, err)
	assert.Empty(t, state.Resources())
	secret, err := opened.RootSecret(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "the secret", secret)
	require.NoError(t, os.Remove(filepath.Join(project.LocalDir("prod"), stack.Access.Root.File())))
	_, err = opened.RootSecret(t.Context())
	assert.ErrorIs(t, err, fs.ErrNotExist, "another one would be wrong")
	require.NoError(t, os.WriteFile(filepath.Join(project.LocalDir("prod"), stack.Access.Root.File()), []byte("the secret"), 0o600))
	temporary := opened.temporary
	require.NoError(t, opened.Close())
	assert.NoDirExists(t, temporary)
	assert.Equal(t, before, []map[string]string{files(t, project.Dir), files(t, backendFolder(path))})
}

// TestWhatKilledReadingsHaveLeftIsRemoved: those that go on are left alone.
func TestWhatKilledReadingsHaveLeftIsRemoved(t *testing.T) {
	project, _ := local(t)
	ended := exec.Command(os.Args[0], "-test.run=^$")
	require.NoError(t, ended.Run())
	parent := filepath.Dir(project.StateDir())
	killed, living := filepath.Join(parent, fmt.Sprintf("reading-%d-1", ended.Process.Pid)), filepath.Join(parent, fmt.Sprintf("reading-%d-1", os.Getpid()))
	for _, dir := range []string{killed, living} {
		require.NoError(t, os.MkdirAll(dir, 0o700))
	}
	made, err := project.readingDir()
	require.NoError(t, err)
	assert.DirExists(t, made)
	assert.DirExists(t, living)
	assert.NoDirExists(t, killed)
}
