package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/acquire"
	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/dockerengine/dockertest"
)

var pulumiCLI = sync.OnceValues(func() (string, error) { return acquire.CLI(context.Background(), func(string, ...any) {}) })

// Subnets and ports are counted from a point that differs between processes.
var (
	subnets = newCounter()
	ports   = newCounter()
)

func newCounter() *atomic.Uint32 {
	counter := new(atomic.Uint32)
	counter.Store(uint32(os.Getpid()) * 37)
	return counter
}

// freeSubnet returns a private network that no Docker network overlaps.
func freeSubnet(t testing.TB, docker *client.Client) string {
	t.Helper()
	used, err := dockerengine.Networks(t.Context(), docker, nil)
	require.NoError(t, err)
	for {
		n := subnets.Add(1)
		subnet := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 128 + byte(n>>8)%64, byte(n), 0}), 24)
		if !overlaps(subnet, used) {
			return subnet.String()
		}
	}
}

func overlaps(subnet netip.Prefix, used []network.Summary) bool {
	for _, other := range used {
		for _, pool := range other.IPAM.Config {
			if theirs, err := netip.ParsePrefix(pool.Subnet); err == nil && theirs.Overlaps(subnet) {
				return true
			}
		}
	}
	return false
}

// freePort returns a free port of the loopback interface from a range that no
// outgoing connection is given.
func freePort(t testing.TB) int {
	t.Helper()
	for {
		port := 20000 + int(ports.Add(1)%10000)
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			require.NoError(t, listener.Close())
			return port
		}
	}
}

// clean removes whatever the stack still has in Docker.
func (p *project) clean() {
	ctx, stack := context.Background(), p.config()
	remove := func(kind, name string, there bool, err error, remove func() error) {
		if err == nil && there {
			err = remove()
		}
		assert.NoError(p.t, err, "clean up %s %s", kind, name)
	}
	_, there, _ := dockerengine.Container(ctx, p.docker, stack.Server.Name)
	if there && stack.Storage.Type == config.Bind {
		p.emptyBind()
	}
	for _, name := range []string{stack.BackupContainer(), stack.Server.Name, stack.Initialiser()} {
		_, there, err := dockerengine.Container(ctx, p.docker, name)
		remove("container", name, there, err, func() error {
			return p.docker.ContainerRemove(ctx, name, container.RemoveOptions{Force: true, RemoveVolumes: true})
		})
	}
	for _, name := range []string{stack.Network.Name, stack.Network.AdminName} {
		_, there, err := dockerengine.Network(ctx, p.docker, name)
		remove("network", name, there, err, func() error { return p.docker.NetworkRemove(ctx, name) })
	}
	for _, name := range []string{stack.Storage.Volume, stack.Backup.Volume} {
		_, there, err := dockerengine.Volume(ctx, p.docker, name)
		remove("volume", name, there, err, func() error { return p.docker.VolumeRemove(ctx, name, true) })
	}
}

// left names what the stack has in Docker.
func (p *project) left() []string {
	p.t.Helper()
	var left []string
	ctx, stack := p.t.Context(), p.config()
	add := func(kind, name string, there bool, err error) {
		require.NoError(p.t, err)
		if there {
			left = append(left, kind+" "+name)
		}
	}
	for _, name := range []string{stack.Server.Name, stack.BackupContainer(), stack.Initialiser()} {
		_, there, err := dockerengine.Container(ctx, p.docker, name)
		add("container", name, there, err)
	}
	for _, name := range []string{stack.Network.Name, stack.Network.AdminName} {
		_, there, err := dockerengine.Network(ctx, p.docker, name)
		add("network", name, there, err)
	}
	_, there, err := dockerengine.Volume(ctx, p.docker, stack.Storage.Volume)
	add("volume", stack.Storage.Volume, there, err)
	return left
}

// container inspects the stack's container.
func (p *project) container() container.InspectResponse {
	p.t.Helper()
	found, there, err := dockerengine.Container(p.t.Context(), p.docker, p.config().Server.Name)
	require.NoError(p.t, err)
	require.True(p.t, there, "the container is not there")
	return found
}

// healthy awaits that Docker calls the container healthy.
func (p *project) healthy() {
	p.t.Helper()
	await(p.t, 45*time.Second, "healthy container", func() error {
		found := p.container()
		if found.State.Health == nil || found.State.Health.Status != container.Healthy {
			text, err := json.Marshal(found.State)
			return fmt.Errorf("its state is %s %w", text, err)
		}
		return nil
	})
}

// exec runs a command in the stack's container.
func (p *project) exec(user string, command ...string) (output string, code int) {
	p.t.Helper()
	return execIn(p.t, p.docker, p.config().Server.Name, user, command...)
}

func execIn(t testing.TB, docker *client.Client, name, user string, command ...string) (output string, code int) {
	t.Helper()
	output, code, err := execute(t.Context(), docker, name, user, command...)
	require.NoError(t, err)
	return output, code
}

// execute runs a command in a container.
func execute(ctx context.Context, docker *client.Client, name, user string, command ...string) (output string, code int, err error) {
	created, err := docker.ContainerExecCreate(ctx, name, container.ExecOptions{
		User: user, Cmd: command, AttachStdout: true, AttachStderr: true,
		Env: []string{"RES_OPTIONS=timeout:1 attempts:1"}, // names that nobody knows take long enough
	})
	if err != nil {
		return "", 0, err
	}
	attached, err := docker.ContainerExecAttach(ctx, created.ID, container.ExecAttachOptions{})
	if err != nil {
		return "", 0, err
	}
	defer attached.Close()
	var out bytes.Buffer
	if _, err = stdcopy.StdCopy(&out, &out, attached.Reader); err != nil {
		return out.String(), 0, err
	}
	inspected, err := docker.ContainerExecInspect(ctx, created.ID)
	return out.String(), inspected.ExitCode, err
}

// neighbour is a container of the test's own.
type neighbour struct {
	// network that it is on.
	network string
	// aliases that it has there.
	aliases []string
	env     []string
	command []string
	binds   []string
}

// start runs a neighbour from the image of the stack's server; it is removed after the test.
func (p *project) start(t testing.TB, n neighbour) (name string) {
	t.Helper()
	name = prefix + dockertest.Name(t)
	settings := &container.Config{Image: p.container().Config.Image, Env: n.env}
	if len(n.command) > 0 {
		settings.Entrypoint = n.command
	}
	_, err := p.docker.ContainerCreate(t.Context(), settings,
		&container.HostConfig{Binds: n.binds},
		&network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{n.network: {Aliases: n.aliases}}},
		nil, name)
	require.NoError(t, err)
	t.Cleanup(func() { p.stop(t, name) })
	require.NoError(t, p.docker.ContainerStart(t.Context(), name, container.StartOptions{}))
	return name
}

// stop removes a neighbour, if that was not done before.
func (p *project) stop(t testing.TB, name string) {
	t.Helper()
	_, there, err := dockerengine.Container(context.Background(), p.docker, name)
	if err == nil && there {
		err = p.docker.ContainerRemove(context.Background(), name, container.RemoveOptions{Force: true, RemoveVolumes: true})
	}
	assert.NoError(t, err)
}

// idle is what a neighbour does that only commands are run in.
var idle = []string{"sleep", "600"}

// log of a container.
func containerLog(t testing.TB, docker *client.Client, name string) string {
	t.Helper()
	reader, err := docker.ContainerLogs(t.Context(), name, container.LogsOptions{ShowStdout: true, ShowStderr: true})
	require.NoError(t, err)
	defer reader.Close()
	var out bytes.Buffer
	_, err = stdcopy.StdCopy(&out, &out, io.Reader(reader))
	require.NoError(t, err)
	return out.String()
}

// emptyBind deletes the server's files in a bind directory, which belong to
// the user of the server, so that the test's own folder can be removed.
func (p *project) emptyBind() {
	if os.Geteuid() == 0 {
		return
	}
	_, code := p.exec("root", "sh", "-c", "rm -rf /var/lib/postgresql/data/*")
	assert.Zero(p.t, code, "files of %s", p.config().Storage.Path)
}
