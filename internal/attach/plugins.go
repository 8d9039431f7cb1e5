package attach

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/cmdutil"
)

// stopAll ends plugins and says which of them had ended by themselves.
func stopAll(taken []*plugin) error {
	var faults []error
	for _, plugin := range taken {
		faults = append(faults, plugin.stop())
	}
	return errors.Join(faults...)
}

// plugin is the process of one plugin.
type plugin struct {
	name    string
	command *exec.Cmd
	port    firstLine
	said    tail
	ended   chan struct{}
	err     error // how it ended
	told    bool  // whether the caller knows
}

// outlives is how long a plugin that has ended is read from, if something that it has started holds on to its output.
const outlives = time.Second

// startPlugin starts a plugin as the engine does (its only argument is the
// address of its host) and does not wait for it.
func startPlugin(name, executable, host string) *plugin {
	p := &plugin{name: name, command: exec.Command(executable, host), port: firstLine{whole: make(chan struct{})}, ended: make(chan struct{})}
	p.command.Stdout, p.command.Stderr = &p.port, &p.said
	p.command.WaitDelay = outlives
	cmdutil.RegisterProcessGroup(p.command) // a terminal's Ctrl-C is the engine's to deal with
	if p.err = p.command.Start(); p.err != nil {
		close(p.ended)
		return p
	}
	go func() {
		p.err = p.command.Wait()
		close(p.ended)
	}()
	return p
}

// entry waits for the port that the plugin says, and is its part of PULUMI_DEBUG_PROVIDERS.
func (p *plugin) entry(ctx context.Context) (string, error) {
	select {
	case <-p.port.whole:
	case <-p.ended:
		p.told = true
		return "", fmt.Errorf("plugin %s (%s) did not start: %w", p.name, p.command.Path, p.ending())
	case <-ctx.Done():
		return "", fmt.Errorf("plugin %s (%s) did not say its port: %w", p.name, p.command.Path, ctx.Err())
	}
	port, err := strconv.ParseUint(strings.TrimSpace(string(p.port.line)), 10, 16)
	if err != nil {
		return "", fmt.Errorf("plugin %s (%s): the first line that it says is not a port: %w", p.name, p.command.Path, err)
	}
	return fmt.Sprintf("%s:%d", p.name, port), nil
}

// stop ends the process. That it had ended before is an error: whoever called it
// has only been told that nobody answers.
func (p *plugin) stop() error {
	select {
	case <-p.ended:
		if p.told {
			return nil
		}
		return fmt.Errorf("plugin %s (%s) ended by itself: %w", p.name, p.command.Path, p.ending())
	default:
	}
	if err := p.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("plugin %s (%s): %w", p.name, p.command.Path, err)
	}
	<-p.ended
	return nil
}

func (p *plugin) ending() error {
	err := p.err
	if err == nil {
		err = errors.New("exit status 0")
	}
	if said := strings.TrimSpace(string(p.said)); said != "" {
		return fmt.Errorf("%w; it said:\n%s", err, said)
	}
	return err
}

// firstLine keeps the first line of what is written, which is read once it is whole.
type firstLine struct {
	line  []byte
	done  bool
	whole chan struct{} // closed when the line is
}

func (f *firstLine) Write(text []byte) (int, error) {
	if !f.done {
		before, _, ends := bytes.Cut(text, []byte("\n"))
		f.line = append(f.line, before...)
		if f.done = ends; ends {
			close(f.whole)
		}
	}
	return len(text), nil
}

// tail keeps the end of what is written, which is read once the process has ended.
type tail []byte

// kept is how many bytes of a plugin's last words are kept: a panic's trace of calls is longer, its reason is not.
const kept = 8 << 10

func (t *tail) Write(text []byte) (int, error) {
	all := append(*t, text...)
	*t = all[max(0, len(all)-kept):]
	return len(text), nil
}
