package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/consequence"
	"github.com/witchcityrope/database/internal/operation"
)

// edit is one change of a stack file.
type edit struct {
	what   string
	values values
}

// edits are single changes over all areas of the configuration, made one after
// the other to the dev stack.
func edits(t *testing.T, p *project) []edit {
	setting := func(what, name string, value any) edit { return edit{what, values{"settings": values{name: value}}} }
	server := func(what, name string, value any) edit { return edit{what, values{"server": values{name: value}}} }
	network := func(what, name string, value any) edit { return edit{what, values{"network": values{name: value}}} }
	tls := func(what, name string, value any) edit { return edit{what, values{"tls": values{name: value}}} }
	check := func(what, name string, value any) edit { return server(what, "healthCheck", values{name: value}) }
	backup := func(what, name string, value any) edit { return edit{what, values{"backup": values{name: value}}} }
	name := p.config().Server.Name
	return []edit{
		setting("user setting, new", "work_mem", "5MB"),
		setting("user setting", "work_mem", "6MB"),
		setting("user setting", "random_page_cost", 1.1),
		setting("superuser setting", "log_min_duration_statement", "500ms"),
		setting("sighup setting", "checkpoint_timeout", "10min"),
		setting("sighup setting", "log_line_prefix", "%m [%p] %u@%d "),
		setting("superuser-backend setting", "log_connections", true),
		setting("postmaster setting", "max_connections", 110),
		setting("postmaster setting", "shared_buffers", "160MB"),
		setting("postmaster setting, a library", "shared_preload_libraries", "pg_stat_statements, auto_explain"),
		setting("setting of a library", "auto_explain.log_min_duration", "1s"),
		setting("setting that is taken out", "log_duration", nil),
		setting("postmaster setting that is taken out", "max_connections", nil),

		server("limit of memory", "memory", "3GiB"),
		server("reservation of memory", "memoryReservation", "600MiB"),
		server("limit of CPUs", "cpus", 1.5),
		server("shared memory", "sharedMemory", "300MiB"),
		server("restart policy", "restart", "always"),
		server("time to stop", "stopTimeout", "100s"),
		server("time to get ready", "readyTimeout", "50s"),
		check("interval of the health check", "interval", "7s"),
		server("size of the log", "log", values{"maxSize": "40MiB"}),

		network("alias", "alias", "database"),
		network("published port", "publish", values{"port": freePort(t)}),
		network("published address", "publish", values{"address": "127.0.0.2"}),
		network("subnet", "subnet", freeSubnet(t, p.docker)),
		network("subnet of the port", "adminSubnet", freeSubnet(t, p.docker)),
		// Docker has no two networks of one subnet, not even for a moment.
		{"name of the network", values{"network": values{"name": name + "-renamed", "subnet": freeSubnet(t, p.docker)}}},
		{"name of the port's network", values{"network": values{"adminName": name + "-admin-renamed", "adminSubnet": freeSubnet(t, p.docker)}}},

		tls("another name", "names", []string{"database.example"}),
		tls("demanded", "required", true),
		tls("validity of the certificate", "validity", "300d"),
		tls("renewal of the certificate", "renewBefore", "20d"),
		tls("subject", "subject", values{"organization": "Coven"}),
		tls("validity of the CA", "caValidity", "3000d"),
		tls("not demanded", "required", false),
		tls("off", "enabled", false),
		tls("on", "enabled", true),

		tls("generation of the CA", "caGeneration", 2),

		{"setting of the database", values{"database": values{"settings": values{"lock_timeout": "5s"}}}},
		{"setting of a login", values{"access": values{"settings": values{"app": values{"work_mem": "8MB"}}}}},
		{"setting of a login that is its own argument", values{"access": values{"settings": values{"app": values{"statement_timeout": "30s"}}}}},
		{"setting of a login, taken out", values{"access": values{"settings": values{"app": values{"work_mem": nil}}}}},
		{"privilege of the application", values{"access": values{"application": values{"truncate": true}}}},
		{"creation of databases", values{"access": values{"application": values{"createDatabases": true}}}},
		{"access rule", values{"access": values{"rules": []values{
			{"type": "host", "databases": []string{"all"}, "roles": []string{"backup"}, "address": "192.0.2.0/24", "method": "reject"},
		}}}},
		{"where the monitor comes from", values{"access": values{"from": values{"monitor": []string{"internal"}}}}},
		{"generation of the passwords", values{"access": values{"generation": 2}}},
		{"pool", values{"clients": values{"app": values{"maxPoolSize": 15}}}},
		{"life of connections", values{"clients": values{"app": values{"connectionLifetime": 60}}}},
		{"reserve of connections", values{"clients": values{"reserve": 6}}},
		{"path of the CA at clients", values{"clients": values{"rootCertificate": "/etc/ca.crt"}}},
		{"another schema", values{"database": values{"schemas": []string{"auth", "public", "reports"}}}},
		{"another extension", values{"database": values{"extensions": []string{"uuid-ossp", "citext", "pg_stat_statements", "pg_trgm"}}}},
		{"a schema less", values{"database": values{"schemas": []string{"auth", "public"}}}},
		{"an extension less", values{"database": values{"extensions": []string{"uuid-ossp", "citext", "pg_stat_statements"}}}},

		{"roles", values{"access": values{"roles": []values{{"name": "auditors"}, {"name": "partner", "login": true, "memberOf": []string{"auditors"}}}}}},
		{"a grant", values{"access": values{"grants": []values{{"role": "partner", "on": "database", "privileges": []string{"CONNECT"}}}}}},
		{"default privileges", values{"access": values{"defaultPrivileges": []values{{"role": "auditors", "on": "type", "privileges": []string{"USAGE"}}}}}},
		{"limit of a role", values{"access": values{"roles": []values{{"name": "auditors"}, {"name": "partner", "login": true, "connectionLimit": 4, "memberOf": []string{"auditors"}}}}}},
		{"an index", values{"indexes": []values{{"name": "witness_x", "table": "witness", "columns": []string{"x"}}}}},

		backup("backups", "enabled", true),
		backup("schedule of the backups", "schedule", "0 3 * * *"),
		backup("backups no more", "enabled", false),

		// What was written before is in the other one.
		{"name of the database", values{"database": values{"name": "other"}}},
	}
}

// TestEndToEndConsequences: what preview foretells is what happens, for single
// changes of every area.
func TestEndToEndConsequences(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		record := newRecord(plugins)
		proves := func(p *project, edit edit) {
			p.step(edit.what, func(t *testing.T) { record.add(edit, provesConsequence(t, p, edit)) })
		}
		dev := newProject(t, "dev", plugins).initialize()
		dev.up()
		dev.must("up") // takes note
		for _, edit := range edits(t, dev) {
			proves(dev, edit)
		}
		inMemory := newProject(t, "test", plugins).initialize()
		inMemory.up()
		inMemory.must("up") // takes note
		proves(inMemory, edit{"setting of data in memory", values{"settings": values{"work_mem": "6MB"}}})
		proves(inMemory, edit{"limit of CPUs, data in memory", values{"server": values{"cpus": 1.5}}})
		record.write(t)
	})
}

// proof is what was foretold and what was seen.
type proof struct {
	foretold      consequence.Forecast
	class         consequence.Class // seen
	before, after sighting
	alive         bool // the session that was held open
	away          time.Duration
}

// provesConsequence makes one edit take effect.
func provesConsequence(t *testing.T, p *project, edit edit) proof {
	before := watch(t, p)
	p.configure(edit.values)
	forecast := p.report("preview").Consequence
	var allow []string
	for _, effect := range forecast.Refused(nil) {
		allow = append(allow, "--allow", effect.Name)
	}
	if len(allow) > 0 {
		p.fails(1, []string{"refused, and nothing was changed", "--allow"}, "up")
		assert.True(t, before.alive(), "nothing was done")
	}
	poll := func() time.Duration { return 0 }
	if forecast.Class.Interrupts() {
		poll = before.poll(t)
	}
	report := p.report(append([]string{"up"}, allow...)...)
	away := poll()
	assert.Equal(t, forecast.Class, report.Consequence.Class, "up shows what preview did")
	after := before.look(t, p.connections()["app"])
	class := before.classify(after)
	proof := proof{forecast, class, before.before, after, before.alive(), away}
	assert.Equal(t, forecast.Class.String(), class.String(), "foretold and seen; %s", forecast.Summary())
	return proof
}

// TestEndToEndAnswers: an up that interrupts or loses data needs an answer.
func TestEndToEndAnswers(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "dev", plugins).initialize()
		p.must("up", unanswered) // nothing is there that could be interrupted
		p.must("up", unanswered)
		container := p.container().ID
		p.step("an interruption", func(t *testing.T) {
			p.configure(values{"server": values{"cpus": 1.5}})
			p.fails(1, []string{"nothing was changed", "CPU limit 2.0 → 1.5", "wcrdb up -s dev --yes"}, "up", unanswered)
			p.fails(1, []string{"--yes"}, "up", unanswered, "--json")
			assert.Equal(t, container, p.container().ID)
			said := p.must("preview").stdout
			assert.Contains(t, said, "container replaced, about 3.0 s of interruption, a guess: none was measured yet")
			p.must("up")
			assert.NotEqual(t, container, p.container().ID)
			assert.FileExists(t, p.local("interruptions.json"))
		})
		p.step("the last interruption is expected again", func(t *testing.T) {
			p.configure(values{"server": values{"cpus": 1}})
			assert.Contains(t, p.must("preview").stdout, "as long as the last one")
			p.configure(values{"server": values{"cpus": 1.5}})
			p.must("up", unanswered)
		})
		p.step("data loss", func(t *testing.T) {
			container := p.container().ID
			p.configure(values{"database": values{"name": "other"}})
			said := p.must("preview", "--markdown").stdout
			assert.Contains(t, said, "### `wcrdb preview -s dev`")
			assert.Contains(t, said, "**DATA LOSS")
			assert.Contains(t, said, "`--allow database-access-database`")
			p.fails(1, []string{"refused, and nothing was changed", "--allow database-access-database"}, "up")
			p.fails(1, []string{"refused, and nothing was changed"}, "up", "--allow", "database-server-container")
			assert.Equal(t, container, p.container().ID)
			p.configure(values{"database": values{"name": "witchcityrope_dev"}})
			p.must("up", unanswered)
		})
		p.step("data stays where it is", func(t *testing.T) {
			container := p.container()
			for key, value := range (values{"volume": "another", "type": "tmpfs"}) {
				before := map[string]any{"volume": p.config().Storage.Volume, "type": "volume"}[key]
				p.configure(values{"storage": values{key: value}})
				p.fails(1, []string{"storage." + key, "wcrdb down"}, "up", "--allow", "database-server-volume", "--allow", "database-server-container")
				p.configure(values{"storage": values{key: before}})
			}
			p.configure(values{"storage": values{"type": "bind", "path": t.TempDir()}})
			p.fails(1, []string{"storage.path", "cannot be pointed to another place"}, "preview")
			p.fails(1, []string{"storage.path", "cannot be pointed to another place"}, "up")
			p.configure(values{"storage": values{"type": "volume", "path": ""}})
			assert.Equal(t, container.ID, p.container().ID)
			assert.Equal(t, container.State.StartedAt, p.container().State.StartedAt)
			p.must("up", unanswered)
		})
		p.step("the state is lost and the server runs", func(t *testing.T) {
			require.NoError(t, os.RemoveAll(filepath.Join(p.dir, ".wcrdb", "state")))
			p.fails(1, []string{"the state does not know it", "--yes"}, "up", unanswered)
			assert.True(t, p.container().State.Running)
			p.must("up")
		})
	})
}

// TestEndToEndAnswersInMemory: a container whose data is in memory is not
// replaced without a word about its data.
func TestEndToEndAnswersInMemory(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "test", plugins).initialize()
		p.up()
		container := p.container().ID
		p.configure(values{"server": values{"cpus": 1.5}})
		forecast := p.report("preview").Consequence
		assert.Equal(t, consequence.DataLoss, forecast.Class)
		p.fails(1, []string{"the data in memory goes with its container: CPU limit 2.0 → 1.5", "--allow database-server-container"}, "up")
		assert.Equal(t, container, p.container().ID)
		p.must("up", unanswered, "--allow", "database-server-container")
		assert.NotEqual(t, container, p.container().ID)
		readsOne(t, p, p.connections()["app"])
		p.unchanged()
	})
}
