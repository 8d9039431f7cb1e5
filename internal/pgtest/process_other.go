//go:build !linux

package pgtest

import (
	"os"
	"syscall"
)

// unprivileged changes nothing: outside Linux the tests must not run as root.
func unprivileged() *syscall.SysProcAttr { return nil }

// reachable returns where the server's binaries can be run from.
func reachable(_, binaries string) (string, error) { return binaries, nil }

// giveAway changes nothing: the server runs as whoever runs the tests.
func giveAway(...string) error { return nil }

// end kills the server, which must recover as from a crash.
func end(process *os.Process) error { return process.Kill() }
