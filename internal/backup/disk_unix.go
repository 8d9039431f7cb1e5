//go:build unix

package backup

import (
	"errors"
	"os"
	"syscall"
)

func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// readOnly is of a file system that nobody may write to.
func readOnly(err error) bool { return errors.Is(err, syscall.EROFS) }

// syncDir makes a rename in a directory last.
func syncDir(dir string) (err error) {
	opened, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	return opened.Sync()
}
