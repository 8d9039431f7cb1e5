package pgtools

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/acquire"
	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/dockerengine/dockertest"
)

func startForTest(t *testing.T) *Container { return startWith(t, 0) }

func startWith(t *testing.T, files int64) *Container {
	t.Helper()
	engine := dockertest.Engine(t)
	image, err := acquire.StandInImage(t.Context(), engine, t.Logf)
	require.NoError(t, err)
	started, err := Start(t.Context(), Options{
		Engine: engine, Image: image, Network: "none", Host: "db", Login: "l", Password: "the-secret", CAPEM: []byte("pem"), Name: dockertest.Name(t), Files: files,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, started.Close(t.Context())) })
	return started
}

func TestSecretsAreOnlyInFiles(t *testing.T) {
	started := startForTest(t)
	found, _, err := dockerengine.Container(t.Context(), started.engine, started.id)
	require.NoError(t, err)
	assert.NotContains(t, strings.Join(append(found.Config.Env, found.Args...), " "), "the-secret")
	var output bytes.Buffer
	require.NoError(t, started.Run(t.Context(), Command{Args: []string{"sh", "-c", "stat -c '%a %u' *; cat pgpass; env"}, Stdout: &output}))
	assert.Contains(t, output.String(), "600 65534\n600 65534\ndb:5432:*:l:the-secret\n")
	assert.Equal(t, 1, strings.Count(output.String(), "the-secret"))
	require.NoError(t, started.Put(t.Context(), "dump", strings.NewReader("content")))
	output.Reset()
	require.NoError(t, started.Run(t.Context(), Command{Args: []string{"cat", started.Path("dump")}, Stdout: &output}))
	assert.Equal(t, "content", output.String())
}

// TestAContainerEndsWithItsProcess: Docker closes the standard input of a container whose client is gone.
func TestAContainerEndsWithItsProcess(t *testing.T) {
	started := startForTest(t)
	started.stdin.Close()
	require.Eventually(t, func() bool {
		_, there, err := dockerengine.Container(t.Context(), started.engine, started.id)
		return err == nil && !there
	}, 10*time.Second, 20*time.Millisecond)
}

// TestFilesInMemoryAreOnNoDisk: Docker lists everything that a container has written on its disk.
func TestFilesInMemoryAreOnNoDisk(t *testing.T) {
	for _, files := range []int64{0, 1 << 20} {
		started := startWith(t, files)
		require.NoError(t, started.Put(t.Context(), "dump", strings.NewReader(strings.Repeat("secret", 100_000))))
		var output bytes.Buffer
		require.NoError(t, started.Run(t.Context(), Command{Args: []string{"sh", "-c", `wc -c <"$1"`, "sh", started.Path("dump")}, Stdout: &output}))
		assert.Equal(t, "600000", strings.TrimSpace(output.String()))
		changes, err := started.engine.ContainerDiff(t.Context(), started.id)
		require.NoError(t, err)
		onDisk := slices.ContainsFunc(changes, func(change container.FilesystemChange) bool { return strings.HasSuffix(change.Path, "/dump") })
		assert.Equal(t, files == 0, onDisk, "%v", changes)
		if files > 0 {
			assert.ErrorContains(t, started.Put(t.Context(), "more", strings.NewReader(strings.Repeat("secret", 100_000))), "No space left")
		}
	}
	_, err := Start(t.Context(), Options{Engine: dockertest.Engine(t), Files: 1 << 60})
	assert.ErrorIs(t, err, ErrMemory)
}
