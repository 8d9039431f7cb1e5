package acquire

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// shownOutput is how much of a failed command's output an error carries.
const shownOutput = 2000

// command describes a program to run to its end.
type command struct {
	dir  string
	env  []string // beside the environment of this process
	args []string
}

// run runs the command; an error carries the end of what it printed.
func run(ctx context.Context, c command) error {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), c.env...)
	cmd.WaitDelay = 5 * time.Second
	output, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	shown := strings.TrimSpace(string(output))
	if len(shown) > shownOutput {
		shown = "…" + shown[len(shown)-shownOutput:]
	}
	return fmt.Errorf("%s: %w\n%s", strings.Join(c.args[:min(len(c.args), 3)], " "), errors.Join(err, ctx.Err()), shown)
}

// missing returns those of the programs that are not on PATH.
func missing(programs ...string) []string {
	var absent []string
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			absent = append(absent, program)
		}
	}
	return absent
}
