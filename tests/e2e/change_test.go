package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/operation"
)

// TestEndToEndChanges: edits of a stack file take effect, and keep the data.
func TestEndToEndChanges(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "dev", plugins).initialize()
		p.up()
		k := p.fillIn(t)
		show := func(t *testing.T, name string) string {
			return ask[string](t, p.session(t, p.connections()["app"]), "SHOW "+name)
		}
		p.step("networks that somebody is on", func(t *testing.T) { refusesNetworks(t, p) })
		for _, change := range []struct {
			what     string
			values   values
			replaces bool // the container
			effect   func(t *testing.T)
		}{
			{"health check", values{"server": values{"healthCheck": values{"interval": "7s", "retries": 9}}}, true, func(t *testing.T) {
				assert.Equal(t, 7*time.Second, p.container().Config.Healthcheck.Interval)
				assert.Equal(t, 9, p.container().Config.Healthcheck.Retries)
				p.healthy()
			}},
			{"setting", values{"settings": values{"work_mem": "5MB", "max_connections": 120}}, true, func(t *testing.T) {
				assert.Equal(t, "5MB", show(t, "work_mem"))
				assert.Equal(t, "120", show(t, "max_connections"))
			}},
			{"limits", values{"server": values{"memory": "3GiB", "cpus": 1.5}}, true, func(t *testing.T) {
				assert.EqualValues(t, 3<<30, p.container().HostConfig.Memory)
				assert.EqualValues(t, 15e8, p.container().HostConfig.NanoCPUs)
			}},
			{"network", values{"network": values{"subnet": freeSubnet(t, p.docker), "alias": "database", "publish": values{"port": freePort(t)}}}, true, func(t *testing.T) {
				client := p.start(t, neighbour{network: p.config().Network.Name, command: idle})
				said, code := execIn(t, p.docker, client, "postgres", "pg_isready", "-h", "database")
				assert.Zero(t, code, said)
			}},
			{"certificate", values{"tls": values{"names": []string{"database.example"}, "required": true}}, false, func(t *testing.T) {
				uri := p.connections()["app"].URI
				session, err := p.openAs(uri, "database.example")
				require.NoError(t, err)
				require.NoError(t, session.Close(t.Context()))
				_, err = p.openAs(uri, "other.example")
				assert.ErrorContains(t, err, "database.example")
			}},
			{"schema and extension", values{"database": values{"schemas": []string{"auth", "public", "reports"}, "extensions": []string{"uuid-ossp", "citext", "pg_stat_statements", "pg_trgm"}}}, false, func(t *testing.T) {
				migrate(t, p.session(t, p.connections()["migrator"]), "CREATE TABLE reports.monthly (x text); CREATE INDEX ON reports.monthly USING gin (x public.gin_trgm_ops)")
				assert.NoError(t, attempt(t, p.session(t, p.connections()["app"]), "INSERT INTO reports.monthly VALUES ('x')"))
			}},
			{"privilege of the application", values{"access": values{"application": values{"truncate": true}}}, false, func(t *testing.T) {
				app := p.session(t, p.connections()["app"])
				assert.NoError(t, attempt(t, app, `TRUNCATE public."Events" CASCADE`))
				assert.NoError(t, attempt(t, app, "TRUNCATE reports.monthly"))
			}},
			{"privilege of the application taken back", values{"access": values{"application": values{"truncate": false}}}, false, func(t *testing.T) {
				assert.Equal(t, insufficientPrivilege, code(attempt(t, p.session(t, p.connections()["app"]), `TRUNCATE public."Settings"`)))
			}},
		} {
			p.step(change.what, func(t *testing.T) {
				before := p.container().ID
				p.configure(change.values)
				p.fails(7, nil, "preview", "--expect-no-changes")
				p.must("up")
				if change.replaces {
					assert.NotEqual(t, before, p.container().ID, "the container is replaced")
				} else {
					assert.Equal(t, before, p.container().ID, "the container stays")
				}
				change.effect(t)
				app := p.session(t, p.connections()["app"])
				for _, table := range k.tables {
					assert.Positive(t, ask[int](t, app, "SELECT count(*) FROM "+table), "rows of %s", table)
				}
				p.unchanged()
			})
		}
	})
}

// refusesNetworks changes networks while the containers of others are on them:
// Docker would not delete them, and the server would be gone by then.
func refusesNetworks(t *testing.T, p *project) {
	before, was := p.container(), p.config().Network
	guests := map[string]string{}
	for _, name := range []string{was.Name, was.AdminName} {
		guests[name] = p.start(t, neighbour{network: name, command: idle})
	}
	for network, changes := range map[string][]values{
		was.Name:      {{"subnet": freeSubnet(t, p.docker)}, {"name": was.Name + "-2", "subnet": freeSubnet(t, p.docker)}},
		was.AdminName: {{"adminSubnet": freeSubnet(t, p.docker)}},
	} {
		for _, change := range changes {
			p.configure(values{"network": change})
			p.fails(1, []string{fmt.Sprintf("network %s is still used by container %s, so nothing was deleted", network, guests[network])}, "up")
			p.configure(values{"network": values{"name": was.Name, "subnet": was.Subnet, "adminSubnet": was.AdminSubnet}})
		}
	}
	after := p.container()
	assert.Equal(t, before.ID, after.ID, "the container stays")
	assert.Equal(t, before.State.StartedAt, after.State.StartedAt, "it was not stopped")
	p.unchanged()
}

// TestEndToEndRotation: the next generation changes all passwords; nobody who
// uses the application's previous login is locked out before the one after.
func TestEndToEndRotation(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "prod", plugins).initialize()
		p.up()
		container := p.container().ID
		k := p.fillIn(t)
		first := p.connections()
		working := p.session(t, first["app"])
		rotate := func(t *testing.T, generation int) map[string]connection {
			p.configure(values{"access": values{"generation": generation}})
			p.must("up", "--force") // sessions of the first generation are held
			assert.Equal(t, container, p.container().ID, "the container stays")
			p.healthy()
			p.unchanged()
			return p.connections()
		}
		var second, third map[string]connection
		p.step("second generation", func(t *testing.T) {
			second = rotate(t, 2)
			assert.NotEqual(t, first["app"].Username, second["app"].Username, "the other slot")
			for client, login := range second {
				assert.NotEqual(t, first[client].Password, login.Password, client)
				readsOne(t, p, login)
			}
			readsOne(t, p, first["app"])
			readsOne(t, p, first["migrator"])
			assert.Equal(t, 1, ask[int](t, working, "SELECT 1"), "a session stays")
			assert.Equal(t, invalidPassword, loginCode(p, first["readonly"]))
			for _, login := range []connection{first["app"], second["app"]} {
				session := p.session(t, login)
				for _, table := range k.tables {
					for _, statement := range []string{"SELECT FROM %s", "INSERT INTO %s SELECT * FROM %[1]s WHERE false", "DELETE FROM %s WHERE false"} {
						assert.NoError(t, attempt(t, session, fmt.Sprintf(statement, table)))
					}
				}
			}
		})
		p.step("third generation", func(t *testing.T) {
			third = rotate(t, 3)
			assert.Equal(t, first["app"].Username, third["app"].Username, "the first slot again")
			readsOne(t, p, third["app"])
			readsOne(t, p, second["app"])
			assert.Equal(t, invalidPassword, loginCode(p, first["app"]))
		})
	})
}

func readsOne(t *testing.T, p *project, login connection) {
	t.Helper()
	assert.Equal(t, 1, ask[int](t, p.session(t, login), "SELECT 1"), login.Username)
}

// loginCode is what a login is refused with.
func loginCode(p *project, login connection) string {
	session, err := p.open(login.URI)
	if err == nil {
		err = session.Close(p.t.Context())
	}
	return code(err)
}

// TestEndToEndPluginsExchanged: a stack that was made with the stand-ins goes
// on with the published plugins, and the other way round.
func TestEndToEndPluginsExchanged(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		other := operation.Published
		if plugins == operation.Published {
			other = operation.StandIns
		}
		if reason, err := publishedMissing(); err != nil || reason != "" {
			t.Skip("NOT RUN: ", reason, err)
		}
		p := newProject(t, "dev", plugins).initialize()
		p.up()
		k := p.fillIn(t)
		container := p.container().ID
		for _, next := range []operation.PluginChoice{other, plugins} {
			p.step("to "+string(next), func(t *testing.T) {
				p.plugins = next
				p.must("up")
				assert.Equal(t, container, p.container().ID, "the container stays")
				k.kept(t)
			})
		}
		p.step("down", func(t *testing.T) {
			p.must("down")
			assert.Empty(t, p.left())
		})
	})
}
