//go:build unix

package attach

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// script is a plugin that a shell plays. It finds its host in $1.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pulumi-resource-played")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700))
	return path
}

// lasting notes its process and its host in a folder, says a port, and stays until it is ended.
func lasting(t *testing.T, folder string) string {
	t.Helper()
	return script(t, fmt.Sprintf(`echo "$1" >%[1]s/$$; echo 4711; echo a line that nobody reads; exec sleep 600`, folder))
}

func serveOne(t *testing.T) *Attachment {
	t.Helper()
	attachment, err := Serve(t.Context(), map[string]p.Provider{"own": {}})
	require.NoError(t, err)
	return attachment
}

// noted are the processes of lasting plugins, and the host of each.
func noted(t *testing.T, folder string) map[int]string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	processes := map[int]string{}
	for _, entry := range entries {
		var pid int
		_, err := fmt.Sscan(entry.Name(), &pid)
		require.NoError(t, err)
		host, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		require.NoError(t, err)
		processes[pid] = strings.TrimSpace(string(host))
	}
	return processes
}

func lives(pid int) bool { return syscall.Kill(pid, 0) == nil }

func TestEachRunHasPluginsOfItsOwn(t *testing.T) {
	folder := t.TempDir()
	attachment := serveOne(t)
	attachment.Start(map[string]string{"played": lasting(t, folder), "also": lasting(t, folder)})
	seen := map[int]bool{}
	for run := range 3 {
		attachment.Prepare() // more often than needed
		value, detach, err := attachment.Attach(t.Context())
		require.NoError(t, err)
		host, _, _ := strings.Cut(strings.TrimPrefix(value, "own:"), ",")
		assert.Regexp(t, `^own:\d+,also:4711,played:4711$`, value)
		fresh := 0
		for pid, of := range noted(t, folder) {
			if assert.Equal(t, "127.0.0.1:"+host, of, "the host is a provider that is served"); !seen[pid] {
				fresh++
				assert.True(t, lives(pid))
			}
			seen[pid] = true
		}
		assert.Equal(t, 2, fresh, "run %d", run)
		require.NoError(t, detach())
		for pid := range seen {
			assert.False(t, lives(pid), "run %d has ended", run)
		}
	}
	attachment.Prepare()
	require.NoError(t, attachment.Close())
	for pid := range noted(t, folder) {
		assert.False(t, lives(pid), "Close ends those that nobody took")
	}
}

func TestPluginsThatFail(t *testing.T) {
	for name, test := range map[string]struct{ executable, message string }{
		"not there":        {"/no/such/plugin", "did not start: fork/exec /no/such/plugin"},
		"ends at once":     {script(t, "echo the reason >&2; exit 3"), "did not start: exit status 3; it said:\nthe reason"},
		"ends in peace":    {script(t, "exit 0"), "did not start: exit status 0"},
		"says no port":     {script(t, "echo hello; exec sleep 600"), "is not a port"},
		"says a high port": {script(t, "echo 70000; exec sleep 600"), "is not a port"},
	} {
		t.Run(name, func(t *testing.T) {
			attachment := serveOne(t)
			attachment.Start(map[string]string{"played": test.executable})
			_, _, err := attachment.Attach(t.Context())
			require.ErrorContains(t, err, "plugin played")
			require.ErrorContains(t, err, test.message)
			assert.Equal(t, 1, strings.Count(err.Error(), "plugin played"), "it is told once: %v", err)
			require.NoError(t, attachment.Close())
		})
	}
}

func TestPluginThatSaysNothing(t *testing.T) {
	attachment := serveOne(t)
	attachment.Start(map[string]string{"played": script(t, "exec sleep 600")})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, _, err := attachment.Attach(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, attachment.Close())
}

// Whoever calls a plugin that has crashed learns only that nobody answers.
func TestPluginThatCrashes(t *testing.T) {
	crash := filepath.Join(t.TempDir(), "crash")
	require.NoError(t, syscall.Mkfifo(crash, 0o600))
	plugin := startPlugin("played", script(t, "echo 4711; read line <"+crash+"; echo panic: $line >&2; exit 2"), "127.0.0.1:1")
	entry, err := plugin.entry(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "played:4711", entry)
	require.NoError(t, os.WriteFile(crash, []byte("nil map\n"), 0))
	<-plugin.ended
	require.ErrorContains(t, plugin.stop(), "ended by itself: exit status 2; it said:\npanic: nil map")
}

// What a plugin has started may outlive it, and holds on to its output.
func TestPluginThatLeavesSomethingBehind(t *testing.T) {
	folder := t.TempDir()
	plugin := startPlugin("played", script(t, `sleep 600 & echo $! >`+folder+`/child; echo 4711; wait`), "127.0.0.1:1")
	_, err := plugin.entry(t.Context())
	require.NoError(t, err)
	child, err := os.ReadFile(filepath.Join(folder, "child"))
	require.NoError(t, err)
	var pid int
	_, err = fmt.Sscan(string(child), &pid)
	require.NoError(t, err)
	require.NoError(t, plugin.stop())
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
}
