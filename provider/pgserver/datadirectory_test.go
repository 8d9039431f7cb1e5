package pgserver

import (
	"context"
	"errors"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeDocker has volumes, and containers that end as soon as they start.
type fakeDocker struct {
	client.APIClient
	volumes map[string]bool
	status  int64
	present map[string]*container.Config
	ran     []*container.Config
	mounted []string
}

func (f *fakeDocker) Close() error { return nil }

func (f *fakeDocker) VolumeInspect(_ context.Context, name string) (volume.Volume, error) {
	if !f.volumes[name] {
		return volume.Volume{}, errdefs.ErrNotFound
	}
	return volume.Volume{Name: name}, nil
}

func (f *fakeDocker) ContainerInspect(_ context.Context, name string) (container.InspectResponse, error) {
	config, there := f.present[name]
	if !there {
		return container.InspectResponse{}, errdefs.ErrNotFound
	}
	return container.InspectResponse{ContainerJSONBase: &container.ContainerJSONBase{ID: name}, Config: config}, nil
}

func (f *fakeDocker) ContainerCreate(_ context.Context, config *container.Config, host *container.HostConfig, _ *network.NetworkingConfig, _ *ocispec.Platform, name string) (container.CreateResponse, error) {
	f.present[name] = config
	f.ran = append(f.ran, config)
	for _, mount := range host.Mounts {
		f.mounted = append(f.mounted, mount.Source+" at "+mount.Target)
	}
	if host.NetworkMode != "none" {
		return container.CreateResponse{}, errors.New("it needs no network")
	}
	return container.CreateResponse{ID: name}, nil
}

func (f *fakeDocker) ContainerStart(context.Context, string, container.StartOptions) error {
	return nil
}

func (f *fakeDocker) ContainerWait(context.Context, string, container.WaitCondition) (<-chan container.WaitResponse, <-chan error) {
	ended := make(chan container.WaitResponse, 1)
	ended <- container.WaitResponse{StatusCode: f.status}
	return ended, nil
}

func (f *fakeDocker) ContainerRemove(_ context.Context, name string, _ container.RemoveOptions) error {
	delete(f.present, name)
	return nil
}

func dataDirectory() (*fakeDocker, *DataDirectory, DataDirectoryArgs) {
	fake := &fakeDocker{volumes: map[string]bool{"data": true}, present: map[string]*container.Config{}}
	return fake, &DataDirectory{func(context.Context) (client.APIClient, error) { return fake, nil }}, DataDirectoryArgs{
		Volume: "data", Path: "/data", Image: "image", Environment: []string{"PGDATA=/data/pgdata"}, Container: "db-initdb", Labels: map[string]string{"stack": "dev"},
	}
}

// A preview does nothing; a creation runs the image once, on the volume, and leaves nothing but data.
func TestDataDirectory(t *testing.T) {
	docker, resource, args := dataDirectory()
	response, err := resource.Create(t.Context(), infer.CreateRequest[DataDirectoryArgs]{Inputs: args, DryRun: true})
	require.NoError(t, err)
	assert.Empty(t, docker.ran)
	assert.Equal(t, "data", response.ID)

	interrupted, interrupt := context.WithCancel(t.Context())
	interrupt()
	_, err = resource.Create(interrupted, infer.CreateRequest[DataDirectoryArgs]{Inputs: args})
	require.NoError(t, err, "half a data directory is of no use")
	require.Len(t, docker.ran, 1)
	assert.Equal(t, args.Environment, docker.ran[0].Env)
	assert.Equal(t, []string{"data at /data"}, docker.mounted)
	assert.Empty(t, docker.present)

	_, err = resource.Update(t.Context(), infer.UpdateRequest[DataDirectoryArgs, DataDirectoryState]{Inputs: args})
	require.NoError(t, err)
	assert.Len(t, docker.ran, 1, "only a new cluster is told anything")
}

// Where the volume is gone, so is what was in it.
func TestDataDirectoryRead(t *testing.T) {
	docker, resource, args := dataDirectory()
	request := infer.ReadRequest[DataDirectoryArgs, DataDirectoryState]{ID: "data", Inputs: args, State: DataDirectoryState{args}}
	response, err := resource.Read(t.Context(), request)
	require.NoError(t, err)
	assert.Equal(t, "data", response.ID)
	assert.Equal(t, args, response.Inputs)

	docker.volumes = nil
	response, err = resource.Read(t.Context(), request)
	require.NoError(t, err)
	assert.Empty(t, response.ID)
}

// What a killed run has left goes with the resource, unless it is somebody else's.
func TestDataDirectoryDelete(t *testing.T) {
	docker, resource, args := dataDirectory()
	docker.present["db-initdb"] = &container.Config{Labels: map[string]string{"stack": "prod"}}
	request := infer.DeleteRequest[DataDirectoryState]{ID: "data", State: DataDirectoryState{args}}
	_, err := resource.Delete(t.Context(), request)
	assert.ErrorContains(t, err, "not this stack's")
	assert.Len(t, docker.present, 1)

	docker.present["db-initdb"].Labels["stack"] = "dev"
	_, err = resource.Delete(t.Context(), request)
	require.NoError(t, err)
	assert.Empty(t, docker.present)
}
