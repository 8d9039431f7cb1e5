//go:build !windows

package engine

import (
	"os"
	"os/exec"
	"syscall"
)

func interrupt(process *os.Process) error { return process.Signal(os.Interrupt) }

// ownGroup keeps a terminal's Ctrl-C from reaching the engine twice: a second
// interrupt would make it give up at once.
func ownGroup(command *exec.Cmd) { command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
