package doctor

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestReadOnlyFolder(t *testing.T) {
	dir := t.TempDir()
	err := unix.Mount("none", dir, "tmpfs", unix.MS_RDONLY, "")
	if errors.Is(err, unix.EPERM) {
		t.Skip("NOT RUN: mounting a read-only file system needs root")
	}
	require.NoError(t, err)
	defer func() { require.NoError(t, unix.Unmount(dir, 0)) }()

	e := examination{Request: Request{StorageKind: StorageBind, BindPath: dir}, local: true}
	got := e.checkStorage(t.Context())
	assert.Equal(t, Fault, got.Level)
	assert.Contains(t, got.What, "is read-only")
	assert.Contains(t, got.Remedy, "mount it writable")
}
