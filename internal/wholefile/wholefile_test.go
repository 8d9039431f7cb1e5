package wholefile

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// only demands that a file is all that is in its folder.
func only(t *testing.T, path, content string) {
	t.Helper()
	found, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, content, string(found))
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, entries, 1)
}

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, Write(path, []byte("first"), 0o600))
	require.NoError(t, Write(path, []byte("second"), 0o644))
	only(t, path, "second")
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.EqualValues(t, 0o644, info.Mode().Perm())
}

// TestWriteInTheWay: what cannot be written leaves nothing beside it.
func TestWriteInTheWay(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "file", "full"), 0o700))
	require.Error(t, Write(filepath.Join(dir, "file"), nil, 0o600))
	require.ErrorIs(t, Write(filepath.Join(dir, "none", "file"), nil, 0o600), fs.ErrNotExist)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1)
}

func TestWriteNew(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, WriteNew(path, []byte("first")))
	require.ErrorIs(t, WriteNew(path, []byte("second")), fs.ErrExist)
	only(t, path, "first")
}

// TestWriteNewAtOnce: one of many writes, the others say that it is there.
func TestWriteNewAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	errs := make([]error, 8)
	var wait sync.WaitGroup
	for i := range errs {
		wait.Go(func() { errs[i] = WriteNew(path, []byte("one")) })
	}
	wait.Wait()
	wrote := 0
	for _, err := range errs {
		if err == nil {
			wrote++
			continue
		}
		assert.ErrorIs(t, err, fs.ErrExist)
	}
	assert.Equal(t, 1, wrote)
	only(t, path, "one")
}
