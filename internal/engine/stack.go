package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optpreview"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/witchcityrope/database/config"
)

// Tools are what the engine needs of the machine.
type Tools struct {
	// CLI is the path of the pulumi executable.
	CLI string
	// Attach has providers listen for one run of the engine and names them in the form of PULUMI_DEBUG_PROVIDERS; detach is
	// called when the run has ended. Nil for operations that need none.
	Attach func(context.Context) (providers string, detach func() error, err error)
	// Program is what the engine runs; nil for operations that run none.
	Program pulumi.RunFunc
}

// Stack is one stack of a project, ready to be worked on.
type Stack struct {
	Project *Project
	Config  *config.Stack

	dir       string
	backend   string
	cli       *cli
	auto      auto.Stack
	workspace auto.Workspace
	temporary string // folder that is gone with Close
	reading   bool   // opened by OpenReading
}

// Open prepares a stack whose state is kept.
func Open(ctx context.Context, project *Project, stack *config.Stack, tools Tools) (*Stack, error) {
	env, err := project.passphrase(stack) // without which nothing is made
	if err != nil {
		return nil, err
	}
	backend, err := project.backend()
	if err != nil {
		return nil, err
	}
	if backend == project.ownBackend() {
		if err := os.MkdirAll(project.StateDir(), 0o700); err != nil {
			return nil, err
		}
	}
	if err := project.writeWorkspace(project.workspaceDir(stack.Name), stack.Name, true); err != nil {
		return nil, err
	}
	opened, err := open(ctx, &Stack{Project: project, Config: stack, dir: project.workspaceDir(stack.Name), backend: backend}, tools, env)
	if err != nil {
		return nil, err
	}
	if err := opened.selectStack(ctx); err != nil {
		return nil, err
	}
	return opened, opened.Await(ctx)
}

// OpenThrowaway prepares a stack with an empty state that is gone with Close:
// for previews where nobody has the stack's secrets.
func OpenThrowaway(ctx context.Context, project *Project, stack *config.Stack, tools Tools) (*Stack, error) {
	dir, err := os.MkdirTemp("", "wcrdb-preview-*")
	if err != nil {
		return nil, err
	}
	opened, err := openThrowaway(ctx, dir, project, stack, tools)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return opened, nil
}

func openThrowaway(ctx context.Context, dir string, project *Project, stack *config.Stack, tools Tools) (*Stack, error) {
	work, state := filepath.Join(dir, "project"), filepath.Join(dir, "state")
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, err
	}
	if err := project.writeWorkspace(work, stack.Name, false); err != nil {
		return nil, err
	}
	opened := &Stack{Project: project, Config: stack, dir: work, backend: "file://" + filepath.ToSlash(state), temporary: dir}
	if _, err := open(ctx, opened, tools, map[string]string{"PULUMI_CONFIG_PASSPHRASE": "nothing is kept"}); err != nil {
		return nil, err
	}
	return opened, opened.selectStack(ctx)
}

// open readies the engine for a stack, and starts nothing yet.
func open(ctx context.Context, s *Stack, tools Tools, env map[string]string) (*Stack, error) {
	environment := map[string]string{
		"PULUMI_BACKEND_URL":                            s.backendURL(),
		"PULUMI_SKIP_UPDATE_CHECK":                      "true",
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION":   "true",
		"PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true",
	}
	if os.Getenv("GOGC") == "" { // engine and plugins live for seconds: memory is cheaper than collecting it
		environment["GOGC"] = "400"
	}
	maps.Copy(environment, env)
	s.cli = &cli{path: tools.CLI, attach: tools.Attach, known: map[string]string{}, extra: map[string][]string{}}
	var err error
	s.workspace, err = auto.NewLocalWorkspace(ctx,
		auto.Pulumi(s.cli), auto.WorkDir(s.dir), auto.EnvVars(environment),
		auto.Program(apart(tools.Program)))
	return s, err
}

// apart runs a program on a stack of calls of its own. The state has every
// resource's whole trace of calls, and is written anew at every step: under the
// language host's frames the traces would be half of it. A panic, which nobody
// else recovers there, becomes an error.
func apart(program pulumi.RunFunc) pulumi.RunFunc {
	if program == nil {
		return nil
	}
	return func(ctx *pulumi.Context) (err error) {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			defer func() {
				if fault := recover(); fault != nil {
					err = fmt.Errorf("the program panicked: %v\n%s", fault, debug.Stack())
				}
			}()
			err = program(ctx)
		}()
		<-ended
		return err
	}
}

// selectStack finds out whether the stack exists and makes it if not.
func (s *Stack) selectStack(ctx context.Context) (err error) {
	if path, local := s.stateFile(); local {
		there, err := s.begin(ctx, path)
		if err != nil {
			return fmt.Errorf("state of stack %s: %w", s.Config.Name, err)
		}
		if there {
			s.cli.known["stack select"] = ""
		}
	}
	if s.auto, err = auto.SelectStack(ctx, s.Config.Name, s.workspace); !auto.IsSelectStack404Error(err) {
		return err
	}
	s.auto, err = auto.NewStack(ctx, s.Config.Name, s.workspace)
	if auto.IsCreateStack409Error(err) { // made meanwhile: by another run, or by what a killed one has left
		s.auto, err = auto.SelectStack(ctx, s.Config.Name, s.workspace)
	}
	return err
}

// Close removes what a throwaway stack has left.
func (s *Stack) Close() error {
	if s.temporary == "" {
		return nil
	}
	return os.RemoveAll(s.temporary)
}

// Watch receives the engine's events while an operation runs.
type Watch func(events.EngineEvent)

// Options of an operation.
type Options struct {
	// Refresh compares the state with reality first.
	Refresh bool
	// Targets are the URNs that a refresh is limited to.
	Targets []string
	// Replace are the URNs that are replaced in any case.
	Replace []string
	// Out receives the engine's own text output; nil for none.
	Out io.Writer
}

// run runs an operation and sums it up. An engine that was started before, and
// took the lock after this run had looked for one, is waited for.
func (s *Stack) run(ctx context.Context, watch Watch, operation func(chan<- events.EngineEvent) error) (Result, error) {
	for {
		summary, err := s.attempt(watch, operation)
		if _, local := s.stateFile(); !local || !auto.IsConcurrentUpdateError(err) {
			return summary.result, s.explain(err, summary)
		}
		if err := s.Await(ctx); err != nil {
			return summary.result, err
		}
	}
}

// attempt runs an operation with a listener for its events.
func (s *Stack) attempt(watch Watch, operation func(chan<- events.EngineEvent) error) (*summary, error) {
	channel := make(chan events.EngineEvent)
	summary := newSummary(s.Config.Name)
	listening, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(listening)
		for {
			select {
			case event, open := <-channel:
				if !open {
					return
				}
				summary.add(event)
				if watch != nil {
					watch(event)
				}
			case <-ended: // the channel stays open if the engine did not start
				return
			}
		}
	}()
	started := time.Now()
	err := operation(channel)
	close(ended)
	<-listening
	summary.result.Seconds = time.Since(started).Seconds()
	return summary, err
}

// parallel is how many resources may change at once: as many as Pulumi's default of
// four for each CPU is on a workstation, so that settings that change together share a
// reload also where there are few CPUs.
const parallel = 64

// Up makes reality what the program declares.
func (s *Stack) Up(ctx context.Context, options Options, watch Watch) (Result, error) {
	// The Automation API asks for outputs and history afterwards; nobody reads them here.
	s.cli.known["stack output"], s.cli.known["stack history"] = "{}", "[]"
	defer delete(s.cli.known, "stack output")
	return s.run(ctx, watch, func(channel chan<- events.EngineEvent) error {
		opts := []optup.Option{optup.EventStreams(channel), optup.SuppressOutputs(), optup.SuppressProgress(), optup.Parallel(parallel), optup.ProgressStreams(writers(options.Out)...)}
		if options.Refresh {
			opts = append(opts, optup.Refresh())
		}
		if len(options.Replace) > 0 {
			opts = append(opts, optup.Replace(options.Replace))
		}
		_, err := s.auto.Up(ctx, opts...)
		return err
	})
}

// Preview says what Up would do.
func (s *Stack) Preview(ctx context.Context, options Options, watch Watch) (Result, error) {
	return s.run(ctx, watch, func(channel chan<- events.EngineEvent) error {
		opts := []optpreview.Option{optpreview.EventStreams(channel), optpreview.SuppressProgress(), optpreview.ProgressStreams(writers(options.Out)...)}
		if options.Refresh {
			opts = append(opts, optpreview.Refresh())
		}
		if len(options.Replace) > 0 {
			opts = append(opts, optpreview.Replace(options.Replace))
		}
		_, err := s.auto.Preview(ctx, opts...)
		return err
	})
}

// Refresh makes the state what reality is; what it had to change is drift.
func (s *Stack) Refresh(ctx context.Context, options Options, watch Watch) (Result, error) {
	s.cli.known["stack history"] = "[]"
	return s.run(ctx, watch, func(channel chan<- events.EngineEvent) error {
		opts := []optrefresh.Option{optrefresh.EventStreams(channel), optrefresh.SuppressProgress(), optrefresh.ProgressStreams(writers(options.Out)...)}
		if len(options.Targets) > 0 {
			opts = append(opts, optrefresh.Target(options.Targets))
		}
		_, err := s.auto.Refresh(ctx, opts...)
		return err
	})
}

// Down deletes everything but what is protected.
func (s *Stack) Down(ctx context.Context, options Options, watch Watch) (Result, error) {
	state, err := s.State(ctx)
	if err != nil || len(state.Resources()) == 0 { // an up that was refused at its beginning has not even a snapshot
		return Result{}, err
	}
	s.cli.known["stack history"] = "[]"
	s.cli.extra["destroy"] = []string{"--exclude-protected"}
	return s.run(ctx, watch, func(channel chan<- events.EngineEvent) error {
		_, err := s.auto.Destroy(ctx, optdestroy.EventStreams(channel), optdestroy.SuppressProgress(), optdestroy.ProgressStreams(writers(options.Out)...))
		return err
	})
}

// Remove forgets a stack that has no resources.
func (s *Stack) Remove(ctx context.Context) error {
	return s.workspace.RemoveStack(ctx, s.Config.Name)
}

// Outputs are the stack's outputs; secret ones read "[secret]" unless shown.
func (s *Stack) Outputs(ctx context.Context, showSecrets bool) (map[string]any, error) {
	args := []string{"stack", "output", "--json", "--stack", s.Config.Name}
	if showSecrets {
		args = append(args, "--show-secrets")
	}
	stdout, stderr, _, err := s.command(ctx, nil, args...)
	if err != nil {
		return nil, fmt.Errorf("outputs of %s: %w: %s", s.Config.Name, err, strings.TrimSpace(stderr))
	}
	var outputs map[string]any
	return outputs, json.Unmarshal([]byte(stdout), &outputs)
}

// command runs a command of the executable that the Automation API does not have.
func (s *Stack) command(ctx context.Context, stdin io.Reader, args ...string) (string, string, int, error) {
	var env []string
	for name, value := range s.workspace.GetEnvVars() {
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	return s.cli.Run(ctx, s.dir, stdin, nil, nil, env, args...)
}

func writers(out io.Writer) []io.Writer {
	if out == nil {
		return nil
	}
	return []io.Writer{out}
}
