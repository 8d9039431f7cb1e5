package acquire

import (
	"bytes"
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
	dir      string
	env      []string // beside the environment of this process
	args     []string
	eachLine func(line string) // told what it prints, if set
}

// run runs the command; an error carries the end of what it printed.
func run(ctx context.Context, c command) error {
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), c.env...)
	cmd.WaitDelay = 5 * time.Second
	printed := &lines{each: c.eachLine}
	cmd.Stdout, cmd.Stderr = printed, printed
	err := cmd.Run()
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w\n%s", strings.Join(c.args[:min(len(c.args), 3)], " "),
		errors.Join(err, ctx.Err()), tail(strings.TrimSpace(printed.all.String())))
}

// tail shortens a long text to its end.
func tail(text string) string {
	if len(text) <= shownOutput {
		return text
	}
	return "…" + strings.ToValidUTF8(text[len(text)-shownOutput:], "")
}

// lines keeps what is written and hands on each whole line.
type lines struct {
	all     bytes.Buffer
	each    func(line string)
	pending []byte
}

func (l *lines) Write(p []byte) (int, error) {
	if l.each != nil {
		l.pending = append(l.pending, p...)
		for {
			line, rest, whole := bytes.Cut(l.pending, []byte("\n"))
			if !whole {
				break
			}
			l.each(string(line))
			l.pending = rest
		}
	}
	return l.all.Write(p)
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
