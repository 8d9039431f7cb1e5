package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3"
)

// cli runs the pulumi executable for the Automation API. Each start of it
// takes a few tenths of a second; what is known already is answered without.
type cli struct {
	path string
	// attach readies the providers for a command that uses some.
	attach func(context.Context) (providers string, detach func() error, err error)
	// extra are further arguments by subcommand, for options that the
	// Automation API does not have.
	extra map[string][]string
	// known are answers by the beginning of a command line.
	known map[string]string
}

// Version of the executable: the one that was acquired is this one or a later.
func (c *cli) Version() semver.Version { return sdk.Version }

// graceful is how long an interrupted engine may take to finish the step at hand.
const graceful = 3 * time.Minute

// Run runs one command; interrupting the context interrupts the engine, which
// then saves what it has done.
func (c *cli) Run(ctx context.Context, workDir string, stdin io.Reader, stdouts, stderrs []io.Writer, env []string, args ...string) (string, string, int, error) {
	line := strings.Join(args, " ")
	for beginning, answer := range c.known {
		if strings.HasPrefix(line, beginning) {
			return answer, "", 0, nil
		}
	}
	if c.attach != nil && usesProviders(args[0]) {
		providers, detach, err := c.attach(ctx)
		if err != nil {
			return "", "", -1, err
		}
		stdout, stderr, code, err := c.start(ctx, workDir, stdin, stdouts, stderrs, append(slices.Clone(env), "PULUMI_DEBUG_PROVIDERS="+providers), args)
		return stdout, stderr, code, errors.Join(err, detach())
	}
	return c.start(ctx, workDir, stdin, stdouts, stderrs, env, args)
}

// usesProviders says whether a command of the engine has resources changed or looked at.
func usesProviders(command string) bool {
	return slices.Contains([]string{"up", "preview", "refresh", "destroy"}, command)
}

func (c *cli) start(ctx context.Context, workDir string, stdin io.Reader, stdouts, stderrs []io.Writer, env, args []string) (string, string, int, error) {
	args = append(slices.Clone(args), c.extra[args[0]]...)
	if !slices.Contains(args, "--non-interactive") {
		args = append(args, "--non-interactive")
	}
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(ctx, c.path, args...)
	command.Dir, command.Env, command.Stdin = workDir, append(os.Environ(), env...), stdin
	command.Stdout = io.MultiWriter(append(slices.Clone(stdouts), &stdout)...)
	command.Stderr = io.MultiWriter(append(slices.Clone(stderrs), &stderr)...)
	command.Cancel = func() error { return interrupt(command.Process) }
	command.WaitDelay = graceful
	ownGroup(command)
	err := command.Run()
	code := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
		err = fmt.Errorf("pulumi %s: exit status %d", args[0], code)
	case err != nil:
		code = -1
		err = fmt.Errorf("pulumi %s: %w", args[0], err)
	}
	return stdout.String(), stderr.String(), code, err
}
