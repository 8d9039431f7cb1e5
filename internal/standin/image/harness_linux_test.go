package image_test

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/docker/go-connections/nat"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/acquire"
	"github.com/witchcityrope/database/internal/dockerengine"
)

const (
	patience = 60 * time.Second
	poll     = 25 * time.Millisecond
)

var (
	engine   *client.Client
	imageRef string
)

func TestMain(m *testing.M) {
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func prepare() (err error) {
	ctx := context.Background()
	if engine, err = dockerengine.Connect(ctx, ""); err != nil {
		return err
	}
	imageRef, err = acquire.StandInImage(ctx, engine, func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
	})
	return err
}

// file is one put into a container before it starts, owned by root.
type file struct {
	content string
	mode    int64
}

type options struct {
	env   []string
	cmd   []string
	user  string
	binds []string
	files map[string]file // by absolute path, in folders that the image has
}

type server struct {
	t  *testing.T
	id string
}

func start(t *testing.T, o options) *server {
	t.Helper()
	ctx := t.Context()
	created, err := engine.ContainerCreate(ctx,
		&container.Config{Image: imageRef, Env: o.env, Cmd: o.cmd, User: o.user},
		&container.HostConfig{
			Binds:        o.binds,
			PortBindings: nat.PortMap{"5432/tcp": {{HostIP: "127.0.0.1"}}},
		}, nil, nil, "")
	require.NoError(t, err)
	s := &server{t: t, id: created.ID}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the container:\n%s", s.logs())
		}
		gone := container.RemoveOptions{Force: true, RemoveVolumes: true}
		require.NoError(t, engine.ContainerRemove(context.Background(), s.id, gone))
	})
	if len(o.files) > 0 {
		require.NoError(t, engine.CopyToContainer(ctx, s.id, "/", archive(t, o.files), container.CopyToContainerOptions{}))
	}
	s.again()
	return s
}

func archive(t *testing.T, files map[string]file) io.Reader {
	t.Helper()
	var buffer bytes.Buffer
	out := tar.NewWriter(&buffer)
	for path, f := range files {
		mode := f.mode
		if mode == 0 {
			mode = 0o644
		}
		require.NoError(t, out.WriteHeader(&tar.Header{Name: path, Mode: mode, Size: int64(len(f.content))}))
		_, err := io.WriteString(out, f.content)
		require.NoError(t, err)
	}
	require.NoError(t, out.Close())
	return &buffer
}

// again starts the container once more.
func (s *server) again() {
	s.t.Helper()
	require.NoError(s.t, engine.ContainerStart(s.t.Context(), s.id, container.StartOptions{}))
}

// stop asks the container to stop, in the way that the image says.
func (s *server) stop() {
	s.t.Helper()
	require.NoError(s.t, engine.ContainerStop(s.t.Context(), s.id, container.StopOptions{}))
}

// exit waits for the container's end and returns its exit status.
func (s *server) exit() int64 {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	ended, failed := engine.ContainerWait(ctx, s.id, container.WaitConditionNotRunning)
	select {
	case end := <-ended:
		return end.StatusCode
	case err := <-failed:
		require.NoError(s.t, err)
		return -1
	}
}

func (s *server) logs() string {
	s.t.Helper()
	stream, err := engine.ContainerLogs(context.Background(), s.id, container.LogsOptions{ShowStdout: true, ShowStderr: true})
	require.NoError(s.t, err)
	defer stream.Close()
	return demultiplexed(s.t, stream)
}

func demultiplexed(t *testing.T, stream io.Reader) string {
	t.Helper()
	var text bytes.Buffer
	_, err := stdcopy.StdCopy(&text, &text, stream)
	require.NoError(t, err)
	return text.String()
}

// run runs a program in the container and returns what it printed.
func (s *server) run(args ...string) string {
	s.t.Helper()
	ctx := s.t.Context()
	created, err := engine.ContainerExecCreate(ctx, s.id, container.ExecOptions{Cmd: args, AttachStdout: true, AttachStderr: true})
	require.NoError(s.t, err)
	attached, err := engine.ContainerExecAttach(ctx, created.ID, container.ExecAttachOptions{})
	require.NoError(s.t, err)
	defer attached.Close()
	printed := demultiplexed(s.t, attached.Reader)
	ended, err := engine.ContainerExecInspect(ctx, created.ID)
	require.NoError(s.t, err)
	require.Zero(s.t, ended.ExitCode, "%v printed: %s", args, printed)
	return printed
}

// login waits until the published port lets the user in.
func (s *server) login(user, password, database string) *pgx.Conn {
	s.t.Helper()
	var connection *pgx.Conn
	require.Eventually(s.t, func() (ok bool) {
		var err error
		connection, err = s.connect(user, password, database)
		return err == nil
	}, patience, poll)
	s.t.Cleanup(func() { require.NoError(s.t, connection.Close(context.Background())) })
	return connection
}

// connect tries to log in once, from outside the container.
func (s *server) connect(user, password, database string) (*pgx.Conn, error) {
	found, err := engine.ContainerInspect(s.t.Context(), s.id)
	if err != nil {
		return nil, err
	}
	published := found.NetworkSettings.Ports["5432/tcp"]
	if len(published) == 0 {
		return nil, fmt.Errorf("the container is %s", found.State.Status)
	}
	config, err := pgx.ParseConfig("host=127.0.0.1 sslmode=disable port=" + published[0].HostPort)
	if err != nil {
		return nil, err
	}
	config.User, config.Password, config.Database = user, password, database
	return pgx.ConnectConfig(s.t.Context(), config)
}

// value returns the single value that a query yields, as text.
func value(t *testing.T, connection *pgx.Conn, query string, args ...any) string {
	t.Helper()
	var text string
	require.NoError(t, connection.QueryRow(t.Context(), "SELECT ("+query+")::text", args...).Scan(&text))
	return text
}
