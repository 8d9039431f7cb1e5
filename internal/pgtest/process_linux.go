package pgtest

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
)

// nobody is who the server runs as where the tests run as root, whom PostgreSQL refuses.
const nobody = 65534

// unprivileged makes a process end with this one, and not run as root.
func unprivileged() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if os.Geteuid() == 0 {
		attributes.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	return attributes
}

// reachable returns where the server's binaries can be run from: tests that run as root copy them out
// of root's cache folder into the test's own, which others may then pass through.
func reachable(base, binaries string) (string, error) {
	if os.Geteuid() != 0 {
		return binaries, nil
	}
	dir := filepath.Join(base, "server")
	return dir, errors.Join(
		os.CopyFS(dir, os.DirFS(binaries)),
		os.Chmod(filepath.Dir(base), 0o711), //nolint:gosec // the server must reach its data
	)
}

// giveAway gives files to whom the server runs as.
func giveAway(paths ...string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, path := range paths {
		if err := os.Chown(path, nobody, nobody); err != nil {
			return err
		}
	}
	return nil
}

// end asks the server for an immediate shutdown, from which it must recover as from a crash.
func end(process *os.Process) error { return process.Signal(syscall.SIGQUIT) }
