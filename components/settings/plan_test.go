package settings

import (
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

// TestWhatTheServerMayNotKnowIsAFlag: ALTER SYSTEM refuses names that no library has declared.
func TestWhatTheServerMayNotKnowIsAFlag(t *testing.T) {
	plan := NewPlan(configtest.Stack(t, "dev", map[string]string{"settings": `{
		"shared_preload_libraries": "pg_stat_statements", "session_preload_libraries": "auto_explain",
		"pg_stat_statements.track": "all", "pg_stat_statements.max": 2000, "auto_explain.log_min_duration": "1s", "shop.tenant": "salem"}`}))
	flags := values(t, plan)
	for _, name := range []string{"shared_preload_libraries", "pg_stat_statements.max", "auto_explain.log_min_duration", "shop.tenant"} {
		assert.Contains(t, flags, name)
	}
	assert.Equal(t, []Setting{{"pg_stat_statements.track", "all"}, {"session_preload_libraries", "auto_explain"}}, plan.System)
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
