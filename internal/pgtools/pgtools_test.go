package pgtools_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/acquire"
	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/dockerengine/dockertest"
	"github.com/witchcityrope/database/internal/pgtest"
	"github.com/witchcityrope/database/internal/pgtools"
)

// eachRunner tests both ways to run a program, against a server of the test's own.
func eachRunner(t *testing.T, test func(*testing.T, pgtools.Runner)) {
	server := pgtest.Start(t)
	t.Run("container", func(t *testing.T) {
		engine := dockertest.Engine(t)
		image, err := acquire.StandInImage(t.Context(), engine, t.Logf)
		require.NoError(t, err)
		name := dockertest.Name(t)
		started, err := pgtools.Start(t.Context(), pgtools.Options{
			Engine: engine, Image: image, Network: "host", Host: "127.0.0.1", Port: server.Port,
			Login: pgtest.Superuser, Password: pgtest.Password, Name: name, Labels: map[string]string{"wcrdb.test": name},
		})
		require.NoError(t, err)
		test(t, started)
		require.NoError(t, started.Close(t.Context()))
		left, err := dockerengine.Containers(t.Context(), engine, dockerengine.Labels{"wcrdb.test": name})
		require.NoError(t, err)
		assert.Empty(t, left)
	})
	t.Run("local", func(t *testing.T) {
		local, err := pgtools.NewLocal(pgtools.Login{
			Host: "127.0.0.1", Port: server.Port, Username: pgtest.Superuser, Password: pgtest.Password,
		}, t.TempDir())
		require.NoError(t, err)
		test(t, local)
	})
}

func TestAProgramStreams(t *testing.T) {
	eachRunner(t, func(t *testing.T, runner pgtools.Runner) {
		var output bytes.Buffer
		var lines []string
		long := strings.Repeat("a line of the input\n", 200_000)
		require.NoError(t, runner.Run(t.Context(), pgtools.Command{
			Args: []string{"sh", "-c", "echo one >&2; printf two >&2; exec cat"}, Stdin: strings.NewReader(long), Stdout: &output,
			Stderr: func(line string) { lines = append(lines, line) },
		}))
		assert.Equal(t, len(long), output.Len())
		assert.Equal(t, []string{"one", "two"}, lines)
	})
}

func TestAProgramLogsIn(t *testing.T) {
	eachRunner(t, func(t *testing.T, runner pgtools.Runner) {
		var output bytes.Buffer
		err := runner.Run(t.Context(), pgtools.Command{Args: []string{"psql", "-XAtwc", "SELECT current_user", "postgres"}, Stdout: &output})
		if errors.Is(err, exec.ErrNotFound) {
			t.Skip("NOT RUN: psql is not installed here")
		}
		require.NoError(t, err)
		assert.Equal(t, pgtest.Superuser+"\n", output.String())
	})
}

func TestAFailureSaysWhatTheProgramSaid(t *testing.T) {
	eachRunner(t, func(t *testing.T, runner pgtools.Runner) {
		err := runner.Run(t.Context(), pgtools.Command{Args: []string{"sh", "-c", "echo disk on fire >&2; exit 3"}})
		var failed *pgtools.Failed
		require.ErrorAs(t, err, &failed)
		assert.Equal(t, pgtools.Failed{Program: "sh", Status: 3, Stderr: "disk on fire"}, *failed)
		assert.EqualError(t, err, "sh: status 3: disk on fire")

		broken := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(errors.New("flipped byte")))
		err = runner.Run(t.Context(), pgtools.Command{Args: []string{"cat"}, Stdin: broken})
		assert.ErrorContains(t, err, "its input: flipped byte")
	})
}

func TestACancelledProgramIsNotAwaited(t *testing.T) {
	eachRunner(t, func(t *testing.T, runner pgtools.Runner) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		err := runner.Run(ctx, pgtools.Command{Args: []string{"sleep", "60"}})
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	})
}
