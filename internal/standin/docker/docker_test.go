package docker

import (
	"context"
	"testing"

	"github.com/blang/semver"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/dockerengine/dockertest"
)

const (
	containerType = "docker:index/container:Container"
	networkType   = "docker:index/network:Network"
	volumeType    = "docker:index/volume:Volume"
	imageType     = "docker:index/remoteImage:RemoteImage"
)

func urn(kind string) resource.URN {
	return resource.NewURN("stack", "project", "", tokens.Type(kind), "name")
}

func serve(t *testing.T) integration.Server {
	t.Helper()
	provider, err := New()
	require.NoError(t, err)
	server, err := integration.NewServer(t.Context(), "docker", semver.MustParse("4.11.2"), integration.WithProvider(provider))
	require.NoError(t, err)
	return server
}

// inputs makes a property map of plain Go values.
func inputs(values map[string]any) property.Map {
	return resource.FromResourcePropertyMap(resource.NewPropertyMapFromMap(values))
}

func TestWhatReplacesAContainer(t *testing.T) {
	server := serve(t)
	before := map[string]any{
		"name": "db", "image": "sha256:1", "restart": "no", "memory": 64, "mustRun": false, "command": []any{"a", "b"},
		"envs": []any{"A=1", "B=2"}, "labels": []any{map[string]any{"label": "a", "value": "1"}}, "healthcheck": map[string]any{"tests": []any{"CMD"}},
		"networksAdvanced": []any{map[string]any{"name": "x", "aliases": []any{"db", "postgres"}}, map[string]any{"name": "y"}},
		"ports":            []any{map[string]any{"internal": 5432, "external": 5433, "ip": "127.0.0.1"}}, "tmpfs": map[string]any{"/run": "size=1m"},
	}
	for name, test := range map[string]struct {
		change  map[string]any
		changes bool
		replace bool
	}{
		"nothing":       {},
		"restart":       {change: map[string]any{"restart": "unless-stopped"}, changes: true},
		"memory":        {change: map[string]any{"memory": 128}, changes: true},
		"memory swap":   {change: map[string]any{"memorySwap": 128}, changes: true},
		"health check":  {change: map[string]any{"healthcheck": map[string]any{"tests": []any{"NONE"}}}, changes: true},
		"tmpfs":         {change: map[string]any{"tmpfs": map[string]any{"/run": "size=2m"}}, changes: true},
		"grace":         {change: map[string]any{"destroyGraceSeconds": 120}, changes: true},
		"image":         {change: map[string]any{"image": "sha256:2"}, changes: true, replace: true},
		"name":          {change: map[string]any{"name": "other"}, changes: true, replace: true},
		"command":       {change: map[string]any{"command": []any{"b", "a"}}, changes: true, replace: true},
		"label":         {change: map[string]any{"labels": []any{map[string]any{"label": "a", "value": "2"}}}, changes: true, replace: true},
		"order of envs": {change: map[string]any{"envs": []any{"B=2", "A=1"}}},
		"env":           {change: map[string]any{"envs": []any{"B=3", "A=1"}}, changes: true, replace: true},
		"port":          {change: map[string]any{"ports": []any{map[string]any{"internal": 5432, "external": 5434, "ip": "127.0.0.1"}}}, changes: true, replace: true},
		"order of networks": {change: map[string]any{"networksAdvanced": []any{
			map[string]any{"name": "y"}, map[string]any{"name": "x", "aliases": []any{"postgres", "db"}},
		}}},
		"network":      {change: map[string]any{"networksAdvanced": []any{map[string]any{"name": "x"}}}, changes: true, replace: true},
		"shared mem":   {change: map[string]any{"shmSize": 64}, changes: true, replace: true},
		"cpus":         {change: map[string]any{"cpus": "2"}, changes: true, replace: true},
		"stop timeout": {change: map[string]any{"stopTimeout": 10}, changes: true, replace: true},
	} {
		t.Run(name, func(t *testing.T) {
			after := map[string]any{}
			for _, values := range []map[string]any{before, test.change} {
				for input, value := range values {
					after[input] = value
				}
			}
			diff, err := server.Diff(p.DiffRequest{Urn: urn(containerType), OldInputs: inputs(before), Inputs: inputs(after)})
			require.NoError(t, err)
			assert.Equal(t, test.changes, diff.HasChanges)
			assert.True(t, diff.DeleteBeforeReplace)
			for input, change := range diff.DetailedDiff {
				assert.Equal(t, test.replace, change.Kind == p.UpdateReplace || change.Kind == p.AddReplace, input)
			}
		})
	}
}

func TestWhatTheStandInRefuses(t *testing.T) {
	server := serve(t)
	for name, test := range map[string]struct {
		values   map[string]any
		property string
	}{
		"waiting":            {map[string]any{"image": "x", "mustRun": false, "wait": true}, "wait"},
		"must run":           {map[string]any{"image": "x", "mustRun": true}, "mustRun"},
		"must run unsaid":    {map[string]any{"image": "x"}, "mustRun"},
		"what it has not":    {map[string]any{"image": "x", "mustRun": false, "gpus": "all"}, "gpus"},
		"what nobody has":    {map[string]any{"image": "x", "mustRun": false, "hartbeat": 1}, "hartbeat"},
		"no image":           {map[string]any{"mustRun": false}, "image"},
		"text for a number":  {map[string]any{"image": "x", "mustRun": false, "memory": "much"}, "memory"},
		"nested and unknown": {map[string]any{"image": "x", "mustRun": false, "ports": []any{map[string]any{"internal": 1, "extrenal": 2}}}, "extrenal"},
	} {
		t.Run(name, func(t *testing.T) {
			checked, err := server.Check(p.CheckRequest{Urn: urn(containerType), Inputs: inputs(test.values)})
			require.NoError(t, err)
			require.NotEmpty(t, checked.Failures)
			assert.Contains(t, checked.Failures[0].Property+checked.Failures[0].Reason, test.property)
		})
	}
}

func TestPreviewsNeedNoEngine(t *testing.T) {
	server := serve(t)
	require.NoError(t, server.Configure(p.ConfigureRequest{Args: inputs(map[string]any{"host": "tcp://127.0.0.1:1"})}))
	unknown := property.New(property.Computed)
	for kind, values := range map[string]property.Map{
		containerType: inputs(map[string]any{"name": "db", "mustRun": false}).Set("image", unknown).
			Set("ports", property.New([]property.Value{property.New(map[string]property.Value{"internal": unknown})})),
		networkType: inputs(map[string]any{"name": "db"}).Set("ipamConfigs", unknown),
		volumeType:  property.NewMap(map[string]property.Value{"name": unknown}),
		imageType:   property.NewMap(map[string]property.Value{"name": unknown}),
	} {
		checked, err := server.Check(p.CheckRequest{Urn: urn(kind), Inputs: values})
		require.NoError(t, err, kind)
		require.Empty(t, checked.Failures, kind)
		_, err = server.Create(p.CreateRequest{Urn: urn(kind), Properties: checked.Inputs, DryRun: true})
		require.NoError(t, err, kind)
		_, err = server.Diff(p.DiffRequest{Urn: urn(kind), OldInputs: checked.Inputs, Inputs: checked.Inputs})
		require.NoError(t, err, kind)
	}
	_, err := server.Create(p.CreateRequest{Urn: urn(networkType), Properties: inputs(map[string]any{"name": "db"})})
	require.ErrorContains(t, err, "no Docker Engine answers at tcp://127.0.0.1:1")
}

func TestNetworkLifeCycle(t *testing.T) {
	engine, server, name := dockertest.Engine(t), serve(t), dockertest.Name(t)
	values := inputs(map[string]any{
		"name": name, "driver": "bridge", "internal": true, "labels": []any{map[string]any{"label": "wcrdb.test", "value": name}},
		"options": map[string]any{"com.docker.network.bridge.enable_ip_masquerade": "false"},
	})
	created, err := server.Create(p.CreateRequest{Urn: urn(networkType), Properties: values})
	require.NoError(t, err)
	t.Cleanup(func() { _ = engine.NetworkRemove(context.Background(), name) })
	read := func(id string, properties, inputs property.Map) p.ReadResponse {
		response, err := server.Read(p.ReadRequest{Urn: urn(networkType), ID: id, Properties: properties, Inputs: inputs})
		require.NoError(t, err)
		return response
	}
	assert.Equal(t, values, read(created.ID, created.Properties, values).Inputs)
	imported := read(name, property.Map{}, property.Map{})
	assert.Equal(t, created.ID, imported.ID)
	assert.Equal(t, name, imported.Inputs.Get("name").AsString())
	assert.True(t, imported.Inputs.Get("internal").AsBool())

	require.NoError(t, engine.NetworkRemove(t.Context(), name))
	assert.Empty(t, read(created.ID, created.Properties, values).ID, "a removed network is gone")
	require.NoError(t, server.Delete(p.DeleteRequest{Urn: urn(networkType), ID: created.ID, Properties: created.Properties}))

	changed, err := engine.NetworkCreate(t.Context(), name, network.CreateOptions{Driver: "bridge", Labels: map[string]string{"wcrdb.test": name}})
	require.NoError(t, err)
	drifted := read(changed.ID, created.Properties, values)
	assert.False(t, drifted.Inputs.Get("internal").AsBool(), "another network of the same name has drifted")
	require.NoError(t, server.Delete(p.DeleteRequest{Urn: urn(networkType), ID: changed.ID, Properties: drifted.Properties}))
	_, there, err := dockerengine.Network(t.Context(), engine, name)
	require.NoError(t, err)
	assert.False(t, there)
}

func TestSubnetIsKept(t *testing.T) {
	engine, server, name := dockertest.Engine(t), serve(t), dockertest.Name(t)
	values := inputs(map[string]any{
		"name": name, "ipamConfigs": []any{map[string]any{"subnet": "10.213.77.0/24", "gateway": "10.213.77.1"}},
	})
	created, err := server.Create(p.CreateRequest{Urn: urn(networkType), Properties: values})
	require.NoError(t, err)
	t.Cleanup(func() { _ = engine.NetworkRemove(context.Background(), name) })
	response, err := server.Read(p.ReadRequest{Urn: urn(networkType), ID: created.ID, Properties: created.Properties, Inputs: values})
	require.NoError(t, err)
	assert.Equal(t, values, response.Inputs)
	_, err = server.Create(p.CreateRequest{Urn: urn(networkType), Properties: values.Set("name", property.New(name+"-2"))})
	require.ErrorContains(t, err, "another network has this subnet")
	require.NoError(t, server.Delete(p.DeleteRequest{Urn: urn(networkType), ID: created.ID, Properties: created.Properties}))
}

func TestVolumeLifeCycle(t *testing.T) {
	engine, server, name := dockertest.Engine(t), serve(t), dockertest.Name(t)
	values := inputs(map[string]any{"name": name, "labels": []any{map[string]any{"label": "wcrdb.test", "value": name}}})
	created, err := server.Create(p.CreateRequest{Urn: urn(volumeType), Properties: values})
	require.NoError(t, err)
	assert.Equal(t, name, created.ID)
	assert.NotEmpty(t, created.Properties.Get("mountpoint").AsString())
	response, err := server.Read(p.ReadRequest{Urn: urn(volumeType), ID: name, Properties: created.Properties, Inputs: values})
	require.NoError(t, err)
	assert.Equal(t, values, response.Inputs)
	require.NoError(t, engine.VolumeRemove(t.Context(), name, true))
	response, err = server.Read(p.ReadRequest{Urn: urn(volumeType), ID: name, Properties: created.Properties, Inputs: values})
	require.NoError(t, err)
	assert.Empty(t, response.ID)
	require.NoError(t, server.Delete(p.DeleteRequest{Urn: urn(volumeType), ID: name, Properties: created.Properties}))
}

func TestImage(t *testing.T) {
	engine, server := dockertest.Engine(t), serve(t)
	ref := dockertest.Image(t, engine)
	values := inputs(map[string]any{"name": ref, "keepLocally": true})
	created, err := server.Create(p.CreateRequest{Urn: urn(imageType), Properties: values})
	require.NoError(t, err)
	id := created.Properties.Get("imageId").AsString()
	assert.Equal(t, id+ref, created.ID)
	require.NoError(t, server.Delete(p.DeleteRequest{Urn: urn(imageType), ID: created.ID, Properties: created.Properties}))
	_, there, err := dockerengine.Image(t.Context(), engine, ref)
	require.NoError(t, err)
	assert.True(t, there, "an image to keep is kept")
	discard := created.Properties.Set("keepLocally", property.New(false))
	require.NoError(t, server.Delete(p.DeleteRequest{Urn: urn(imageType), ID: created.ID, Properties: discard}))
	response, err := server.Read(p.ReadRequest{Urn: urn(imageType), ID: created.ID, Properties: created.Properties, Inputs: values})
	require.NoError(t, err)
	assert.Empty(t, response.ID)
}

// running creates a container that waits to be stopped.
func running(t *testing.T, server integration.Server, engine *client.Client, extra map[string]any) (property.Map, p.CreateResponse) {
	t.Helper()
	name := dockertest.Name(t)
	values := map[string]any{"name": name, "image": dockertest.Image(t, engine), "mustRun": false, "destroyGraceSeconds": 20}
	for input, value := range extra {
		values[input] = value
	}
	dockertest.Remove(t, engine, name)
	created, err := server.Create(p.CreateRequest{Urn: urn(containerType), Properties: inputs(values)})
	require.NoError(t, err)
	return inputs(values), created
}

func TestContainerStopsGracefully(t *testing.T) {
	engine, server := dockertest.Engine(t), serve(t)
	_, created := running(t, server, engine, map[string]any{"stopSignal": "SIGINT"})
	dockertest.AwaitPause(t, engine, created.ID)
	exited, failed := engine.ContainerWait(t.Context(), created.ID, container.WaitConditionNotRunning)
	require.NoError(t, server.Delete(p.DeleteRequest{Urn: urn(containerType), ID: created.ID, Properties: created.Properties}))
	select {
	case result := <-exited:
		assert.EqualValues(t, 0, result.StatusCode, "the container was killed instead of stopped")
	case err := <-failed:
		require.NoError(t, err)
	}
	require.NoError(t, server.Delete(p.DeleteRequest{Urn: urn(containerType), ID: created.ID, Properties: created.Properties}),
		"deleting what is gone is no error")
}

func TestContainerDrift(t *testing.T) {
	engine, server := dockertest.Engine(t), serve(t)
	values, created := running(t, server, engine, map[string]any{
		"memory": 64, "memorySwap": 64, "restart": "unless-stopped", "cpus": "0.5", "shmSize": 16,
		"ports": []any{map[string]any{"internal": 5432, "external": dockertest.Port(t), "ip": "127.0.0.1"}},
	})
	read := func() p.ReadResponse {
		response, err := server.Read(p.ReadRequest{Urn: urn(containerType), ID: created.ID, Properties: created.Properties, Inputs: values})
		require.NoError(t, err)
		return response
	}
	assert.Equal(t, values, read().Inputs)
	_, err := engine.ContainerUpdate(t.Context(), created.ID, container.UpdateConfig{
		Resources:     container.Resources{Memory: 32 << 20, MemorySwap: 32 << 20},
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
	})
	require.NoError(t, err)
	drifted := read().Inputs
	assert.EqualValues(t, 32, drifted.Get("memory").AsNumber())
	assert.Equal(t, "no", drifted.Get("restart").AsString())

	require.NoError(t, engine.NetworkDisconnect(t.Context(), "bridge", created.ID, true))
	assert.True(t, read().Properties.Get("networkDatas").IsArray(), "none, which the state demands")

	require.NoError(t, engine.ContainerStop(t.Context(), created.ID, container.StopOptions{}))
	stopped := read()
	assert.Equal(t, created.ID, stopped.ID, "a stopped container is still there")
	assert.True(t, stopped.Inputs.Get("ports").IsNull(), "and publishes nothing")

	require.NoError(t, engine.ContainerRemove(t.Context(), created.ID, container.RemoveOptions{Force: true}))
	assert.Empty(t, read().ID)
}

func TestWhatCannotStartDoesNotStay(t *testing.T) {
	engine, server, name := dockertest.Engine(t), serve(t), dockertest.Name(t)
	values := inputs(map[string]any{
		"name": name, "image": dockertest.Image(t, engine), "mustRun": false, "entrypoints": []any{"/missing"},
	})
	_, err := server.Create(p.CreateRequest{Urn: urn(containerType), Properties: values})
	require.ErrorContains(t, err, "starting the container "+name)
	_, there, err := dockerengine.Container(t.Context(), engine, name)
	require.NoError(t, err)
	assert.False(t, there)
}
