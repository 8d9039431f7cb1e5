// Package dockertest gives tests a Docker Engine and an image that needs no registry.
package dockertest

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/dockerengine"
)

// Prefix starts the name of everything that tests make.
const Prefix = "wcrdb-test-"

// Engine connects to the default Docker Engine. The test is skipped where there is none.
func Engine(t testing.TB) *client.Client {
	t.Helper()
	engine, err := dockerengine.Connect(t.Context(), "")
	if err != nil {
		t.Skipf("NOT RUN: this test needs a Docker Engine: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, engine.Close()) })
	return engine
}

// Name returns a name that no other test has.
func Name(t testing.TB) string {
	t.Helper()
	id := make([]byte, 4)
	_, err := rand.Read(id)
	require.NoError(t, err)
	return Prefix + hex.EncodeToString(id)
}

// Port returns a port of the loopback interface that was free a moment ago.
func Port(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().(*net.TCPAddr).Port
}

// Image makes an image whose only program waits to be stopped, and removes it after the test.
func Image(t testing.TB, engine *client.Client) (ref string) {
	t.Helper()
	ref = Name(t) + ":latest"
	progress, err := engine.ImageImport(t.Context(),
		image.ImportSource{Source: archive(t, pause(t)), SourceName: "-"}, ref,
		image.ImportOptions{Changes: []string{`ENTRYPOINT ["/pause"]`}})
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, progress)
	require.NoError(t, err)
	require.NoError(t, progress.Close())
	t.Cleanup(func() {
		_, err := engine.ImageRemove(context.Background(), ref, image.RemoveOptions{Force: true})
		require.True(t, err == nil || errdefs.IsNotFound(err), "removing the image: %v", err)
	})
	return ref
}

// Remove removes a container after the test, however the test ends.
func Remove(t testing.TB, engine *client.Client, name string) {
	t.Cleanup(func() {
		err := engine.ContainerRemove(context.Background(), name, container.RemoveOptions{Force: true, RemoveVolumes: true})
		if _, there, inspect := dockerengine.Container(context.Background(), engine, name); there || inspect != nil {
			t.Errorf("the container %s is left behind: %v", name, err)
		}
	})
}

// AwaitPause waits until the program of Image, in a container, can be told to stop.
func AwaitPause(t testing.TB, engine *client.Client, id string) {
	t.Helper()
	logs, err := engine.ContainerLogs(t.Context(), id, container.LogsOptions{ShowStdout: true, Follow: true})
	require.NoError(t, err)
	defer logs.Close()
	for lines := bufio.NewScanner(logs); ; {
		require.True(t, lines.Scan(), "the program ended before it waited: %v", lines.Err())
		if strings.HasSuffix(lines.Text(), "waiting") {
			return
		}
	}
}

func pause(t testing.TB) []byte {
	t.Helper()
	file := filepath.Join(t.TempDir(), "pause")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", file,
		"github.com/witchcityrope/database/internal/dockerengine/dockertest/pause")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s", output)
	program, err := os.ReadFile(file)
	require.NoError(t, err)
	return program
}

func archive(t testing.TB, program []byte) io.Reader {
	t.Helper()
	var buffer bytes.Buffer
	writer := tar.NewWriter(&buffer)
	require.NoError(t, writer.WriteHeader(&tar.Header{Name: "pause", Mode: 0o755, Size: int64(len(program))}))
	_, err := writer.Write(program)
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	return &buffer
}
