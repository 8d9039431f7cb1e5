package acquire

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types"
	typesimage "github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/dockerengine/dockertest"
	"github.com/witchcityrope/database/internal/standin/image"
)

// fakeEngine has some images and a registry that gives or refuses.
type fakeEngine struct {
	client.APIClient
	there        map[string]bool
	pulled       int
	answer       string
	refuse       error
	architecture string
}

func (f *fakeEngine) ImageInspect(_ context.Context, ref string, _ ...client.ImageInspectOption) (typesimage.InspectResponse, error) {
	if !f.there[ref] {
		return typesimage.InspectResponse{}, errdefs.ErrNotFound
	}
	return typesimage.InspectResponse{ID: ref}, nil
}

func (f *fakeEngine) ImagePull(context.Context, string, typesimage.PullOptions) (io.ReadCloser, error) {
	f.pulled++
	return io.NopCloser(strings.NewReader(f.answer)), f.refuse
}

func (f *fakeEngine) ServerVersion(context.Context) (types.Version, error) {
	return types.Version{Arch: f.architecture}, nil
}

func TestPullImage(t *testing.T) {
	var heard said
	engine := &fakeEngine{answer: `{"status":"Pulling fs layer","id":"a1"}{"status":"Pull complete","id":"a1"}`}
	require.NoError(t, PullImage(t.Context(), engine, "example:1", heard.report))
	assert.Equal(t, "pulling image example:1\nlayer a1 is there", heard.String())

	engine = &fakeEngine{there: map[string]bool{"example:1": true}}
	require.NoError(t, PullImage(t.Context(), engine, "example:1", t.Logf))
	assert.Zero(t, engine.pulled)

	engine = &fakeEngine{answer: `{"error":"no space left"}`}
	require.ErrorContains(t, PullImage(t.Context(), engine, "example:1", t.Logf), "pull image example:1: no space left")

	engine = &fakeEngine{answer: `{"status":`}
	require.ErrorContains(t, PullImage(t.Context(), engine, "example:1", t.Logf), "progress")
}

func TestServerImage(t *testing.T) {
	ownCache(t)
	standIn, err := StandInRef()
	require.NoError(t, err)
	refused := errors.New("no such host")

	engine := &fakeEngine{there: map[string]bool{standIn: true}, refuse: refused}
	_, err = ServerImage(t.Context(), engine, "example:1", false, t.Logf)
	require.ErrorIs(t, err, refused, "no stand-in allowed")
	found, err := FindImage(t.Context(), engine, "example:1")
	require.NoError(t, err)
	assert.Equal(t, Image{Ref: standIn, StandIn: true, Why: "example:1 is not there"}, found)

	chosen, err := ServerImage(t.Context(), engine, "example:1", true, t.Logf)
	require.NoError(t, err)
	assert.Equal(t, Image{Ref: standIn, StandIn: true, Why: "pull image example:1: no such host"}, chosen)
	assert.Equal(t, 2, engine.pulled)

	// The registry is not asked again for a day,
	chosen, err = ServerImage(t.Context(), engine, "example:1", true, t.Logf)
	require.NoError(t, err)
	assert.Contains(t, chosen.Why, "not again before")
	assert.Equal(t, 2, engine.pulled)

	// unless there is no other way, whose success is remembered.
	engine.refuse = nil
	chosen, err = ServerImage(t.Context(), engine, "example:1", false, t.Logf)
	require.NoError(t, err)
	assert.Equal(t, Image{Ref: "example:1"}, chosen)
	why, err := ImageFailure("example:1")
	require.NoError(t, err)
	assert.Empty(t, why)

	engine.there["example:1"] = true
	found, err = FindImage(t.Context(), engine, "example:1")
	require.NoError(t, err)
	assert.Equal(t, Image{Ref: "example:1"}, found)
}

func TestStandInImageForAnotherArchitecture(t *testing.T) {
	ownCache(t)
	engine := &fakeEngine{architecture: "s390x"}
	_, err := StandInImage(t.Context(), engine, t.Logf)
	require.Error(t, err)
	ready, err := CanStandInImage(t.Context(), engine)
	assert.Error(t, err)
	assert.False(t, ready)
}

func TestLoadImage(t *testing.T) {
	engine := dockertest.Engine(t)
	ref := dockertest.Name(t) + ":1"
	dir := t.TempDir()
	root := filepath.Join(dir, "root.tar")
	file, err := os.Create(root)
	require.NoError(t, err)
	archive := tar.NewWriter(file)
	require.NoError(t, archive.WriteHeader(&tar.Header{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o755}))
	require.NoError(t, archive.Close())
	require.NoError(t, file.Close())
	compressed := filepath.Join(dir, "image.tar.zst")
	require.NoError(t, compress(compressed, func(out io.Writer) error {
		return image.WriteArchive(out, root, ref, "amd64")
	}))

	require.NoError(t, loadImage(t.Context(), engine, compressed))
	t.Cleanup(func() {
		_, err := engine.ImageRemove(context.Background(), ref, typesimage.RemoveOptions{Force: true})
		require.NoError(t, err)
	})
	loaded, there, err := dockerengine.Image(t.Context(), engine, ref)
	require.NoError(t, err)
	require.True(t, there)
	assert.Equal(t, "SIGINT", loaded.Config.StopSignal)
	assert.Equal(t, []string{"docker-entrypoint.sh"}, []string(loaded.Config.Entrypoint))
	assert.Contains(t, loaded.Config.Volumes, "/var/lib/postgresql/data")
	assert.Contains(t, loaded.Config.ExposedPorts, "5432/tcp")

	require.NoError(t, os.WriteFile(compressed, []byte("not zstd"), 0o600))
	assert.Error(t, loadImage(t.Context(), engine, compressed))
}

// A registry that nobody runs, asked by a real engine.
func TestServerImageWithoutRegistry(t *testing.T) {
	engine := dockertest.Engine(t)
	standIn, err := StandInImage(t.Context(), engine, t.Logf)
	require.NoError(t, err)
	ready, err := CanStandInImage(t.Context(), engine)
	require.NoError(t, err)
	assert.True(t, ready)

	ownCache(t)
	chosen, err := ServerImage(t.Context(), engine, "127.0.0.1:1/nothing:1", true, t.Logf)
	require.NoError(t, err)
	assert.Equal(t, standIn, chosen.Ref)
	assert.True(t, chosen.StandIn)
	assert.Contains(t, chosen.Why, "connection refused")
}
