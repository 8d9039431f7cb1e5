package engine

import "os"

// running says whether a process of this machine exists.
func running(pid int) bool {
	process, err := os.FindProcess(pid) // fails on Windows for a process that is gone
	if err != nil {
		return false
	}
	return process.Release() == nil
}
