package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/wholefile"
)

// ErrNeverMade says that there is no state of a stack.
var ErrNeverMade = errors.New("was never brought up")

// OpenReading opens a stack to read its state and its secrets. It makes and
// changes nothing, and waits for nobody: a run that works on the stack
// meanwhile goes on, and the state that it began with, or has saved, is read.
func OpenReading(ctx context.Context, project *Project, stack *config.Stack, tools Tools) (*Stack, error) {
	backend, err := project.backend()
	if err != nil {
		return nil, err
	}
	opened := &Stack{Project: project, Config: stack, backend: backend, reading: true}
	env, err := project.presentPassphrase(stack)
	if errors.Is(err, ErrNoPassphrase) && stack.RootSecretFrom == config.FromLocal {
		return nil, opened.neverMade()
	}
	if err != nil {
		return nil, err
	}
	if path, local := opened.stateFile(); local {
		if _, err := os.Stat(backendFolder(path)); errors.Is(err, os.ErrNotExist) {
			return nil, opened.neverMade()
		}
	}
	if opened.temporary, err = project.readingDir(); err != nil {
		return nil, err
	}
	if err := opened.read(ctx, tools, env); err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return opened, nil
}

// readingDir makes a folder for this reading.
func (p *Project) readingDir() (string, error) {
	return RunDir(filepath.Dir(p.StateDir()), "reading")
}

// RunDir makes a folder in parent that is this run's own, and removes those of
// the same kind that killed runs have left.
func RunDir(parent, kind string) (string, error) {
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return "", err
	}
	left, err := filepath.Glob(filepath.Join(parent, kind+"-*"))
	if err != nil {
		return "", err
	}
	for _, dir := range left {
		process, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), kind+"-"), "-")
		if pid, err := strconv.Atoi(process); err == nil && !running(pid) {
			if err := os.RemoveAll(dir); err != nil {
				return "", err
			}
		}
	}
	return os.MkdirTemp(parent, fmt.Sprintf("%s-%d-*", kind, os.Getpid()))
}

// read readies the engine in a folder of this run's own: the one of the runs
// that change the stack is theirs.
func (s *Stack) read(ctx context.Context, tools Tools, env map[string]string) error {
	s.dir = s.temporary
	file := "Pulumi." + s.Config.Name + ".yaml"
	keys, err := os.ReadFile(filepath.Join(s.Project.workspaceDir(s.Config.Name), file))
	switch {
	case err == nil:
		err = wholefile.Write(filepath.Join(s.dir, file), keys, 0o600)
	case errors.Is(err, os.ErrNotExist):
		err = nil // no run has made any
	}
	if err != nil {
		return err
	}
	if err := s.Project.writeWorkspace(s.dir, s.Config.Name, true); err != nil {
		return err
	}
	if _, err := open(ctx, s, tools, env); err != nil {
		return err
	}
	if err := s.there(ctx); err != nil {
		return err
	}
	s.cli.known["stack select"] = ""
	s.auto, err = auto.SelectStack(ctx, s.Config.Name, s.workspace)
	return err
}

// there refuses a stack that has no state.
func (s *Stack) there(ctx context.Context) error {
	if path, local := s.stateFile(); local {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	_, stderr, _, err := s.command(ctx, nil, "stack", "export", "--stack", s.Config.Name)
	if err != nil && strings.Contains(stderr, "no stack named") {
		return s.neverMade()
	}
	if err != nil {
		return fmt.Errorf("state of stack %s: %w: %s", s.Config.Name, err, strings.TrimSpace(stderr))
	}
	return nil
}

func (s *Stack) neverMade() error {
	return fmt.Errorf("stack %s %w, as far as can be seen in %s: wcrdb up -s %[1]s", s.Config.Name, ErrNeverMade, s.backend)
}
