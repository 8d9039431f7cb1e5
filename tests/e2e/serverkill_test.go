//go:build linux

package e2e

import (
	"context"
	"fmt"
	"strconv"
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
