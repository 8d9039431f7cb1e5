package pgtools

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Local runs programs as processes beside this one.
type Local struct {
	login Login
	dir   string
}

// NewLocal writes the login's files into dir, which only this user may read.
func NewLocal(login Login, dir string) (*Local, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	for name, content := range login.files() {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return nil, fmt.Errorf("files of the login %s: %w", login.Username, err)
		}
	}
	return &Local{login: login, dir: dir}, nil
}

// Run implements Runner.
func (l *Local) Run(ctx context.Context, command Command) error {
	process := exec.CommandContext(ctx, command.Args[0], command.Args[1:]...) //nolint:gosec // the callers' programs
	process.Env = append(os.Environ(), l.login.environment(l.dir)...)
	heard := &said{each: command.Stderr}
	input := &source{from: command.Stdin}
	if command.Stdin != nil {
		process.Stdin = input
	}
	process.Stdout, process.Stderr = command.Stdout, heard
	err := process.Run()
	status := max(0, process.ProcessState.ExitCode())
	tail := heard.end()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", command.Args[0], context.Cause(ctx))
	case errors.As(err, &exit) && status != 0:
		err = nil
	}
	return ended(command.Args[0], status, tail, errors.Join(err, input.fault()))
}
