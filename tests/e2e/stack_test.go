package e2e

import (
	"crypto/x509/pkix"
	"fmt"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/operation"
)

func TestEndToEndDev(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) { provesStack(t, "dev", plugins) })
}

func TestEndToEndTest(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) { provesStack(t, "test", plugins) })
}

func TestEndToEndProd(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) { provesStack(t, "prod", plugins) })
}

// provesStack brings up a committed stack and looks at everything it promises.
func provesStack(t *testing.T, stack string, plugins operation.PluginChoice) {
	p := newProject(t, stack, plugins).initialize()
	p.up()
	p.step("up again changes nothing", func(t *testing.T) {
		p.must("preview", "--expect-no-changes")
		before := p.container().ID
		assert.Empty(t, p.up().Changes)
		assert.Equal(t, before, p.container().ID)
		p.unchanged()
	})
	p.step("what people are told", func(t *testing.T) { provesSummary(t, p) })
	p.step("container", func(t *testing.T) { provesContainer(t, p) })
	p.step("networks", func(t *testing.T) { provesNetworks(t, p) })
	p.step("settings", func(t *testing.T) { provesSettings(t, p) })
	p.step("outputs", func(t *testing.T) { provesOutputs(t, p) })
	if p.config().TLS.Enabled {
		p.step("certificate", func(t *testing.T) { provesCertificate(t, p) })
	}
	provesApplication(p)
	provesRefusals(p)
	p.step("no drift after the migrations", func(t *testing.T) { p.unchanged() })
	provesIsolation(p)
	provesSecrecy(p)
	provesDown(p)
}

// provesSummary: what changed, where the server is, where the CA is, how to connect, how long it took.
func provesSummary(t *testing.T, p *project) {
	stack, said := p.config(), p.must("up").stdout
	assert.Regexp(t, fmt.Sprintf(`(?m)^stack %s: \d+ unchanged in \d+\.\d s$`, p.stack), said)
	for _, line := range []string{
		fmt.Sprintf("server:  127.0.0.1:%d on this host; %s:5432 in Docker network %s\n", stack.Network.Publish.Port, stack.Network.Alias, stack.Network.Name),
		fmt.Sprintf("connect: wcrdb outputs -s %s --show-secrets\n", p.stack),
	} {
		assert.Contains(t, said, line)
	}
	if stack.TLS.Enabled {
		assert.Contains(t, said, "CA:      "+p.local("ca.crt")+"\n")
	}
}

// provesCertificate looks at what the server's socket presents.
func provesCertificate(t *testing.T, p *project) {
	stack := p.config()
	shown, err := p.presented(t, p.local("ca.crt"))
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{stack.Network.Alias, stack.Server.Name, "localhost"}, shown.DNSNames)
	require.Len(t, shown.IPAddresses, 1)
	assert.Equal(t, "127.0.0.1", shown.IPAddresses[0].String())
	for _, of := range []pkix.Name{shown.Subject, shown.Issuer} {
		assert.Equal(t, [][]string{{"US"}, {"MA"}, {"Salem"}, {"WitchCityRope"}}, [][]string{of.Country, of.Province, of.Locality, of.Organization})
	}
	assert.Equal(t, time.Duration(stack.TLS.Validity), shown.NotAfter.Sub(shown.NotBefore).Round(time.Hour))
	assert.False(t, shown.IsCA)
}

func provesContainer(t *testing.T, p *project) {
	stack, found := p.config(), p.container()
	host := found.HostConfig
	assert.EqualValues(t, stack.Server.CPUs*1e9, host.NanoCPUs, "CPUs")
	assert.EqualValues(t, 2e9, host.NanoCPUs, "CPUs")
	assert.EqualValues(t, stack.Server.Memory, host.Memory, "memory")
	assert.Equal(t, host.Memory, host.MemorySwap, "no swap")
	assert.EqualValues(t, 512<<20, host.MemoryReservation, "reservation")
	assert.EqualValues(t, stack.Server.SharedMemory, host.ShmSize, "shared memory")
	assert.EqualValues(t, "unless-stopped", host.RestartPolicy.Name)
	assert.Equal(t, "SIGINT", found.Config.StopSignal, "a fast shutdown")
	require.NotNil(t, found.Config.StopTimeout)
	assert.Equal(t, 120, *found.Config.StopTimeout)

	check := found.Config.Healthcheck
	assert.Equal(t, &container.HealthConfig{
		Test: check.Test, Interval: 10 * time.Second, Timeout: 5 * time.Second, StartPeriod: 30 * time.Second, Retries: 5,
	}, check)
	assert.Contains(t, check.Test[len(check.Test)-1], "-h 127.0.0.1", "over TCP")
	assert.Contains(t, check.Test[len(check.Test)-1], "SELECT 1", "with a query")
	p.healthy()

	if stack.Storage.Type == config.Tmpfs {
		assert.Empty(t, found.Mounts)
		assert.Equal(t, map[string]string{"/var/lib/postgresql/data": fmt.Sprintf("rw,size=%d,mode=0700", int64(stack.Storage.Size))}, host.Tmpfs)
		return
	}
	require.Len(t, found.Mounts, 1)
	assert.Equal(t, mount.TypeVolume, found.Mounts[0].Type)
	assert.Equal(t, stack.Storage.Volume, found.Mounts[0].Name)
	volume, there, err := dockerengine.Volume(t.Context(), p.docker, stack.Storage.Volume)
	require.NoError(t, err)
	require.True(t, there)
	if stack.Storage.Type == config.Bind {
		assert.Equal(t, map[string]string{"type": "none", "o": "bind", "device": stack.Storage.Path}, volume.Options)
		_, code := p.exec("root", "touch", "/var/lib/postgresql/data/from-inside")
		require.Zero(t, code)
		assert.FileExists(t, stack.Storage.Path+"/from-inside")
		_, code = p.exec("root", "rm", "/var/lib/postgresql/data/from-inside")
		require.Zero(t, code)
	}
}

func provesNetworks(t *testing.T, p *project) {
	stack, found := p.config(), p.container()
	internal, there, err := dockerengine.Network(t.Context(), p.docker, stack.Network.Name)
	require.NoError(t, err)
	require.True(t, there)
	assert.True(t, internal.Internal, "no route leads out of the database network")
	assert.Equal(t, stack.Network.Subnet, internal.IPAM.Config[0].Subnet)
	admin, there, err := dockerengine.Network(t.Context(), p.docker, stack.Network.AdminName)
	require.NoError(t, err)
	require.True(t, there)
	assert.Equal(t, "false", admin.Options["com.docker.network.bridge.enable_ip_masquerade"])

	assert.Len(t, found.NetworkSettings.Networks, 2)
	assert.Contains(t, found.NetworkSettings.Networks[stack.Network.Name].Aliases, "db")
	assert.NotContains(t, found.NetworkSettings.Networks[stack.Network.AdminName].Aliases, "db")
	var published int
	for _, bindings := range found.NetworkSettings.Ports {
		for _, binding := range bindings {
			published++
			assert.Equal(t, "127.0.0.1", binding.HostIP, "on the loopback interface only")
			assert.Equal(t, fmt.Sprint(stack.Network.Publish.Port), binding.HostPort)
		}
	}
	assert.Equal(t, 1, published)
}

// settingsOf are the settings that a stack is known by, as SHOW has them.
var settingsOf = map[string]map[string]string{
	"dev": {
		"log_statement": "all", "log_duration": "on", "log_min_duration_statement": "0",
		"shared_preload_libraries": "pg_stat_statements", "password_encryption": "scram-sha-256", "ssl": "on",
	},
	"test": {
		"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "2GB",
		"password_encryption": "scram-sha-256", "ssl": "off",
	},
	"prod": {
		"shared_buffers": "512MB", "effective_cache_size": "1536MB", "maintenance_work_mem": "128MB", "work_mem": "16MB",
		"max_connections": "200", "wal_buffers": "16MB", "checkpoint_completion_target": "0.9", "checkpoint_timeout": "10min",
		"random_page_cost": "1.1", "effective_io_concurrency": "200", "default_statistics_target": "100",
		"log_connections": "on", "log_line_prefix": "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ",
		"password_encryption": "scram-sha-256", "ssl": "on", "fsync": "on", "full_page_writes": "on", "synchronous_commit": "on",
		"data_checksums": "on",
	},
}

func provesSettings(t *testing.T, p *project) {
	session := p.session(t, p.connections()["app"])
	show := func(name string) string { return ask[string](t, session, "SHOW "+name) }
	for name, value := range settingsOf[p.stack] {
		if name != "shared_preload_libraries" { // only superusers may see it
			assert.Equal(t, value, show(name), name)
		}
	}
	administrator := p.superuser(t, p.config().Database.Name)
	for name, value := range p.config().Settings {
		assert.Equal(t, string(value), ask[string](t, administrator, "SHOW "+name), name)
	}
	assert.Equal(t, p.config().Database.Name, ask[string](t, session, "SELECT current_database()::text"))
	for _, schema := range p.config().Database.Schemas {
		assert.Equal(t, p.names().Owner, ask[string](t, session, "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = $1", schema.Name), schema.Name)
	}
	for _, extension := range p.config().Database.Extensions {
		assert.Equal(t, 1, ask[int](t, session, "SELECT count(*) FROM pg_extension WHERE extname = $1", extension.Name), extension.Name)
	}
}

// provesDown takes the stack down: nothing is left but protected data.
func provesDown(p *project) {
	p.step("down refuses while somebody else is on the network", func(t *testing.T) {
		before := p.container().ID
		guest := p.start(t, neighbour{network: p.config().Network.Name, command: idle})
		p.fails(1, []string{"is still used by container " + guest, "nothing was deleted"}, "down", "--yes")
		assert.Equal(t, before, p.container().ID)
	})
	p.step("down", func(t *testing.T) {
		p.must("down", "--yes")
		var kept []string
		if p.config().Storage.Protect {
			kept = []string{"volume " + p.config().Storage.Volume}
			assert.DirExists(t, p.config().Storage.Path+"/pgdata/base")
		}
		assert.Equal(t, kept, p.left())
		p.noTemporaryFiles()
	})
}
