//go:build linux

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/witchcityrope/database/internal/operation"
)

// These tests run on Linux only: they find the processes of a run in /proc.

// The victims of a kill.
const (
	everything = "wcrdb and the engine" // with all that they have started
	alone      = "wcrdb alone"          // the engine then ends by itself
)

// moment is when and what is killed.
type moment struct {
	stack  string
	number int    // of this moment among those of the stack
	victim string // everything or alone
}

// moments are spread over the stacks and the victims.
func moments(count int, stacks ...string) []moment {
	var made []moment
	for i := range count {
		number := i / len(stacks)
		made = append(made, moment{stacks[i%len(stacks)], number, []string{everything, alone}[number%2]})
	}
	return made
}

// line is the line of progress at which the moment of so many comes, of a run that shows that many lines.
func (m moment) line(count, lines int) int { return 1 + m.number*(lines-1)/max(count-1, 1) }

func TestEndToEndUpKilled(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		const rounds = 20
		projects, lines := map[string]*project{}, map[string]int{}
		stacks := []string{"test", "dev"}
		for _, stack := range stacks {
			p := newProject(t, stack, plugins).initialize()
			projects[stack], lines[stack] = p, progress(p.must("up").stdout)
			p.must("down", "--yes")
		}
		for _, m := range moments(rounds, stacks...) {
			p, line := projects[m.stack], m.line(rounds/len(stacks), lines[m.stack])
			p.round(fmt.Sprintf("%s: %s at line %d of %d", m.stack, m.victim, line, lines[m.stack]), func(t *testing.T) {
				p.upKilled(t, line, m.victim)
				p.converges(t)
				p.must("down", "--yes")
				assert.Empty(t, p.left())
			})
		}
	})
}

// TestEndToEndUpKilledEarly kills runs before their first step: when the state
// of the stack has begun, and when the engine has not taken the lock yet.
func TestEndToEndUpKilledEarly(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "test", plugins).initialize()
		for _, moment := range []struct {
			name    string
			reached func(run int) error
		}{
			{"its state has begun", func(int) error {
				_, err := os.Stat(filepath.Join(p.dir, ".wcrdb", "state", ".pulumi", "stacks", projectName, p.stack+".json"))
				return err
			}},
			{"the engine starts", func(run int) error { return started(run, "pulumi up") }},
		} {
			for _, victim := range []string{everything, alone} {
				p.round(moment.name+": "+victim, func(t *testing.T) {
					p.upKilledWhen(t, moment.name, moment.reached, victim)
					p.converges(t)
					p.must("down", "--yes")
					assert.Empty(t, p.left())
				})
			}
		}
	})
}

// TestEndToEndUpKilledWhileInitialising kills runs, and the container that initialises the data
// directory, while it does.
func TestEndToEndUpKilledWhileInitialising(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "dev", plugins).initialize()
		initialiser := p.config().Initialiser()
		initdb := func(int) error {
			running, err := p.docker.ContainerTop(t.Context(), initialiser, []string{"-o", "pid,comm"})
			if err == nil && !slices.ContainsFunc(running.Processes, func(process []string) bool { return process[1] == "initdb" }) {
				err = errors.New("initdb does not run")
			}
			return err
		}
		for _, victim := range []string{everything, alone} {
			p.round(victim, func(t *testing.T) {
				p.upKilledWhen(t, "the data directory is being initialised", initdb, victim)
				p.converges(t)
				p.must("down", "--yes")
				assert.Empty(t, p.left())
			})
		}
		p.round("killed, and taken down", func(t *testing.T) {
			p.upKilledWhen(t, "the data directory is being initialised", initdb, everything)
			p.must("down", "--yes")
			assert.Empty(t, p.left())
		})
		p.round("the container alone", func(t *testing.T) {
			failed := make(chan result, 1)
			go func() { failed <- p.run("up") }()
			await(t, 120*time.Second, "the data directory is being initialised", func() error { return initdb(0) })
			require.NoError(t, p.docker.ContainerKill(t.Context(), initialiser, "SIGKILL"))
			said := <-failed
			assert.NotZero(t, said.code)
			assert.Contains(t, said.stdout+said.stderr, fmt.Sprintf("initialising the data directory in volume %q: container %s exited with status 137", p.config().Storage.Volume, initialiser))
			p.converges(t)
			p.must("down", "--yes")
			assert.Empty(t, p.left())
		})
	})
}

// TestEndToEndUpKilledWhileChanging kills runs that change a stack: all passwords, and the container.
func TestEndToEndUpKilledWhileChanging(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		const rounds = 6
		p := newProject(t, "dev", plugins).initialize()
		p.up()
		p.makeTable(t)
		generation := p.config().Access.Generation
		change := func() {
			generation++
			p.configure(values{"access": values{"generation": generation}, "settings": values{"work_mem": fmt.Sprintf("%dMB", 8+generation)}})
		}
		insert := func(t *testing.T) {
			p.as(t, "app", func(session *pgx.Conn) {
				_, err := session.Exec(t.Context(), "INSERT INTO load VALUES ('changes', $1)", generation)
				require.NoError(t, err)
			})
		}
		change()
		lines := progress(p.must("up").stdout)
		insert(t)
		for _, m := range moments(rounds, "dev") {
			line := m.line(rounds, lines)
			p.round(fmt.Sprintf("%s at line %d of %d", m.victim, line, lines), func(t *testing.T) {
				change()
				p.upKilled(t, line, m.victim)
				p.converges(t)
				insert(t)
				p.as(t, "app", func(session *pgx.Conn) {
					assert.Equal(t, m.number+2, ask[int](t, session, "SELECT count(*) FROM load"), "rows")
					assert.EqualValues(t, p.config().Settings["work_mem"], ask[string](t, session, "SHOW work_mem"))
				})
			})
		}
	})
}

// TestEndToEndTwoUps: runs that are started together take turns. Each waits
// while the stack is taken, and the second finds nothing left to do.
func TestEndToEndTwoUps(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "test", plugins).initialize()
		taken := flock.New(p.local("lock"))
		require.NoError(t, taken.Lock())
		defer func() { assert.NoError(t, taken.Close()) }() // whatever happens, the runs end
		var group errgroup.Group
		said := []string{filepath.Join(t.TempDir(), "first"), filepath.Join(t.TempDir(), "second")}
		for _, path := range said {
			output, err := os.Create(path)
			require.NoError(t, err)
			command := p.command(context.Background(), "up")
			command.Stdout, command.Stderr = output, output
			group.Go(func() error { return errors.Join(command.Run(), output.Close()) })
		}
		for _, path := range said {
			await(t, 120*time.Second, "run that waits", func() error {
				if output := read(t, path); !strings.Contains(output, "another run changes stack test: waiting for its end") {
					return fmt.Errorf("it has said: %s", output)
				}
				return nil
			})
		}
		require.NoError(t, taken.Unlock())
		err := group.Wait()
		var steps []int
		for _, path := range said {
			output := read(t, path)
			p.record(output, "up")
			steps = append(steps, progress(output))
		}
		require.NoError(t, err)
		assert.Zero(t, slices.Min(steps), "steps of the second run")
		assert.Positive(t, slices.Max(steps), "steps of the first run")
		p.converges(t)
	})
}

// round runs a step of the test that begins where the one before has ended.
func (p *project) round(name string, do func(t *testing.T)) {
	if !p.t.Failed() {
		p.step(name, do)
	}
}

// step is a line of progress.
var step = regexp.MustCompile(`(?m)^  (create|update|replace|delete|import) +\S+$`)

// progress counts the steps of a run.
func progress(said string) int { return len(step.FindAllString(said, -1)) }

// upKilled runs up and kills it when it begins its n-th step.
func (p *project) upKilled(t *testing.T, n int, victim string) {
	t.Helper()
	p.killed(t, n, victim, "up")
}

// killed runs wcrdb and kills it when it begins its n-th step.
func (p *project) killed(t *testing.T, n int, victim string, args ...string) {
	t.Helper()
	p.killedAt(t, victim, func(line, said string) bool { return step.MatchString(line) && progress(said) == n }, args...)
}

// killedAt runs wcrdb and kills it at a line of what it says.
func (p *project) killedAt(t *testing.T, victim string, at func(line, said string) bool, args ...string) {
	t.Helper()
	var said, stderr bytes.Buffer
	command := p.command(context.Background(), args...)
	command.Stderr = &stderr
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		fmt.Fprintln(&said, lines.Text())
		if at(lines.Text(), said.String()) {
			require.NoError(t, killRun(command.Process.Pid, victim))
		}
	}
	err = command.Wait()
	p.record(fmt.Sprintf("%s%s%v: %s\n", &said, &stderr, err, victim), args...)
	require.ErrorContains(t, err, "signal: killed", "the run ended before that line")
}

// upKilledWhen runs up and kills it when it has reached a moment.
func (p *project) upKilledWhen(t *testing.T, moment string, reached func(run int) error, victim string) {
	t.Helper()
	p.killedWhen(t, moment, reached, victim, "up")
}

// killedWhen runs wcrdb and kills it when it has reached a moment; it returns what was said.
func (p *project) killedWhen(t *testing.T, moment string, reached func(run int) error, victim string, args ...string) string {
	t.Helper()
	var said bytes.Buffer
	command := p.command(context.Background(), args...)
	command.Stdout, command.Stderr = &said, &said
	require.NoError(t, command.Start())
	await(t, 120*time.Second, moment, func() error { return reached(command.Process.Pid) })
	require.NoError(t, killRun(command.Process.Pid, victim))
	err := command.Wait()
	p.record(fmt.Sprintf("%s%v: %s\n", &said, err, victim), args...)
	require.ErrorContains(t, err, "signal: killed")
	return said.String()
}

// started says whether a run has started a command.
func started(run int, command string) error {
	children, err := childrenOf(run)
	if err != nil {
		return err
	}
	for _, child := range children {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child))
		if err == nil && strings.Contains(strings.ReplaceAll(string(line), "\x00", " "), command+" ") {
			return nil
		}
	}
	return errors.New("it is not started")
}

// converges demands that the next run finishes what a killed one has left.
func (p *project) converges(t *testing.T) {
	t.Helper()
	p.must("up")
	p.must("preview", "--expect-no-changes")
	p.must("refresh", "--expect-no-changes")
	p.as(t, "app", func(session *pgx.Conn) {
		assert.Zero(t, ask[int](t, session, `SELECT count(*) FROM pg_roles WHERE rolname LIKE '%\_\_aside'`), "roles set aside")
	})
}

// killRun kills a run. It is stopped first, so that it starts nothing meanwhile.
func killRun(pid int, victim string) error {
	victims := []int{pid}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	if victim == everything {
		for i := 0; i < len(victims); i++ {
			children, err := childrenOf(victims[i])
			if err != nil {
				return err
			}
			for _, child := range children {
				if err := syscall.Kill(child, syscall.SIGSTOP); err != nil && !errors.Is(err, syscall.ESRCH) {
					return err
				}
			}
			victims = append(victims, children...)
		}
	}
	for _, victim := range victims {
		if err := syscall.Kill(victim, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}

// childrenOf lists the processes that a process has started.
func childrenOf(parent int) ([]int, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var children []int
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		_, fields, _ := strings.Cut(string(content[bytes.LastIndexByte(content, ')'):]), " ")
		if state := strings.Fields(fields); state[1] != strconv.Itoa(parent) {
			continue
		}
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			return nil, err
		}
		children = append(children, child)
	}
	return children, nil
}

const (
	// underWay is how many rows of each writer are acknowledged before the kill.
	underWay = 200
	// mostRows bounds the load.
	mostRows = 100_000
)
