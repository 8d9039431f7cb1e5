package acquire

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// ownCache gives a test a cache of its own.
func ownCache(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("WCRDB_CACHE", dir)
	return dir
}

// onlyOnPath makes PATH a folder that holds the shell's own tools and nothing
// that the code under test looks for, and returns the folder.
func onlyOnPath(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, tool := range []string{"sh", "cat", "mkdir", "touch", "sleep", "test"} {
		link(t, tool, dir)
	}
	t.Setenv("PATH", dir)
	return dir
}

func link(t *testing.T, tool, dir string) {
	t.Helper()
	for _, from := range []string{"/bin", "/usr/bin"} {
		if _, err := os.Stat(filepath.Join(from, tool)); err == nil {
			require.NoError(t, os.Symlink(filepath.Join(from, tool), filepath.Join(dir, tool)))
			return
		}
	}
	t.Fatalf("no %s in /bin or /usr/bin", tool)
}

// script puts a shell script into dir.
func script(t *testing.T, dir, name, body string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755))
	return path
}

// said collects what is reported.
type said struct {
	sync.Mutex
	lines []string
}

func (s *said) report(format string, args ...any) {
	s.Lock()
	defer s.Unlock()
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

func (s *said) String() string {
	s.Lock()
	defer s.Unlock()
	return strings.Join(s.lines, "\n")
}
