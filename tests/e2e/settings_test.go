package e2e

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/consequence"
	"github.com/witchcityrope/database/internal/operation"
)

// TestEndToEndSettingsUnderLoad: what a reload applies loses no query and no
// session; what needs a restart restarts once.
func TestEndToEndSettingsUnderLoad(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "prod", plugins).initialize()
		p.up()
		p.makeTable(t)
		app := p.connections()["app"]
		started := func(t *testing.T) time.Time {
			return ask[time.Time](t, p.session(t, app), "SELECT pg_postmaster_start_time()")
		}
		p.step("changed by a reload", func(t *testing.T) {
			container, before, session := p.container().ID, started(t), p.session(t, app)
			stop := p.load(t)
			for _, changed := range []values{
				{"work_mem": "12MB", "log_min_duration_statement": "750ms", "random_page_cost": 1.3,
					"pg_stat_statements.track": "all", "plpgsql.variable_conflict": "use_column", "shop.tenant": "danvers"},
				{"work_mem": "20MB", "log_min_duration_statement": "2s", "random_page_cost": nil,
					"pg_stat_statements.track": "none", "plpgsql.variable_conflict": "use_variable", "shop.tenant": "salem"},
			} {
				p.configure(values{"settings": changed})
				assert.Equal(t, consequence.Reload.String(), p.report("preview").Consequence.Class.String())
				p.must("up")
			}
			queries, lost := stop()
			assert.Zero(t, lost, "sessions")
			assert.Equal(t, container, p.container().ID)
			assert.Equal(t, before, started(t))
			for name, value := range map[string]string{
				"work_mem": "20MB", "log_min_duration_statement": "2s", "random_page_cost": "4", "pg_stat_statements.track": "none",
				"plpgsql.variable_conflict": "use_variable", "shop.tenant": "salem",
			} {
				assert.Equal(t, value, ask[string](t, session, "SHOW "+name), "in the session that was there before: %s", name)
			}
			found := ask[int64](t, session, "SELECT count(*) FROM load")
			assert.Equal(t, queries, found, "every query that was acknowledged, and no other")
			recordLoad(t, plugins, queries, found, lost)
			p.unchanged()
		})
		p.step("changed by a restart", func(t *testing.T) {
			container, before := p.container().ID, started(t)
			p.configure(values{"settings": values{"shared_buffers": "384MB"}})
			assert.Equal(t, consequence.Restart.String(), p.report("preview").Consequence.Class.String())
			p.must("up")
			after := started(t)
			assert.NotEqual(t, container, p.container().ID, "the flags are the container's")
			assert.Greater(t, after, before)
			assert.Zero(t, p.container().RestartCount)
			assert.Equal(t, "384MB", ask[string](t, p.session(t, app), "SHOW shared_buffers"))
			p.unchanged()
			assert.Equal(t, after, started(t), "restarted once")
		})
		p.step("those of the seed", func(t *testing.T) {
			container := p.container().ID
			p.configure(values{"settings": configtest.SeedSettings()})
			p.fails(1, []string{"settings.checkpoint_segments", "use max_wal_size", "settings.log_login_failures", "never existed"}, "up")
			corrected := configtest.CorrectedSeedSettings()
			p.configure(values{"settings": corrected})
			assert.Equal(t, container, p.container().ID, "nothing was done")
			p.must("up")
			corrected["log_min_duration_statement"] = "1s" // was written without a unit
			administrator := p.superuser(t, p.config().Database.Name)
			for name, value := range corrected {
				assert.Equal(t, value, ask[string](t, administrator, "SHOW "+name), name)
			}
			p.unchanged()
		})
	})
}

// load inserts rows from sessions of the application until it is stopped, and
// then tells how many, and how many sessions were lost on the way.
func (p *project) load(t *testing.T) (stop func() (queries int64, lost int)) {
	t.Helper()
	var acknowledged atomic.Int64
	ended := make(chan struct{})
	faults := make(chan error, writers)
	app := p.connections()["app"]
	for i := range writers {
		session, err := p.open(app.URI)
		require.NoError(t, err)
		go func() {
			faults <- func() error {
				defer session.Close(context.Background())
				for number := 0; ; number++ {
					select {
					case <-ended:
						return nil
					default:
					}
					if _, err := session.Exec(context.Background(), "INSERT INTO load VALUES ($1, $2)", string(rune('a'+i)), number); err != nil {
						return err
					}
					acknowledged.Add(1)
				}
			}()
		}()
	}
	return func() (int64, int) {
		close(ended)
		var lost int
		for range writers {
			if err := <-faults; !assert.NoError(t, err) {
				lost++
			}
		}
		return acknowledged.Load(), lost
	}
}

// TestEndToEndSettingDrift: settings that somebody changed by hand are found
// and repaired, whether the server has read them yet or not.
func TestEndToEndSettingDrift(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		d := &drifting{project: newProject(t, "dev", plugins)}
		d.configure(values{
			"settings": values{"work_mem": "6MB"},
			"database": values{"settings": values{"lock_timeout": "7s"}},
			"access":   values{"settings": values{"app": values{"statement_timeout": "30s", "search_path": `"$user", public`, "log_min_duration_statement": -1}}},
		})
		d.initialize()
		d.up()
		d.logins = d.connections()
		const app = "witchcityrope_app_1"
		shows := func(name, value string) func(t *testing.T, d *drifting) {
			return func(t *testing.T, d *drifting) {
				assert.Equal(t, value, ask[string](t, d.session(t, d.logins["app"]), "SHOW "+name))
			}
		}
		d.step("as declared", func(t *testing.T) {
			for name, value := range map[string]string{
				"work_mem": "6MB", "lock_timeout": "7s", "statement_timeout": "30s", "search_path": `"$user", public`, "log_min_duration_statement": "-1",
			} {
				shows(name, value)(t, d)
			}
			d.unchanged()
		})
		for _, drift := range []drift{
			{"ALTER SYSTEM", sql("ALTER SYSTEM SET work_mem = '9MB'", "SELECT pg_reload_conf()"), "database-settings-work_mem", shows("work_mem", "6MB")},
			{"ALTER SYSTEM RESET", sql("ALTER SYSTEM RESET work_mem", "SELECT pg_reload_conf()"), "database-settings-work_mem", shows("work_mem", "6MB")},
			{"postgresql.auto.conf edited, not reloaded", edited(`sed -i "s/^work_mem.*/work_mem = '11MB'/" postgresql.auto.conf`), "database-settings-work_mem", func(t *testing.T, d *drifting) {
				d.sudo(t, "SELECT pg_reload_conf()")
				shows("work_mem", "6MB")(t, d)
			}},
			{"ALTER DATABASE", sql("ALTER DATABASE witchcityrope_dev SET lock_timeout = '1min'"), "session-database-witchcityrope_dev-lock_timeout", shows("lock_timeout", "7s")},
			{"ALTER DATABASE RESET", sql("ALTER DATABASE witchcityrope_dev RESET ALL"), "session-database-witchcityrope_dev-lock_timeout", shows("lock_timeout", "7s")},
			{"ALTER ROLE, of the role", sql("ALTER ROLE " + app + " SET statement_timeout = 1000"), "access-role-" + app, shows("statement_timeout", "30s")},
			{"ALTER ROLE, of the sessions", sql("ALTER ROLE " + app + " SET log_min_duration_statement = 5"), "session-" + app + "-log_min_duration_statement", shows("log_min_duration_statement", "-1")},
			{"ALTER ROLE RESET", sql("ALTER ROLE " + app + " RESET ALL"), "session-" + app + "-log_min_duration_statement", func(t *testing.T, d *drifting) {
				shows("log_min_duration_statement", "-1")(t, d)
				shows("statement_timeout", "30s")(t, d)
			}},
		} {
			d.step(drift.what, func(t *testing.T) {
				drift.do(t, d)
				d.fails(7, []string{drift.found}, "refresh", "--expect-no-changes")
				d.must("up")
				drift.repaired(t, d)
			})
			d.step(drift.what+", no refresh", func(t *testing.T) {
				drift.do(t, d)
				d.must("up")
				drift.repaired(t, d)
			})
		}
		d.step("no drift", func(t *testing.T) { d.unchanged() })
		d.step("settings taken out", func(t *testing.T) {
			d.configure(values{"settings": values{"work_mem": nil}, "database": values{"settings": nil}, "access": values{"settings": nil}})
			d.must("up")
			for name, value := range map[string]string{"work_mem": "4MB", "lock_timeout": "0", "statement_timeout": "0", "log_min_duration_statement": "0"} {
				shows(name, value)(t, d)
			}
			administrator := d.superuser(t, "postgres")
			assert.Zero(t, ask[int](t, administrator, "SELECT count(*) FROM pg_db_role_setting WHERE setrole = $1::regrole", app))
			d.unchanged()
		})
	})
}

// edited runs a shell command in the data directory, of which the server hears nothing.
func edited(command string) func(t *testing.T, d *drifting) {
	return func(t *testing.T, d *drifting) {
		said, code := d.exec("postgres", "sh", "-c", "cd "+dataDirectory+" && "+command)
		require.Zero(t, code, said)
	}
}
