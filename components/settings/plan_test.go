package settings

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/catalogue"
)

// values are the flags as a map; they have to come as pairs, sorted, each name once.
func values(t *testing.T, plan Plan) map[string]string {
	t.Helper()
	require.Zero(t, len(plan.StartupFlags)%2)
	found := map[string]string{}
	var names []string
	for pair := range slices.Chunk(plan.StartupFlags, 2) {
		require.Equal(t, "-c", pair[0])
		name, value, is := strings.Cut(pair[1], "=")
		require.True(t, is, pair[1])
		require.NotContains(t, found, name)
		found[name], names = value, append(names, name)
	}
	require.True(t, slices.IsSorted(names), "another order would replace the container")
	return found
}

func TestWhatNeedsARestartIsAFlag(t *testing.T) {
	for _, name := range configtest.Stacks() {
		stack := configtest.Stack(t, name, nil)
		plan := NewPlan(stack)
		flags := values(t, plan)
		system := map[string]string{}
		for _, setting := range plan.System {
			system[setting.Name] = setting.Value
		}
		for setting, value := range stack.Settings {
			known, is := stack.Catalogue().Lookup(setting)
			require.True(t, is, setting)
			if known.Context == catalogue.Postmaster {
				assert.Equal(t, string(value), flags[setting], "%s: %s", name, setting)
				assert.NotContains(t, system, setting, "the flag would outdo it")
			} else {
				assert.Equal(t, string(value), system[setting], "%s: %s", name, setting)
				assert.NotContains(t, flags, setting, "a change of the flag would replace the container")
			}
		}
		assert.Equal(t, "scram-sha-256", flags["password_encryption"])
		if stack.TLS.Enabled {
			assert.NotContains(t, flags, "ssl", "TLS is switched on in the running server")
		} else {
			assert.Equal(t, "off", flags["ssl"], "whatever the data directory says")
		}
		assert.NotContains(t, system, "ssl", "only once there is a certificate")
	}
}

func TestCertificateIsNamedWhereTLSIsOn(t *testing.T) {
	found := values(t, NewPlan(configtest.Stack(t, "prod", nil)))
	assert.Equal(t, [2]string{"server.pem", "server.pem"}, [2]string{found["ssl_cert_file"], found["ssl_key_file"]})
	assert.NotContains(t, values(t, NewPlan(configtest.Stack(t, "test", nil))), "ssl_cert_file")
}

// TestSettingsOfLibraries: a reload takes them, and those that nobody has declared, unless a library that is not known
// here might read them at the start.
func TestSettingsOfLibraries(t *testing.T) {
	for name, row := range map[string]struct {
		settings string
		flags    []string // beside those of every container
		system   []string
	}{
		"loaded at the start": {`{"shared_preload_libraries": "pg_stat_statements, auto_explain", "pg_stat_statements.track": "all", "pg_stat_statements.max": 2000, "auto_explain.log_analyze": true}`,
			[]string{"pg_stat_statements.max", "shared_preload_libraries"}, []string{"auto_explain.log_analyze", "pg_stat_statements.track"}},
		"loaded by sessions": {`{"shared_preload_libraries": "pg_stat_statements", "session_preload_libraries": "auto_explain", "auto_explain.log_min_duration": "1s"}`,
			[]string{"shared_preload_libraries"}, []string{"auto_explain.log_min_duration", "session_preload_libraries"}},
		"loaded when called": {`{"shared_preload_libraries": "pg_stat_statements", "plpgsql.variable_conflict": "use_column"}`,
			[]string{"shared_preload_libraries"}, []string{"plpgsql.variable_conflict"}},
		"nobody's": {`{"shared_preload_libraries": "pg_stat_statements, passwordcheck, plperl", "shop.tenant": "salem", "plperl.use_strict": "on"}`,
			[]string{"shared_preload_libraries"}, []string{"plperl.use_strict", "shop.tenant"}},
		"perhaps of a library that is not known": {`{"shared_preload_libraries": "pg_stat_statements, pg_cron", "cron.database_name": "shop", "work_mem": "8MB"}`,
			[]string{"cron.database_name", "shared_preload_libraries"}, []string{"work_mem"}},
	} {
		t.Run(name, func(t *testing.T) {
			plan := NewPlan(configtest.Stack(t, "dev", map[string]string{"settings": row.settings}))
			flags := values(t, plan)
			for _, always := range []string{"password_encryption", "reserved_connections", "ssl_cert_file", "ssl_key_file"} {
				delete(flags, always)
			}
			var system []string
			for _, setting := range plan.System {
				system = append(system, setting.Name)
			}
			assert.Equal(t, row.flags, slices.Sorted(maps.Keys(flags)))
			assert.Equal(t, row.system, system)
		})
	}
}

func TestExternalServersAreStartedBySomebodyElse(t *testing.T) {
	stack, err := config.Decode(configtest.Project, "managed", map[string]string{
		"target":   `{"type": "external", "host": "db.example.org", "alterSystem": true}`,
		"database": `{"name": "shop"}`, "settings": `{"work_mem": "8MB", "auto_explain.log_analyze": true}`,
	})
	require.NoError(t, err)
	assert.Equal(t, []Setting{{"auto_explain.log_analyze", "on"}, {"work_mem", "8MB"}}, NewPlan(stack).System)
}

func TestPlanLeavesTheConfigurationAlone(t *testing.T) {
	stack := configtest.Stack(t, "dev", nil)
	before := len(stack.Settings)
	NewPlan(stack)
	assert.Len(t, stack.Settings, before)
}
