//go:build !windows

package engine

import (
	"errors"
	"syscall"
)

// running says whether a process of this machine exists.
func running(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
