package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/operation"
)

// drift is something that somebody does by hand.
type drift struct {
	what string
	do   func(t *testing.T, d *drifting)
	// found is the resource that a refresh reports.
	found string
	// repaired proves that it is as declared again.
	repaired func(t *testing.T, d *drifting)
}

// loginTaken hides a changed password from the plugin, which does not read
// that of a role that cannot log in.
const loginTaken = "login taken"

// drifting is a stack that somebody works on by hand. It has a table of a
// migration, public.things, with one row.
type drifting struct {
	*project
	logins map[string]connection
}

func newDrifting(t *testing.T, stack string, plugins operation.PluginChoice) *drifting {
	t.Helper()
	d := &drifting{project: newProject(t, stack, plugins).initialize()}
	d.up()
	d.logins = d.connections()
	d.makeThings(t)
	d.must("up") // takes note of the table
	return d
}

func (d *drifting) makeThings(t *testing.T) {
	t.Helper()
	migrate(t, d.session(t, d.logins["migrator"]), "CREATE TABLE public.things (id int PRIMARY KEY); INSERT INTO public.things VALUES (1)")
}

// sql runs statements as the superuser.
func sql(statements ...string) func(t *testing.T, d *drifting) {
	return func(t *testing.T, d *drifting) {
		d.sudo(t, statements...)
	}
}

// works demands that a client can run a query.
func works(client, query string) func(t *testing.T, d *drifting) {
	return func(t *testing.T, d *drifting) {
		assert.NoError(t, attempt(t, d.session(t, d.logins[client]), query))
	}
}

// refused demands that a client cannot.
func refused(client, query string) func(t *testing.T, d *drifting) {
	return func(t *testing.T, d *drifting) {
		assert.Equal(t, insufficientPrivilege, code(attempt(t, d.session(t, d.logins[client]), query)), query)
	}
}

// TestEndToEndDrift: whatever is changed by hand is found by refresh, and
// repaired by up, whether refresh found it before or not.
func TestEndToEndDrift(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		d := newDrifting(t, "dev", plugins)
		inside := append(sqlDrifts(), fileDrifts()...)
		for _, drift := range slices.Concat(inside, serverDrifts()) {
			d.step(drift.what, func(t *testing.T) {
				drift.do(t, d)
				d.fails(7, []string{drift.found}, "refresh", "--expect-no-changes")
				d.must("up")
				drift.repaired(t, d)
			})
		}
		for _, drift := range serverDrifts() {
			d.step(drift.what+", no refresh", func(t *testing.T) {
				drift.do(t, d)
				d.must("up")
				drift.repaired(t, d)
				d.keepsThings(t)
			})
		}
		d.step("everything inside the server at once, no refresh", func(t *testing.T) {
			inside = slices.DeleteFunc(inside, func(drift drift) bool { return drift.what == loginTaken })
			for _, drift := range inside {
				drift.do(t, d)
			}
			d.must("up")
			for _, drift := range inside {
				drift.repaired(t, d)
			}
			d.keepsThings(t)
		})
		d.step("no drift", func(t *testing.T) { d.unchanged() })
	})
}

// keepsThings demands that no data was lost.
func (d *drifting) keepsThings(t *testing.T) {
	t.Helper()
	assert.Equal(t, 1, ask[int](t, d.session(t, d.logins["app"]), "SELECT count(*) FROM public.things"))
}

func sqlDrifts() []drift {
	const app, migrator, owner, rw, ro = "witchcityrope_app_1", "witchcityrope_migrator", "witchcityrope_owner", "witchcityrope_rw", "witchcityrope_ro"
	role := "database-access-role-"
	return []drift{
		{"password of a role changed", sql("ALTER ROLE " + app + " PASSWORD 'changed by hand'"), role + app, works("app", "SELECT 1")},
		{"right to create roles given", sql("ALTER ROLE " + app + " CREATEROLE"), role + app, refused("app", "CREATE ROLE mine")},
		{loginTaken, sql("ALTER ROLE " + app + " NOLOGIN"), role + app, works("app", "SELECT 1")},
		{"membership taken", sql("REVOKE " + rw + " FROM " + app), role + app, works("app", "SELECT FROM public.things")},
		{"membership given", sql("GRANT " + owner + " TO " + app), role + app, refused("app", "SET ROLE "+owner)},
		{
			"membership not inherited any more", sql("GRANT " + rw + " TO " + app + " WITH INHERIT FALSE"), "database-access-membership-" + app + "-in-" + rw,
			works("app", "SELECT FROM public.things"),
		},
		{
			"membership with the right to make others members", sql("GRANT " + rw + " TO " + app + " WITH ADMIN OPTION"), "database-access-membership-" + app + "-in-" + rw,
			refused("app", "GRANT "+rw+" TO witchcityrope_readonly"),
		},
		{"usage of a schema revoked", sql("REVOKE USAGE ON SCHEMA public FROM " + rw), "grant-schema-" + rw + "-public", works("app", "SELECT FROM public.things")},
		{"creation in a schema granted to everybody", sql("GRANT CREATE ON SCHEMA public TO PUBLIC"), "grant-schema-public-public", refused("app", "CREATE TABLE mine ()")},
		{"temporary tables granted to everybody", sql("GRANT TEMPORARY ON DATABASE witchcityrope_dev TO PUBLIC"), "grant-database-public-witchcityrope_dev", refused("app", "CREATE TEMPORARY TABLE mine ()")},
		{
			"connections to template1 granted to everybody", sql("GRANT CONNECT ON DATABASE template1 TO PUBLIC"), "grant-database-public-template1",
			func(t *testing.T, d *drifting) {
				assert.False(t, ask[bool](t, d.session(t, d.logins["app"]), "SELECT has_database_privilege('template1', 'CONNECT')"))
			},
		},
		{"reading of a table revoked", sql("REVOKE SELECT ON public.things FROM " + rw), "grant-table-" + rw + "-public", works("app", "SELECT FROM public.things")},
		{"truncation of a table granted", sql("GRANT TRUNCATE ON public.things TO " + rw), "grant-table-" + rw + "-public", refused("app", "TRUNCATE public.things")},
		{
			"default privilege revoked", sql("ALTER DEFAULT PRIVILEGES FOR ROLE " + owner + " REVOKE SELECT ON TABLES FROM " + ro), "default-table-" + ro,
			func(t *testing.T, d *drifting) {
				session := d.session(t, d.logins["migrator"])
				for _, statement := range []string{"CREATE TABLE public.later ()", "DROP TABLE public.later"} {
					_, err := session.Exec(t.Context(), statement)
					require.NoError(t, err)
					if strings.HasPrefix(statement, "CREATE") {
						works("readonly", "SELECT FROM public.later")(t, d)
					}
				}
			},
		},
		{"extension dropped", sql("DROP EXTENSION citext"), "extension-citext", works("app", "SELECT 'a'::public.citext")},
		{"owner of a schema changed", sql("ALTER SCHEMA public OWNER TO postgres"), "schema-public", works("migrator", "CREATE TABLE public.mine ()")},
		{
			"role dropped", sql("DROP OWNED BY witchcityrope_readonly", "DROP ROLE witchcityrope_readonly"), role + "witchcityrope_readonly",
			works("readonly", "SELECT FROM public.things"),
		},
	}
}

const (
	mountPath     = "/var/lib/postgresql/data"
	dataDirectory = mountPath + "/pgdata"
)

// inData runs a shell command in the data directory, as who owns it.
func inData(command string, args ...string) func(t *testing.T, d *drifting) {
	return func(t *testing.T, d *drifting) {
		said, code := d.exec("postgres", append([]string{"sh", "-c", "cd " + dataDirectory + " && " + command, "sh"}, args...)...)
		require.Zero(t, code, said)
		d.sudo(t, "SELECT pg_reload_conf()")
	}
}

// everythingWorks: every client can log in.
func everythingWorks(t *testing.T, d *drifting) {
	for client, login := range d.logins {
		session, err := d.open(login.URI)
		if assert.NoError(t, err, client) {
			assert.NoError(t, session.Close(context.Background()))
		}
	}
}

func fileDrifts() []drift {
	return []drift{
		{
			"a line in pg_hba.conf that trusts everybody", inData(`{ echo 'host all all all trust'; cat pg_hba.conf; } > edited && mv edited pg_hba.conf`),
			"database-server-access-rules",
			func(t *testing.T, d *drifting) {
				wrong := strings.Replace(d.logins["app"].URI, d.logins["app"].Password, "wrong", 1)
				await(t, 5*time.Second, "refusal of a wrong password", func() error { return d.refuses(wrong, invalidPassword) })
				everythingWorks(t, d)
			},
		},
		{"the certificate replaced by somebody's own", replaceCertificate, "database-server-certificate", everythingWorks},
		{"the health check's password deleted", inData("rm healthcheck.pgpass"), "database-server-health-password", func(_ *testing.T, d *drifting) { d.healthy() }},
		{
			"TLS switched off", sql("ALTER SYSTEM SET ssl = off", "SELECT pg_reload_conf()"), "database-server-ssl",
			func(t *testing.T, d *drifting) {
				everythingWorks(t, d)
				assert.Equal(t, "on", ask[string](t, d.session(t, d.logins["app"]), "SHOW ssl"))
			},
		},
	}
}

func serverDrifts() []drift {
	return []drift{
		{
			"schema public dropped and made anew, as staging is reset",
			func(t *testing.T, d *drifting) {
				session := d.session(t, d.logins["migrator"])
				migrate(t, session, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
				d.makeThings(t)
			},
			"extension-citext", works("app", "SELECT public.uuid_generate_v4() FROM public.things"),
		},
		{"the container taken off its network", disconnect, "database-server-container", isReached},
		{"the database network deleted", deleteNetwork, "database-server-network", isReached},
		{
			"the container stopped",
			func(t *testing.T, d *drifting) {
				require.NoError(t, d.docker.ContainerStop(t.Context(), d.config().Server.Name, container.StopOptions{}))
			}, "database-server-container", everythingWorks,
		},
		{"the container removed", removeContainer, "database-server-container", everythingWorks},
		{
			"the container and both networks removed",
			func(t *testing.T, d *drifting) {
				removeContainer(t, d)
				disconnectAgent(t, d)
				for _, name := range []string{d.config().Network.Name, d.config().Network.AdminName} {
					require.NoError(t, d.docker.NetworkRemove(t.Context(), name))
				}
			}, "database-server-network", isReached,
		},
	}
}

// refuses says whether a login is refused with a code.
func (d *drifting) refuses(uri, expected string) error {
	session, err := d.open(uri)
	if err == nil {
		err = session.Close(context.Background())
	}
	if code(err) == expected {
		return nil
	}
	return assert.AnError
}

// replaceCertificate puts a certificate into the server that its CA did not sign.
func replaceCertificate(t *testing.T, d *drifting) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "db"}, DNSNames: []string{"db", "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	encodedKey, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	bundle := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	bundle = append(bundle, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encodedKey})...)
	inData(`umask 077; printf %s "$1" > server.pem`, string(bundle))(t, d)
	await(t, 5*time.Second, "clients that refuse the other certificate", func() error {
		session, err := d.open(d.logins["app"].URI)
		if err == nil {
			return session.Close(context.Background())
		}
		require.ErrorContains(t, err, "certificate")
		return nil
	})
}

func disconnect(t *testing.T, d *drifting) {
	require.NoError(t, d.docker.NetworkDisconnect(t.Context(), d.config().Network.Name, d.config().Server.Name, true))
}

func deleteNetwork(t *testing.T, d *drifting) {
	disconnect(t, d)
	disconnectAgent(t, d)
	require.NoError(t, d.docker.NetworkRemove(t.Context(), d.config().Network.Name))
}

// disconnectAgent takes the container that makes backups off its networks, if the stack has one.
func disconnectAgent(t *testing.T, d *drifting) {
	if !d.config().Backup.Enabled {
		return
	}
	agent, err := d.docker.ContainerInspect(t.Context(), d.config().BackupContainer())
	require.NoError(t, err)
	for network := range agent.NetworkSettings.Networks {
		require.NoError(t, d.docker.NetworkDisconnect(t.Context(), network, agent.ID, true))
	}
}

// backsUp: the container that makes backups runs, on the server's network.
func backsUp(t *testing.T, d *drifting) {
	agent, err := d.docker.ContainerInspect(t.Context(), d.config().BackupContainer())
	require.NoError(t, err)
	network, err := d.docker.NetworkInspect(t.Context(), d.config().Network.Name, network.InspectOptions{})
	require.NoError(t, err)
	assert.True(t, agent.State.Running)
	if assert.Contains(t, agent.NetworkSettings.Networks, network.Name) {
		assert.Equal(t, network.ID, agent.NetworkSettings.Networks[network.Name].NetworkID)
	}
}

func agentDrifts() []drift {
	const agent = "database-backup-agent"
	name := func(d *drifting) string { return d.config().BackupContainer() }
	return []drift{
		{"the agent stopped", func(t *testing.T, d *drifting) {
			require.NoError(t, d.docker.ContainerStop(t.Context(), name(d), container.StopOptions{}))
		}, agent, backsUp},
		{"the agent removed", func(t *testing.T, d *drifting) {
			require.NoError(t, d.docker.ContainerRemove(t.Context(), name(d), container.RemoveOptions{Force: true, RemoveVolumes: true}))
		}, agent, backsUp},
		{"the agent taken off its networks", disconnectAgent, agent, backsUp},
	}
}

// TestEndToEndDriftOfProduction: the containers and networks of production come back, too, with all data.
func TestEndToEndDriftOfProduction(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		d := newDrifting(t, "prod", plugins)
		for _, drift := range agentDrifts() {
			d.step(drift.what, func(t *testing.T) {
				drift.do(t, d)
				d.fails(7, []string{drift.found}, "refresh", "--expect-no-changes")
				d.must("up", "--yes")
				drift.repaired(t, d)
			})
		}
		for _, drift := range slices.Concat(agentDrifts(), serverDrifts()) {
			d.step(drift.what+", no refresh", func(t *testing.T) {
				drift.do(t, d)
				d.must("up", "--yes")
				drift.repaired(t, d)
				backsUp(t, d)
				d.keepsThings(t)
			})
		}
		d.step("no drift", func(t *testing.T) { d.unchanged() })
	})
}

func removeContainer(t *testing.T, d *drifting) {
	require.NoError(t, d.docker.ContainerRemove(t.Context(), d.config().Server.Name, container.RemoveOptions{Force: true, RemoveVolumes: true}))
}

// isReached: the server is on its networks, with its name.
func isReached(t *testing.T, d *drifting) {
	provesNetworks(t, d.project)
	works("app", "SELECT 1")(t, d)
	client := d.start(t, neighbour{network: d.config().Network.Name, command: idle})
	said, code := execIn(t, d.docker, client, "postgres", "pg_isready", "-h", "db")
	assert.Zero(t, code, said)
	d.stop(t, client) // or the network cannot be removed
}

// TestEndToEndDriftInMemory: data in memory is gone with the container, and
// one up makes everything anew.
func TestEndToEndDriftInMemory(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		d := newDrifting(t, "test", plugins)
		for what, do := range map[string]func(t *testing.T, d *drifting){
			"the container removed": removeContainer,
			"the container stopped": func(t *testing.T, d *drifting) {
				require.NoError(t, d.docker.ContainerStop(t.Context(), d.config().Server.Name, container.StopOptions{}))
			},
			"the container restarted": func(t *testing.T, d *drifting) {
				require.NoError(t, d.docker.ContainerRestart(t.Context(), d.config().Server.Name, container.StopOptions{}))
			},
			"the container killed": func(t *testing.T, d *drifting) {
				require.NoError(t, d.docker.ContainerKill(t.Context(), d.config().Server.Name, "KILL"))
			},
		} {
			d.step(what, func(t *testing.T) {
				do(t, d)
				d.must("up")
				for step, statements := range migrations[1].steps(t) {
					migrate(t, d.session(t, d.logins["migrator"]), statements)
					made := tables(t, d.superuser(t, d.config().Database.Name))
					require.Len(t, made, migrations[1].tables[step])
					readsAndWrites(t, d.session(t, d.logins["app"]), made)
				}
				d.unchanged()
			})
		}
	})
}
