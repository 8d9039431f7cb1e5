//go:build unix

package doctor

import (
	"errors"

	"golang.org/x/sys/unix"
)

// freeSpace returns how many bytes may still be written below path.
func freeSpace(path string) (uint64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(path, &stat); err != nil {
		return 0, err
	}
	return stat.Bavail * uint64(stat.Bsize), nil
}

// writable tells whether the file system of path takes writes. Whether this user
// may write does not matter: the Docker Engine does.
func writable(path string) bool {
	return !errors.Is(unix.Access(path, unix.W_OK), unix.EROFS)
}
