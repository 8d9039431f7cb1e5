package engine

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func lockFile(t *testing.T, content any) string {
	t.Helper()
	encoded, err := json.Marshal(content)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "lock.json")
	require.NoError(t, os.WriteFile(path, encoded, 0o600))
	return path
}

func TestHolder(t *testing.T) {
	ended := exec.Command("go", "version")
	require.NoError(t, ended.Run())
	for name, row := range map[string]struct {
		lock any
		want string
	}{
		"alive":        {lock{PID: os.Getpid(), Username: "ann", Hostname: "here"}, "of ann on here"},
		"killed":       {lock{PID: ended.Process.Pid, Username: "ann", Hostname: "here"}, ""},
		"elsewhere":    {lock{PID: ended.Process.Pid, Username: "bob", Hostname: "there"}, "of bob on there"},
		"half written": {"not an object", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := holder([]string{lockFile(t, row.lock)}, "here")
			require.NoError(t, err)
			if row.want == "" {
				assert.Empty(t, got)
			} else {
				assert.Contains(t, got, row.want)
			}
		})
	}
}
