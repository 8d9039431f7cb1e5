package pgserver

import (
	"context"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/client"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/witchcityrope/database/internal/dockerengine"
)

var (
	_ infer.CustomRead[DataDirectoryArgs, DataDirectoryState]   = (*DataDirectory)(nil)
	_ infer.CustomUpdate[DataDirectoryArgs, DataDirectoryState] = (*DataDirectory)(nil)
	_ infer.CustomDelete[DataDirectoryState]                    = (*DataDirectory)(nil)
)

// initialisation is how long an image's entrypoint may take for a new cluster, with
// all scripts of its own.
const initialisation = 10 * time.Minute

// initialise has the image's entrypoint make a new cluster where there is none, which it does
// before it runs postgres in any way; with -C that prints something and ends. Beside the data
// directory, and moved there when it is whole: half a cluster would be taken for one.
const initialise = `set -e
if [ -s "$PGDATA/PG_VERSION" ]; then exit; fi
directory=$PGDATA
export PGDATA=$directory.new
rm -rf "$PGDATA"
docker-entrypoint.sh postgres -C data_directory
if [ -e "$directory" ]; then rmdir "$directory"; fi
mv "$PGDATA" "$directory"`

// docker reaches the Docker Engine.
type docker func(context.Context) (client.APIClient, error)

func connectDocker(ctx context.Context) (client.APIClient, error) {
	return dockerengine.Connect(ctx, "")
}

// DataDirectory is a data directory, in a Docker volume, that is initialised.
type DataDirectory struct{ docker docker }

// DataDirectoryArgs are the inputs of DataDirectory.
type DataDirectoryArgs struct {
	Volume      string            `pulumi:"volume" provider:"replaceOnChanges"`
	Path        string            `pulumi:"path"`
	Image       string            `pulumi:"image"`
	Environment []string          `pulumi:"environment" provider:"secret"`
	Container   string            `pulumi:"container"`
	Labels      map[string]string `pulumi:"labels,optional"`
}

// DataDirectoryState is the state of DataDirectory.
type DataDirectoryState struct{ DataDirectoryArgs }

// Annotate describes the resource.
func (r *DataDirectory) Annotate(a infer.Annotator) {
	a.Describe(&r, "A data directory that is initialised: by a container of the server's image that ends with it, before the server's own container starts. "+
		"One that holds a cluster already is left as it is, and deleting the resource deletes no data.")
}

// Annotate describes the inputs.
func (args *DataDirectoryArgs) Annotate(a infer.Annotator) {
	a.Describe(&args.Volume, "Name of the Docker volume that the data directory is in.")
	a.Describe(&args.Path, "Where the volume is mounted.")
	a.Describe(&args.Image, "Image of the server; its entrypoint initialises the data directory.")
	a.Describe(&args.Environment, "What the entrypoint is told, NAME=value: PGDATA, POSTGRES_PASSWORD and others. Only a new cluster reads it.")
	a.Describe(&args.Container, "Name of the container that initialises the data directory, while there is one.")
	a.Describe(&args.Labels, "Labels of that container.")
}

// Create initialises the data directory.
func (r *DataDirectory) Create(ctx context.Context, request infer.CreateRequest[DataDirectoryArgs]) (infer.CreateResponse[DataDirectoryState], error) {
	return created(request, request.Inputs.Volume, DataDirectoryState{request.Inputs}, func() error { return r.initialise(ctx, request.Inputs) })
}

// Update changes nothing: only a new cluster is told anything.
func (r *DataDirectory) Update(_ context.Context, request infer.UpdateRequest[DataDirectoryArgs, DataDirectoryState]) (infer.UpdateResponse[DataDirectoryState], error) {
	return infer.UpdateResponse[DataDirectoryState]{Output: DataDirectoryState{request.Inputs}}, nil
}

// Read looks whether the volume is still there.
func (r *DataDirectory) Read(ctx context.Context, request infer.ReadRequest[DataDirectoryArgs, DataDirectoryState]) (infer.ReadResponse[DataDirectoryArgs, DataDirectoryState], error) {
	response := infer.ReadResponse[DataDirectoryArgs, DataDirectoryState](request)
	engine, err := r.docker(ctx)
	if err != nil {
		return response, err
	}
	defer engine.Close()
	if _, there, err := dockerengine.Volume(ctx, engine, request.ID); err != nil || there {
		return response, err
	}
	return infer.ReadResponse[DataDirectoryArgs, DataDirectoryState]{}, nil
}

// Delete takes away what a killed run may have left beside the data.
func (r *DataDirectory) Delete(ctx context.Context, request infer.DeleteRequest[DataDirectoryState]) (infer.DeleteResponse, error) {
	engine, err := r.docker(ctx)
	if err != nil {
		return infer.DeleteResponse{}, err
	}
	defer engine.Close()
	return infer.DeleteResponse{}, dockerengine.AwaitEnd(ctx, engine, request.State.Container, request.State.Labels)
}

// initialise goes on when the run is interrupted: half a data directory is of no use.
func (r *DataDirectory) initialise(ctx context.Context, args DataDirectoryArgs) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), initialisation)
	defer cancel()
	engine, err := r.docker(ctx)
	if err != nil {
		return err
	}
	defer engine.Close()
	err = dockerengine.RunToEnd(ctx, engine, args.Container,
		&container.Config{Image: args.Image, Env: args.Environment, Labels: args.Labels, Entrypoint: []string{"sh", "-c", initialise}},
		&container.HostConfig{
			NetworkMode: "none",
			Mounts:      []mount.Mount{{Type: mount.TypeVolume, Source: args.Volume, Target: args.Path}},
		})
	if err != nil {
		return fmt.Errorf("initialising the data directory in volume %q: %w", args.Volume, err)
	}
	return nil
}
