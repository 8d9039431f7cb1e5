package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/acquire"
	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/dockerengine/dockertest"
)

// fakeEngine is a Docker Engine whose state is written down.
type fakeEngine struct {
	client.APIClient
	host         string
	version      types.Version
	containers   []container.Summary
	networks     []network.Summary
	images       []string
	registry     error
	dataRoot     string
	broken       error
	distribution int // how often the registry was asked
}

func healthy() *fakeEngine {
	return &fakeEngine{
		host:     "unix:///var/run/docker.sock",
		version:  types.Version{Version: "28.5.2", APIVersion: "1.51", Os: "linux", Arch: "amd64"},
		images:   []string{"postgres:16.14-alpine"},
		dataRoot: "/",
	}
}

func (f *fakeEngine) DaemonHost() string { return f.host }

func (f *fakeEngine) ServerVersion(context.Context) (types.Version, error) {
	return f.version, f.broken
}

func (f *fakeEngine) Info(context.Context) (system.Info, error) {
	return system.Info{DockerRootDir: f.dataRoot}, f.broken
}

func (f *fakeEngine) ContainerList(context.Context, container.ListOptions) ([]container.Summary, error) {
	return f.containers, f.broken
}

func (f *fakeEngine) ContainerInspect(_ context.Context, name string) (container.InspectResponse, error) {
	for _, c := range f.containers {
		if c.Names[0] == "/"+name {
			return container.InspectResponse{
				ContainerJSONBase: &container.ContainerJSONBase{State: &container.State{Status: c.State}},
				Config:            &container.Config{Labels: c.Labels},
			}, nil
		}
	}
	return container.InspectResponse{}, errors.Join(f.broken, errdefs.ErrNotFound)
}

func (f *fakeEngine) NetworkList(context.Context, network.ListOptions) ([]network.Summary, error) {
	return f.networks, f.broken
}

func (f *fakeEngine) ImageInspect(_ context.Context, ref string, _ ...client.ImageInspectOption) (image.InspectResponse, error) {
	for _, there := range f.images {
		if there == ref {
			return image.InspectResponse{ID: ref}, nil
		}
	}
	if f.broken != nil {
		return image.InspectResponse{}, f.broken
	}
	return image.InspectResponse{}, errdefs.ErrNotFound
}

func (f *fakeEngine) DistributionInspect(context.Context, string, string) (registry.DistributionInspect, error) {
	f.distribution++
	return registry.DistributionInspect{}, f.registry
}

var (
	ourLabels   = dockerengine.Labels{"wcrdb.project": "shop", "wcrdb.stack": "dev"}
	theirLabels = map[string]string{"wcrdb.project": "shop", "wcrdb.stack": "test"}
)

// usual is a request that a healthy engine grants.
func usual(t *testing.T) Request {
	t.Helper()
	return Request{
		Labels:         ourLabels,
		ContainerName:  "shop-dev",
		Image:          "postgres:16.14-alpine",
		Major:          "16",
		StandIns:       true,
		PublishAddress: "127.0.0.1",
		PublishPort:    dockertest.Port(t),
		NetworkName:    "shop-dev-database",
		Subnet:         "198.18.0.0/24", // reserved for benchmarks, so no machine's own

		AdminNetworkName: "shop-dev-admin",
		AdminSubnet:      "198.18.1.0/28",
		StorageKind:      StorageVolume,
		MinimumFree:      1,
	}
}

func ownCache(t *testing.T) {
	t.Helper()
	t.Setenv("WCRDB_CACHE", t.TempDir())
}

// finding returns what a check found out.
func finding(t *testing.T, report Report, check string) Finding {
	t.Helper()
	for _, f := range report {
		if f.Check == check {
			return f
		}
	}
	t.Fatalf("no check %s in %v", check, report)
	return Finding{}
}

func bindFolder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return dir
}

func named(name, state string, labels map[string]string, ports ...container.Port) container.Summary {
	return container.Summary{Names: []string{"/" + name}, State: state, Labels: labels, Ports: ports}
}

func networked(name, subnet string, labels map[string]string) network.Summary {
	return network.Summary{Name: name, Labels: labels, IPAM: network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet}}}}
}

func TestFindings(t *testing.T) {
	standIn, err := acquire.StandInRef()
	require.NoError(t, err)
	noHost := errors.New("no such host")
	for name, test := range map[string]struct {
		change       func(*fakeEngine, *Request)
		check        string
		level        Level
		what, remedy string
	}{
		"docker answers":       {check: "docker", level: OK, what: "Docker Engine 28.5.2 (API 1.51) answers"},
		"docker 20.10 will do": {change: func(e *fakeEngine, _ *Request) { e.version.APIVersion = "1.41" }, check: "docker", level: OK},
		"docker too old":       {change: func(e *fakeEngine, _ *Request) { e.version.APIVersion = "1.40" }, check: "docker", level: Fault, what: "(API 1.40) is too old", remedy: "upgrade it to 20.10"},
		"docker for Windows":   {change: func(e *fakeEngine, _ *Request) { e.version.Os = "windows" }, check: "docker", level: Fault, what: "runs windows containers", remedy: "switch it to Linux"},
		"docker breaks":        {change: func(e *fakeEngine, _ *Request) { e.broken = noHost }, check: "docker", level: Fault, what: "could not be examined: no such host"},
		"name free":            {check: "container", level: OK, what: "the name shop-dev is free"},
		"name ours": {change: func(e *fakeEngine, _ *Request) {
			e.containers = append(e.containers, named("shop-dev", "exited", ourLabels))
		}, check: "container", level: OK, what: "this stack's container and is exited"},
		"name another stack's": {change: func(e *fakeEngine, _ *Request) {
			e.containers = append(e.containers, named("shop-dev", "running", theirLabels))
		}, check: "container", level: Fault, what: "does not belong to this stack", remedy: "docker rename shop-dev OTHER"},
		"name a stranger's": {change: func(e *fakeEngine, _ *Request) {
			e.containers = append(e.containers, named("shop-dev", "running", nil))
		}, check: "container", level: Fault, what: "there is a container shop-dev already"},
		"containers break":        {change: func(e *fakeEngine, _ *Request) { e.broken = noHost }, check: "port", level: Fault, what: "could not be examined"},
		"port free":               {check: "port", level: OK, what: "is free"},
		"port not published":      {change: func(_ *fakeEngine, r *Request) { r.PublishPort = 0 }, check: "port", level: OK, what: "no port is published"},
		"port on another machine": {change: func(e *fakeEngine, _ *Request) { e.host = "tcp://198.51.100.7:2376" }, check: "port", level: OK, what: "not known here"},
		"address not ours":        {change: func(_ *fakeEngine, r *Request) { r.PublishAddress = "203.0.113.9" }, check: "port", level: Fault, what: "is not free", remedy: "configure another address"},
		"port ours": {change: func(e *fakeEngine, r *Request) {
			e.containers = append(e.containers, named("shop-dev", "running", ourLabels,
				container.Port{IP: "127.0.0.1", PrivatePort: 5432, PublicPort: uint16(r.PublishPort), Type: "tcp"}))
		}, check: "port", level: OK, what: "published by this stack's container shop-dev"},
		"port another container's": {change: func(e *fakeEngine, r *Request) {
			e.containers = append(e.containers, named("web", "running", nil,
				container.Port{IP: "0.0.0.0", PrivatePort: 80, PublicPort: uint16(r.PublishPort), Type: "tcp"}))
		}, check: "port", level: Fault, what: "published by the container web", remedy: "docker stop web"},
		"port of another address or protocol": {change: func(e *fakeEngine, r *Request) {
			e.containers = append(e.containers, named("web", "running", nil,
				container.Port{IP: "127.0.0.2", PublicPort: uint16(r.PublishPort), Type: "tcp"},
				container.Port{IP: "127.0.0.1", PublicPort: uint16(r.PublishPort), Type: "udp"}))
		}, check: "port", level: OK},
		"subnet free":     {check: "subnet", level: OK, what: "198.18.0.0/24 is free"},
		"subnet misspelt": {change: func(_ *fakeEngine, r *Request) { r.Subnet = "172.20/16" }, check: "subnet", level: Fault, what: `"172.20/16" is not a subnet`, remedy: "172.20.0.0/16"},
		"subnet another's": {change: func(e *fakeEngine, _ *Request) {
			e.networks = append(e.networks, networked("blue", "198.18.0.128/25", nil))
		}, check: "subnet", level: Fault, what: "overlaps 198.18.0.128/25 of the Docker network blue", remedy: "docker network rm blue"},
		"subnet ours": {change: func(e *fakeEngine, r *Request) {
			e.networks = append(e.networks, networked(r.NetworkName, r.Subnet, ourLabels))
		}, check: "subnet", level: OK},
		"network name another's": {change: func(e *fakeEngine, r *Request) {
			e.networks = append(e.networks, networked(r.NetworkName, r.Subnet, theirLabels))
		}, check: "subnet", level: Fault, what: "does not belong to this stack"},
		"subnet of the loopback":  {change: func(_ *fakeEngine, r *Request) { r.Subnet = "127.0.0.0/8" }, check: "subnet", level: Fault, what: "which this machine reaches over lo"},
		"part of the loopback":    {change: func(_ *fakeEngine, r *Request) { r.Subnet = "127.1.0.0/16" }, check: "subnet", level: Warning, what: "hides a part of 127.0.0.0/8"},
		"loopback of another":     {change: func(e *fakeEngine, r *Request) { r.Subnet, e.host = "127.0.0.0/8", "ssh://there" }, check: "subnet", level: OK},
		"networks break":          {change: func(e *fakeEngine, _ *Request) { e.broken = noHost }, check: "subnet", level: Fault, what: "could not be examined"},
		"volume":                  {check: "storage", level: OK, what: "Docker volume"},
		"tmpfs":                   {change: func(_ *fakeEngine, r *Request) { r.StorageKind = StorageTmpfs }, check: "storage", level: OK, what: "in memory"},
		"storage unknown":         {change: func(_ *fakeEngine, r *Request) { r.StorageKind = "cloud" }, check: "storage", level: Fault, what: `storage "cloud"`},
		"folder gone":             {change: bind("/no/such/folder"), check: "storage", level: Fault, what: "/no/such/folder does not exist", remedy: "mkdir -p /no/such/folder"},
		"folder is a file":        {change: bind(filepath.Join(bindFolder(t, map[string]string{"file": ""}), "file")), check: "storage", level: Fault, what: "is not a folder"},
		"folder empty":            {change: bind(bindFolder(t, nil)), check: "storage", level: OK, what: "is ready for a new cluster"},
		"folder with data":        {change: bind(bindFolder(t, map[string]string{"PG_VERSION": "16\n"})), check: "storage", level: OK, what: "holds a PostgreSQL 16 data directory"},
		"folder with older data":  {change: bind(bindFolder(t, map[string]string{"PG_VERSION": "15\n"})), check: "storage", level: Fault, what: "holds data of PostgreSQL 15, the stack runs 16", remedy: "pg_upgrade"},
		"folder below not there":  {change: below(bindFolder(t, map[string]string{"lost+found": ""})), check: "storage", level: OK, what: "data is ready for a new cluster"},
		"folder is the cluster":   {change: below(bindFolder(t, map[string]string{"PG_VERSION": "16\n"})), check: "storage", level: Fault, what: "itself is a PostgreSQL data directory", remedy: "move its content"},
		"folder with other files": {change: bind(bindFolder(t, map[string]string{"holiday.jpg": ""})), check: "storage", level: Fault, what: "it holds holiday.jpg", remedy: "empty it"},
		"folder elsewhere": {change: func(e *fakeEngine, r *Request) {
			e.host = "tcp://198.51.100.7:2376"
			bind("/data")(e, r)
		}, check: "storage", level: Warning, what: "cannot be examined from here"},
		"room":              {check: "disk", level: OK, what: "free at /"},
		"room for a folder": {change: bind("/no/such/folder"), check: "disk", level: OK, what: "free at /"},
		"no room":           {change: func(_ *fakeEngine, r *Request) { r.MinimumFree = 1 << 62 }, check: "disk", level: Fault, what: "only ", remedy: "make room there"},
		"little room": {change: func(_ *fakeEngine, r *Request) {
			free, err := freeSpace("/")
			require.NoError(t, err)
			r.MinimumFree = free/2 + free/4
		}, check: "disk", level: Warning, what: "only ", remedy: "docker system df"},
		"memory needs no room": {change: func(_ *fakeEngine, r *Request) { r.StorageKind, r.MinimumFree = StorageTmpfs, 1<<62 }, check: "disk", level: OK},
		"room elsewhere":       {change: func(e *fakeEngine, _ *Request) { e.host = "tcp://198.51.100.7:2376" }, check: "disk", level: OK, what: "cannot be examined from here"},
		"room unknown":         {change: func(e *fakeEngine, _ *Request) { e.broken = noHost }, check: "disk", level: Fault, what: "could not be examined"},
		"image there":          {check: "image", level: OK, what: "postgres:16.14-alpine is there"},
		"image obtainable":     {change: func(e *fakeEngine, _ *Request) { e.images = nil }, check: "image", level: OK, what: "can be pulled"},
		"images break":         {change: func(e *fakeEngine, _ *Request) { e.images, e.broken = nil, noHost }, check: "image", level: Fault, what: "could not be examined"},
		"image not obtainable, stand-in there": {change: func(e *fakeEngine, _ *Request) {
			e.images, e.registry = []string{standIn}, noHost
		}, check: "image", level: Warning, what: "its registry does not give it: no such host; the stand-in image will be used"},
		"image not obtainable, no stand-in allowed": {change: func(e *fakeEngine, r *Request) {
			e.images, e.registry, r.StandIns = []string{standIn}, noHost, false
		}, check: "image", level: Fault, what: "stand-ins are not allowed", remedy: "--stand-ins"},
		"image not obtainable, no stand-in possible": {change: func(e *fakeEngine, _ *Request) {
			e.images, e.registry, e.version.Arch = nil, noHost, "s390x"
		}, check: "image", level: Fault, what: "the stand-in image cannot be made", remedy: "docker load"},
		"stand-in chosen and there": {change: func(e *fakeEngine, r *Request) {
			e.images, r.Image = []string{standIn}, standIn
		}, check: "image", level: Warning, what: "is used"},
	} {
		t.Run(name, func(t *testing.T) {
			ownCache(t)
			engine, request := healthy(), usual(t)
			if test.change != nil {
				test.change(engine, &request)
			}
			got := finding(t, ExamineEngine(t.Context(), engine, request), test.check)
			assert.Equal(t, test.level, got.Level, "%+v", got)
			assert.Contains(t, got.What, test.what)
			assert.Contains(t, got.Remedy, test.remedy)
			assert.Equal(t, got.Level == OK, got.Remedy == "", "what is not ok has a remedy: %+v", got)
		})
	}
}

func bind(path string) func(*fakeEngine, *Request) {
	return func(_ *fakeEngine, r *Request) { r.StorageKind, r.BindPath = StorageBind, path }
}

func below(path string) func(*fakeEngine, *Request) {
	return func(e *fakeEngine, r *Request) {
		bind(path)(e, r)
		r.DataDirectory = "data"
	}
}

func TestPortOfAnotherProgram(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, listener.Close()) }()
	ownCache(t)
	request := usual(t)
	request.PublishPort = listener.Addr().(*net.TCPAddr).Port
	got := finding(t, ExamineEngine(t.Context(), healthy(), request), "port")
	assert.Equal(t, Fault, got.Level)
	assert.Contains(t, got.What, "is not free")
	assert.Contains(t, got.Remedy, "ss -ltnp")
}

func TestReport(t *testing.T) {
	report := Report{ok("a", "fine"), warning("b", "odd", "look"), fault("c", "bad", "mend it"), fault("d", "worse", "buy another")}
	assert.Len(t, report.Warnings(), 1)
	assert.Len(t, report.Faults(), 2)
	assert.EqualError(t, report.Err(), "c: bad; mend it\nd: worse; buy another")
	require.NoError(t, report[:2].Err())

	encoded, err := json.Marshal(report[:2])
	require.NoError(t, err)
	assert.JSONEq(t, `[{"check":"a","level":"ok","what":"fine"},{"check":"b","level":"warning","what":"odd","remedy":"look"}]`, string(encoded))
}

func TestNoEngine(t *testing.T) {
	ownCache(t)
	request := usual(t)
	request.DockerHost = "unix://" + filepath.Join(t.TempDir(), "gone.sock")
	t.Setenv("DOCKER_HOST", request.DockerHost)
	report := Examine(t.Context(), request)
	got := finding(t, report, "docker")
	assert.Equal(t, Fault, got.Level)
	assert.Contains(t, got.Remedy, "start Docker, or install it")
	finding(t, report, "pulumi")
}

func TestExternalServerNeedsNoEngine(t *testing.T) {
	ownCache(t)
	for _, f := range Examine(t.Context(), Request{DockerHost: "unix:///gone"}) {
		assert.Contains(t, []string{"pulumi", "plugin docker", "plugin postgresql", "plugin tls"}, f.Check)
	}
	assert.Empty(t, ExamineEngine(t.Context(), nil, Request{}))
}
