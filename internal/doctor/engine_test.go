package doctor

import (
	"context"
	"strconv"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/nat"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/dockerengine/dockertest"
)

// reserved is an address range that no machine's network has (RFC 2544).
const reserved = "198.19.64.0/24"

func makeNetwork(t *testing.T, engine *client.Client, name string, labels map[string]string) {
	t.Helper()
	_, err := engine.NetworkCreate(t.Context(), name, network.CreateOptions{
		Internal: true, Labels: labels,
		IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: reserved}}},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, engine.NetworkRemove(context.Background(), name)) })
}

func TestSubnetOnARealEngine(t *testing.T) {
	engine := dockertest.Engine(t)
	ownCache(t)
	for name, test := range map[string]struct {
		labels map[string]string
		level  Level
		what   string
	}{
		"ours":      {ourLabels, OK, "is free"},
		"another's": {theirLabels, Fault, "overlaps " + reserved + " of the Docker network " + dockertest.Prefix},
	} {
		t.Run(name, func(t *testing.T) {
			request := usual(t)
			request.Image, request.Subnet = "example.invalid/none", "198.19.0.0/16"
			there := dockertest.Name(t)
			if test.level == OK {
				request.NetworkName, request.Subnet = there, reserved
			}
			makeNetwork(t, engine, there, test.labels)
			e := examination{Request: request, engine: engine, local: true, hosts: hostPrefixes}
			got := e.checkSubnet(t.Context())
			assert.Equal(t, test.level, got.Level, "%+v", got)
			assert.Contains(t, got.What, test.what)
		})
	}
}

func TestContainerAndPortOnARealEngine(t *testing.T) {
	engine := dockertest.Engine(t)
	ownCache(t)
	request := usual(t)
	request.ContainerName, request.Image = dockertest.Name(t), dockertest.Image(t, engine)
	for name, test := range map[string]struct {
		labels          map[string]string
		level           Level
		container, port string
	}{
		"ours":      {ourLabels, OK, "is this stack's container and is running", "published by this stack's container"},
		"another's": {theirLabels, Fault, "does not belong to this stack", "is published by the container"},
	} {
		t.Run(name, func(t *testing.T) {
			dockertest.Remove(t, engine, request.ContainerName)
			port := nat.PortMap{"5432/tcp": {{HostIP: request.PublishAddress, HostPort: strconv.Itoa(request.PublishPort)}}}
			created, err := engine.ContainerCreate(t.Context(), &container.Config{
				Image: request.Image, Labels: test.labels, ExposedPorts: nat.PortSet{"5432/tcp": {}},
			},
				&container.HostConfig{PortBindings: port}, nil, nil, request.ContainerName)
			require.NoError(t, err)
			require.NoError(t, engine.ContainerStart(t.Context(), created.ID, container.StartOptions{}))

			report := ExamineEngine(t.Context(), engine, request)
			for check, what := range map[string]string{"container": test.container, "port": test.port} {
				got := finding(t, report, check)
				assert.Equal(t, test.level, got.Level, "%+v", got)
				assert.Contains(t, got.What, what)
			}
			assert.Equal(t, OK, finding(t, report, "docker").Level)
			assert.Equal(t, OK, finding(t, report, "image").Level)
			assert.Equal(t, OK, finding(t, report, "disk").Level)
		})
	}
}
