package dockerengine_test

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/dockerengine/dockertest"
)

// A container runs to its end, and is gone; so is one that an earlier run has left.
func TestRunToEnd(t *testing.T) {
	engine := dockertest.Engine(t)
	name := dockertest.Name(t)
	dockertest.Remove(t, engine, name)
	labels := dockerengine.LabelsOf("project", "stack")
	config := &container.Config{Image: dockertest.Image(t, engine), Labels: labels}
	gone := func() {
		t.Helper()
		_, there, err := dockerengine.Container(t.Context(), engine, name)
		require.NoError(t, err)
		assert.False(t, there)
	}
	require.NoError(t, dockerengine.AwaitEnd(t.Context(), engine, name, labels), "there is none")

	run := make(chan error, 1)
	go func() {
		run <- dockerengine.RunToEnd(t.Context(), engine, name, config, &container.HostConfig{NetworkMode: "none"})
	}()
	end := func(signal string) {
		t.Helper()
		require.Eventually(t, func() bool {
			found, there, err := dockerengine.Container(t.Context(), engine, name)
			return err == nil && there && found.State.Running
		}, time.Minute, 10*time.Millisecond)
		dockertest.AwaitPause(t, engine, name)
		require.NoError(t, engine.ContainerKill(t.Context(), name, signal))
	}
	end("SIGTERM")
	require.NoError(t, <-run)
	gone()

	go func() {
		run <- dockerengine.RunToEnd(t.Context(), engine, name, config, &container.HostConfig{NetworkMode: "none"})
	}()
	end("SIGKILL")
	assert.ErrorContains(t, <-run, "container "+name+" exited with status 137")
	gone()

	left, err := engine.ContainerCreate(t.Context(), config, &container.HostConfig{NetworkMode: "none"}, nil, nil, name)
	require.NoError(t, err)
	require.NoError(t, engine.ContainerStart(t.Context(), left.ID, container.StartOptions{}))
	assert.ErrorContains(t, dockerengine.AwaitEnd(t.Context(), engine, name, dockerengine.LabelsOf("project", "another")),
		`container `+name+` is not this stack's: its label wcrdb.stack is "stack", not "another"`)
	go func() { run <- dockerengine.AwaitEnd(t.Context(), engine, name, labels) }()
	end("SIGKILL")
	require.NoError(t, <-run)
	gone()
}
