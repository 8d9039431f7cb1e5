package attach

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/cmdutil"
)

// plugins are the published plugins of an attachment. An engine starts its
// plugins one after another; these are started side by side, and while the
// engine is not needed yet. Each run of an engine gets processes of its own: at
// its end it tells its plugins to do no more.
type plugins struct {
	host        string // address that a plugin asks now and then whether it is still needed
	executables map[string]string

	mutex sync.Mutex
	next  []*plugin // for the next run
}

// begin starts the processes for the next run, unless that was done.
func (p *plugins) begin() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.next != nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(p.executables)) {
		p.next = append(p.next, startPlugin(name, p.executables[name], p.host))
	}
}

// take hands over what begin has started; the caller stops it.
func (p *plugins) take() []*plugin {
	p.begin()
	return p.leave()
}

// leave is what has been started and not been taken.
func (p *plugins) leave() []*plugin {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	taken := p.next
	p.next = nil
	return taken
}

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
	port, err := strconv.ParseUint(p.port.String(), 10, 16)
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
	if said := p.said.String(); said != "" {
		return fmt.Errorf("%w; it said:\n%s", err, said)
	}
	return err
}

// firstLine keeps the first line of what is written.
type firstLine struct {
	mutex sync.Mutex
	line  []byte
	whole chan struct{} // closed when the line is
	done  bool
}

func (f *firstLine) Write(text []byte) (int, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if !f.done {
		before, _, ends := bytes.Cut(text, []byte("\n"))
		f.line = append(f.line, before...)
		if f.done = ends; ends {
			close(f.whole)
		}
	}
	return len(text), nil
}

func (f *firstLine) String() string {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return strings.TrimSpace(string(f.line))
}

// tail keeps the end of what is written.
type tail struct {
	mutex sync.Mutex
	text  []byte
}

// kept is how many bytes of a plugin's last words are kept: a panic's trace of calls is longer, its reason is not.
const kept = 8 << 10

func (t *tail) Write(text []byte) (int, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.text = append(t.text, text...)
	t.text = t.text[max(0, len(t.text)-kept):]
	return len(text), nil
}

func (t *tail) String() string {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return strings.TrimSpace(string(t.text))
}
