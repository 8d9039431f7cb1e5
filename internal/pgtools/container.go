package pgtools

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/docker/go-units"
)

const (
	scratch = "/wcrdb"            // where a container keeps its files
	memory  = scratch + "/memory" // where it keeps those that no disk may have
	user    = 65534               // nobody: the programs need no rights
	port    = 5432                // of a server in a container
	poll    = 5 * time.Millisecond
	leaving = 30 * time.Second // how long a container may take to be removed
)

// Options say what a throwaway container is like.
type Options struct {
	Engine client.APIClient
	// Image is the server's, so that the programs are of its version.
	Image string
	// Network is one that the server is on, Host its name there.
	Network, Host string
	// Port is 5432 unless given.
	Port int
	// CAPEM are the CAs that the server's certificate is verified by; TLS is off where there is none.
	CAPEM []byte
	// Login and Password are a role's.
	Login, Password string
	// Name is what the container's name begins with.
	Name   string
	Labels map[string]string
	// CPUs and Memory (bytes) are limits: 1 and 512 MiB unless given.
	CPUs   float64
	Memory int64
	// Files is how many bytes files may have that are in memory, beside Memory, and
	// on no disk; if 0 files are on the container's.
	Files int64
}

// ErrMemory says that Docker's host has too little memory for files.
var ErrMemory = errors.New("too little memory")

// room refuses files that would leave others too little memory.
func (o Options) room(ctx context.Context) error {
	if o.Files == 0 {
		return nil
	}
	info, err := o.Engine.Info(ctx)
	if err == nil && o.Files > info.MemTotal/2 {
		err = fmt.Errorf("%w: files of %s that no disk may have are in memory, and more than half of the %s of Docker's host: take one with more",
			ErrMemory, units.BytesSize(float64(o.Files)), units.BytesSize(float64(info.MemTotal)))
	}
	return err
}

// host is what the container may take of its host.
func (o Options) host() *container.HostConfig {
	limit := cmp.Or(o.Memory, 512<<20) + o.Files
	config := &container.HostConfig{
		AutoRemove: true, NetworkMode: container.NetworkMode(o.Network),
		LogConfig:   container.LogConfig{Type: "none"},
		Resources:   container.Resources{NanoCPUs: int64(cmp.Or(o.CPUs, 1) * 1e9), Memory: limit, MemorySwap: limit},
		SecurityOpt: []string{"no-new-privileges"}, CapDrop: []string{"ALL"},
	}
	if o.Files > 0 {
		config.Tmpfs = map[string]string{memory: fmt.Sprintf("rw,noexec,nosuid,nodev,mode=0700,uid=%d,gid=%[1]d,size=%d", user, o.Files)}
	}
	return config
}

// Container is a throwaway container that programs run in.
type Container struct {
	inside
	files string // where its own are
	login Login
	stdin types.HijackedResponse
}

// inside runs programs in a container that runs.
type inside struct {
	engine      client.APIClient
	id          string
	environment []string
	dir         string
}

// Inside runs programs in somebody's running container, as they find things there.
func Inside(engine client.APIClient, container string) Runner {
	return inside{engine: engine, id: container}
}

// Start starts a container, which waits until it is closed. It ends, and is
// removed, by itself when this process is gone: it waits on its standard input.
func Start(ctx context.Context, options Options) (*Container, error) {
	if err := options.room(ctx); err != nil {
		return nil, err
	}
	login := Login{Host: options.Host, Port: cmp.Or(options.Port, port), Username: options.Login, Password: options.Password, CAPEM: options.CAPEM}
	started := &Container{login: login, files: scratch, inside: inside{engine: options.Engine, environment: login.environment(scratch), dir: scratch}}
	if options.Files > 0 {
		started.files = memory
	}
	made, err := options.Engine.ContainerCreate(ctx, &container.Config{
		Image: options.Image, Entrypoint: []string{"cat"}, Cmd: []string{}, User: fmt.Sprintf("%d:%[1]d", user),
		Labels: options.Labels, OpenStdin: true, StdinOnce: true, AttachStdin: true,
		Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
	}, options.host(), &network.NetworkingConfig{}, nil, fmt.Sprintf("%s-tools-%s", options.Name, strings.ToLower(rand.Text()[:8])))
	if err != nil {
		return nil, fmt.Errorf("container for PostgreSQL's programs, of image %s: %w", options.Image, err)
	}
	started.id = made.ID
	if err := started.begin(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("container for PostgreSQL's programs, of image %s: %w", options.Image, err), started.Close(ctx))
	}
	return started, nil
}

func (c *Container) begin(ctx context.Context) (err error) {
	files, err := archive(c.login.files())
	if err != nil {
		return err
	}
	if err := c.engine.CopyToContainer(ctx, c.id, "/", files, container.CopyToContainerOptions{}); err != nil {
		return err
	}
	if c.stdin, err = c.engine.ContainerAttach(ctx, c.id, container.AttachOptions{Stream: true, Stdin: true}); err != nil {
		return err
	}
	return c.engine.ContainerStart(ctx, c.id, container.StartOptions{})
}

// Close removes the container with all that is in it, even where ctx is done.
func (c *Container) Close(ctx context.Context) error {
	if c.stdin.Conn != nil {
		c.stdin.Close()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaving)
	defer cancel()
	for {
		err := c.engine.ContainerRemove(ctx, c.id, container.RemoveOptions{Force: true, RemoveVolumes: true})
		switch {
		case errdefs.IsNotFound(err):
			return nil
		case err != nil && !errdefs.IsConflict(err): // a removal is under way
			return fmt.Errorf("removing the container for PostgreSQL's programs: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("removing the container for PostgreSQL's programs: %w", errors.Join(err, ctx.Err()))
		case <-time.After(poll):
		}
	}
}

// Path is where a file of the container's own is, for programs that need one.
func (c *Container) Path(name string) string { return c.files + "/" + name }

// Put writes a file of the container's own.
func (c *Container) Put(ctx context.Context, name string, content io.Reader) error {
	return c.Run(ctx, Command{Args: []string{"sh", "-c", `umask 077; exec cat >"$1"`, "sh", c.Path(name)}, Stdin: content})
}

// Run implements Runner. A program that is cancelled may go on until the
// container is closed.
func (c inside) Run(ctx context.Context, command Command) error {
	program := command.Args[0]
	made, err := c.engine.ContainerExecCreate(ctx, c.id, container.ExecOptions{
		Cmd: command.Args, Env: c.environment, WorkingDir: c.dir,
		AttachStdin: command.Stdin != nil, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return fmt.Errorf("%s: %w", program, err)
	}
	streams, err := c.engine.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{})
	if err != nil {
		return fmt.Errorf("%s: %w", program, err)
	}
	defer streams.Close()
	stop := context.AfterFunc(ctx, streams.Close)
	defer stop()
	input := &source{from: command.Stdin}
	fed := make(chan error, 1)
	go func() { fed <- input.feed(streams) }()
	heard := &said{each: command.Stderr}
	stdout := command.Stdout
	if stdout == nil {
		stdout = io.Discard
	}
	_, err = stdcopy.StdCopy(stdout, heard, streams.Reader)
	tail := heard.end()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", program, context.Cause(ctx))
	case err != nil:
		return fmt.Errorf("%s: its output: %w", program, err)
	}
	status, err := c.status(ctx, made.ID)
	if err == nil && status == 0 {
		select {
		case err = <-fed:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	return ended(program, status, tail, errors.Join(err, input.fault()))
}

func (s *source) feed(streams types.HijackedResponse) error {
	if s.from == nil {
		return nil
	}
	_, err := io.Copy(streams.Conn, s)
	return errors.Join(err, streams.CloseWrite())
}

// status awaits the end of a program whose output has ended.
func (c inside) status(ctx context.Context, id string) (int, error) {
	for {
		found, err := c.engine.ContainerExecInspect(ctx, id)
		if err != nil {
			return 0, fmt.Errorf("the container that it ran in is gone: %w", err)
		}
		if !found.Running {
			return found.ExitCode, nil
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-time.After(poll):
		}
	}
}

// archive has the directory for files, and the files.
func archive(files map[string][]byte) (io.Reader, error) {
	var buffer bytes.Buffer
	writer := tar.NewWriter(&buffer)
	err := writer.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: scratch[1:] + "/", Mode: 0o700, Uid: user, Gid: user})
	for name, content := range files {
		header := &tar.Header{Name: scratch[1:] + "/" + name, Mode: 0o600, Uid: user, Gid: user, Size: int64(len(content))}
		if err == nil {
			err = writer.WriteHeader(header)
		}
		if err == nil {
			_, err = writer.Write(content)
		}
	}
	return &buffer, errors.Join(err, writer.Close())
}
