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
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/witchcityrope/database/internal/dockerengine/dockertest"
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
		rounds := 20
		if plugins == operation.Published {
			rounds = 6
			t.Logf("with the published plugins, %d moments stand for the 20 that the stand-ins are killed at", rounds)
		}
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

// TestEndToEndUpKilledEarly kills runs before their first step, where the
// engine makes the stack, and where it has not taken the lock yet.
func TestEndToEndUpKilledEarly(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "test", plugins).initialize()
		for _, command := range []string{"pulumi stack init", "pulumi up"} {
			for _, victim := range []string{everything, alone} {
				p.round(command+": "+victim, func(t *testing.T) {
					p.upKilledIn(t, command, victim)
					p.converges(t)
					p.must("down", "--yes")
					assert.Empty(t, p.left())
				})
			}
		}
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

// TestEndToEndRotationKilled kills rotations, of all passwords and of the root
// secret; the next up finishes each.
func TestEndToEndRotationKilled(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		const rounds = 6
		p := newProject(t, "dev", plugins).initialize()
		p.up()
		lines := progress(p.must("rotate", "--yes").stdout)
		for _, m := range moments(rounds, "dev") {
			rotate := []string{"rotate", "--yes"}
			if m.number%3 == 1 {
				rotate = append(rotate, operation.RootSecret)
			}
			line := m.line(rounds, lines)
			p.round(fmt.Sprintf("%s: %s at line %d of %d", strings.Join(rotate, " "), m.victim, line, lines), func(t *testing.T) {
				before := p.connections()
				p.killed(t, line, m.victim, rotate...)
				for _, client := range []string{"app", "migrator"} {
					p.canLogIn(t, before[client]) // whatever was done: the one before works
				}
				p.converges(t)
				after := p.connections()
				for client := range before {
					assert.NotEqual(t, before[client].Password, after[client].Password, client)
					p.as(t, client, func(session *pgx.Conn) { assert.Equal(t, 1, ask[int](t, session, "SELECT 1")) })
				}
				for _, client := range []string{"app", "migrator"} {
					p.canLogIn(t, before[client])
				}
			})
		}
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
	var said, stderr bytes.Buffer
	command := p.command(context.Background(), args...)
	command.Stderr = &stderr
	stdout, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		fmt.Fprintln(&said, lines.Text())
		if step.Match(lines.Bytes()) && progress(said.String()) == n {
			require.NoError(t, killRun(command.Process.Pid, victim))
		}
	}
	err = command.Wait()
	p.record(fmt.Sprintf("%s%s%v: %s\n", &said, &stderr, err, victim), args...)
	require.ErrorContains(t, err, "signal: killed", "the run ended before its step %d", n)
}

// upKilledIn runs up and kills it when it has started a command of the engine.
func (p *project) upKilledIn(t *testing.T, started, victim string) {
	t.Helper()
	var said bytes.Buffer
	command := p.command(context.Background(), "up")
	command.Stdout, command.Stderr = &said, &said
	require.NoError(t, command.Start())
	await(t, 30*time.Second, started, func() error {
		children, err := childrenOf(command.Process.Pid)
		if err != nil {
			return err
		}
		for _, child := range children {
			line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child))
			if err == nil && strings.Contains(strings.ReplaceAll(string(line), "\x00", " "), started+" ") {
				return nil
			}
		}
		return errors.New("it is not started")
	})
	require.NoError(t, killRun(command.Process.Pid, victim))
	err := command.Wait()
	p.record(fmt.Sprintf("%s%v: %s\n", &said, err, victim), "up")
	require.ErrorContains(t, err, "signal: killed")
}

// converges demands that the next run finishes what a killed one has left.
func (p *project) converges(t *testing.T) {
	t.Helper()
	p.must("up")
	p.must("preview", "--expect-no-changes")
	p.as(t, "app", func(session *pgx.Conn) {
		assert.Zero(t, ask[int](t, session, `SELECT count(*) FROM pg_roles WHERE rolname LIKE '%\_\_aside'`), "roles set aside")
	})
}

// as opens a session of a client that ends before the server does.
func (p *project) as(t *testing.T, client string, do func(*pgx.Conn)) {
	t.Helper()
	session, err := p.open(p.connections()[client].URI)
	require.NoError(t, err)
	defer func() { assert.NoError(t, session.Close(context.Background())) }()
	do(session)
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

func TestEndToEndServerKilled(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		for _, stack := range []string{"dev", "prod"} {
			t.Run(stack, func(t *testing.T) {
				p := newProject(t, stack, plugins).initialize()
				p.up()
				p.makeTable(t)
				p.step("its process is killed, and Docker starts it again", func(t *testing.T) {
					killed := p.container().State.Pid
					acknowledged := p.underLoad(t, "process", func() { killOnHost(t, p, killed) })
					await(t, 30*time.Second, "container that runs again", func() error {
						if state := p.container().State; !state.Running || state.Pid == killed {
							return fmt.Errorf("it is %s", state.Status)
						}
						return nil
					})
					p.keeps(t, "process", acknowledged)
				})
				p.step("the container is killed, and up starts it again", func(t *testing.T) {
					acknowledged := p.underLoad(t, "container", func() {
						require.NoError(t, p.docker.ContainerKill(t.Context(), p.config().Server.Name, "KILL"))
					})
					assert.False(t, p.container().State.Running, "Docker leaves what somebody killed")
					p.must("up")
					p.keeps(t, "container", acknowledged)
				})
			})
		}
	})
}

// makeTable makes a table as a migration does.
func (p *project) makeTable(t *testing.T) {
	t.Helper()
	p.as(t, "migrator", func(session *pgx.Conn) {
		migrate(t, session, "CREATE TABLE load (writer text, number bigint, PRIMARY KEY (writer, number))")
	})
}

const (
	writers = 2
	// underWay is how many rows of each writer are acknowledged before the kill.
	underWay = 200
	// mostRows bounds the load.
	mostRows = 100_000
)

// underLoad kills the server while two sessions of the application insert
// numbers, and returns the last number of each that was acknowledged.
func (p *project) underLoad(t *testing.T, name string, kill func()) (acknowledged [writers]int) {
	t.Helper()
	app := p.connections()["app"]
	var group errgroup.Group
	busy := make(chan struct{}, writers)
	for i := range writers {
		session, err := p.open(app.URI)
		require.NoError(t, err)
		group.Go(func() error {
			for number := 1; number <= mostRows; number++ {
				if _, err := session.Exec(context.Background(), "INSERT INTO load VALUES ($1, $2)", name+strconv.Itoa(i), number); err != nil {
					return nil // the server is gone; so is the session
				}
				if acknowledged[i] = number; number == underWay {
					busy <- struct{}{}
				}
			}
			return fmt.Errorf("the server outlived %d rows", mostRows)
		})
	}
	for range writers {
		select {
		case <-busy:
		case <-time.After(time.Minute):
			t.Fatalf("%d rows are not acknowledged within a minute", underWay)
		}
	}
	kill()
	require.NoError(t, group.Wait())
	t.Logf("%s: rows acknowledged before the kill: %v", p.stack, acknowledged)
	return acknowledged
}

// keeps demands that every acknowledged row is there, and that the stack is as declared.
func (p *project) keeps(t *testing.T, name string, acknowledged [writers]int) {
	t.Helper()
	app := p.connections()["app"]
	var session *pgx.Conn
	await(t, 30*time.Second, "login after the kill", func() (err error) {
		session, err = p.open(app.URI)
		return err
	})
	defer session.Close(context.Background())
	for i, last := range acknowledged {
		writer := name + strconv.Itoa(i)
		assert.Equal(t, last, ask[int](t, session, "SELECT count(*) FROM load WHERE writer = $1 AND number <= $2", writer, last), "acknowledged rows of %s", writer)
		assert.LessOrEqual(t, ask[int](t, session, "SELECT count(*) FROM load WHERE writer = $1", writer), last+1, "rows of %s", writer)
	}
	p.must("up")
	p.unchanged()
}

// killOnHost kills a process of the Docker host. A server is the first process
// of its container, which nobody inside can kill.
func killOnHost(t *testing.T, p *project, pid int) {
	t.Helper()
	name := prefix + dockertest.Name(t)
	settings := &container.Config{Image: p.container().Config.Image, Entrypoint: []string{"sh", "-c", fmt.Sprint("kill -KILL ", pid)}}
	_, err := p.docker.ContainerCreate(t.Context(), settings, &container.HostConfig{PidMode: "host", NetworkMode: "none"}, nil, nil, name)
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, p.docker.ContainerRemove(context.Background(), name, container.RemoveOptions{Force: true, RemoveVolumes: true}))
	})
	require.NoError(t, p.docker.ContainerStart(t.Context(), name, container.StartOptions{}))
	ended, failed := p.docker.ContainerWait(t.Context(), name, container.WaitConditionNotRunning)
	select {
	case status := <-ended:
		require.Zero(t, status.StatusCode, containerLog(t, p.docker, name))
	case err := <-failed:
		require.NoError(t, err)
	}
}
