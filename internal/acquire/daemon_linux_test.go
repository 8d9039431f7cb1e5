package acquire

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/dockerengine"
)

func TestStartDaemon(t *testing.T) {
	dir := t.TempDir()
	sign, log := filepath.Join(dir, "sign"), filepath.Join(dir, "log")
	ready := func(context.Context) error {
		_, err := os.Stat(sign)
		return err
	}
	daemon := script(t, dir, "daemon", "echo starting; sleep 0.2; touch "+sign+"; sleep 1")
	require.NoError(t, startDaemon(t.Context(), []string{daemon}, log, ready))
	content, err := os.ReadFile(log)
	require.NoError(t, err)
	assert.Equal(t, "starting\n", string(content))
}

func TestStartDaemonFails(t *testing.T) {
	never := errors.New("not ready")
	ready := func(context.Context) error { return never }
	dir := t.TempDir()

	broken := script(t, dir, "broken", "echo no iptables; exit 1")
	err := startDaemon(t.Context(), []string{broken}, filepath.Join(dir, "log"), ready)
	require.ErrorIs(t, err, errEnded)
	assert.ErrorContains(t, err, "exit status 1")
	assert.ErrorContains(t, err, "no iptables")

	ctx, cancel := context.WithTimeout(t.Context(), 2*daemonPoll)
	defer cancel()
	silent := script(t, dir, "silent", "sleep 1")
	err = startDaemon(ctx, []string{silent}, filepath.Join(dir, "log"), ready)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorIs(t, err, never)

	assert.Error(t, startDaemon(t.Context(), []string{filepath.Join(dir, "gone")}, filepath.Join(dir, "log"), ready))
}

// An engine that was chosen by hand is never replaced by an installed one.
func TestDockerEngineChosenByHand(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(t.TempDir(), "gone.sock"))
	_, err := DockerEngine(t.Context(), func(format string, args ...any) {
		t.Errorf("did something: "+format, args...)
	})
	require.ErrorIs(t, err, dockerengine.ErrUnreachable)
	installs, err := InstallsDocker()
	require.NoError(t, err)
	assert.False(t, installs)
}

func TestDockerEngineThatAnswers(t *testing.T) {
	engine, err := DockerEngine(t.Context(), t.Logf)
	require.NoError(t, err)
	require.NoError(t, engine.Close())
}
