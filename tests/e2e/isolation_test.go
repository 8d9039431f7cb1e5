package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/network"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/dockerengine/dockertest"
)

// provesIsolation looks at the database from inside its network, and from a
// network that stands for the world outside.
func provesIsolation(p *project) {
	p.step("inside the database network", func(t *testing.T) { provesInside(t, p) })
	p.step("the world outside", func(t *testing.T) { provesOutside(t, p) })
}

func provesInside(t *testing.T, p *project) {
	stack := p.config()
	var binds, env []string
	if stack.TLS.Enabled {
		binds, env = []string{p.local("ca.crt") + ":/ca.crt:ro"}, []string{"PGSSLROOTCERT=/ca.crt"}
	}
	client := p.start(t, neighbour{network: stack.Network.Name, command: idle, binds: binds, env: env})
	inside := p.outputs("--show-secrets")["connections"].(map[string]any)["app"].(map[string]any)["internal"].(map[string]any)
	query := "SELECT current_user, (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())"
	said, code := execIn(t, p.docker, client, "postgres", "psql", "-XAtc", query, inside["uri"].(string))
	require.Zero(t, code, said)
	encrypted := map[bool]string{true: "t", false: "f"}[stack.TLS.Enabled]
	assert.Equal(t, p.names().App()+"|"+encrypted, strings.TrimSpace(said))

	superuser := fmt.Sprintf("postgresql://postgres:%s@db/%s", p.derivation().Password("postgres", stack.Access.Generation), stack.Database.Name)
	said, code = execIn(t, p.docker, client, "postgres", "psql", "-XAtc", "SELECT 1", superuser)
	assert.NotZero(t, code, "the superuser comes in from the database network")
	assert.Contains(t, said, "pg_hba.conf rejects connection")
	if stack.TLS.Enabled {
		wrong := strings.Replace(inside["uri"].(string), "@db:", "@"+p.address(stack.Network.Name)+":", 1)
		said, code = execIn(t, p.docker, client, "postgres", "psql", "-XAtc", "SELECT 1", wrong)
		assert.NotZero(t, code, "a name that is not in the certificate passes")
		assert.Contains(t, said, "server certificate")
	}
}

// address of the server on a network.
func (p *project) address(network string) string {
	p.t.Helper()
	endpoint := p.container().NetworkSettings.Networks[network]
	require.NotNil(p.t, endpoint)
	return endpoint.IPAddress
}

// provesOutside: a server of the test's own, on a network of the test's own.
func provesOutside(t *testing.T, p *project) {
	stack := p.config()
	elsewhere := prefix + dockertest.Name(t)
	_, err := p.docker.NetworkCreate(t.Context(), elsewhere, network.CreateOptions{
		Driver: "bridge", IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: freeSubnet(t, p.docker)}}},
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.docker.NetworkRemove(context.Background(), elsewhere)) })
	listener := p.start(t, neighbour{network: elsewhere, aliases: []string{"outside"}, env: []string{"POSTGRES_HOST_AUTH_METHOD=trust"}})
	client := p.start(t, neighbour{network: elsewhere, command: idle})
	inspected, there, err := dockerengine.Container(t.Context(), p.docker, listener)
	require.NoError(t, err)
	require.True(t, there)
	address := inspected.NetworkSettings.Networks[elsewhere].IPAddress

	reaches := func(container, host string) (said string, answered bool) {
		said, code, err := execute(t.Context(), p.docker, container, "postgres", "pg_isready", "-t", "2", "-h", host)
		assert.NoError(t, err)
		return said, code == 0 || code == 1 // whatever it said
	}
	await(t, 30*time.Second, "the listener answers on its own network", func() error {
		if said, answered := reaches(client, "outside"); !answered {
			return fmt.Errorf("%s", said)
		}
		return nil
	})
	inside := p.start(t, neighbour{network: stack.Network.Name, command: idle})
	said, answered := reaches(inside, "db")
	require.True(t, answered, "the database answers on its own network: %s", said)

	// Each of these waits in vain, so all do at once.
	var vain sync.WaitGroup
	unreachable := func(what, container string, hosts ...string) {
		for _, host := range hosts {
			vain.Go(func() {
				said, answered := reaches(container, host)
				assert.False(t, answered, "%s reaches %s: %s", what, host, said)
			})
		}
	}
	unreachable("the database", stack.Server.Name, address, "outside")
	unreachable("the world outside", client, p.address(stack.Network.Name), p.address(stack.Network.AdminName), "db", stack.Server.Name)
	unreachable("the API's network", inside, address, "outside")
	vain.Wait()
	_, code := p.exec("postgres", "getent", "hosts", "outside")
	assert.NotZero(t, code, "the database finds a name of the world outside")
	asksNobody(t, p)
}

// asksNobody: a name that Docker's own name server does not know is asked of
// nobody on this host or behind it.
func asksNobody(t *testing.T, p *project) {
	t.Helper()
	stack := p.config()
	names := []string{stack.Server.Name}
	if stack.Backup.Enabled {
		names = append(names, stack.BackupContainer())
	}
	for _, name := range names {
		inspected, err := p.docker.ContainerInspect(t.Context(), name)
		require.NoError(t, err)
		assert.Equal(t, dockerengine.NoNameServers(), inspected.HostConfig.DNS, name)
	}
}
