package pgserver

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/pgtest"
)

func TestSystemSettingCheck(t *testing.T) {
	provider := newTestProvider(t, unplugged(new([]Config)))
	setting := func(name string) values { return values{"name": text(name), "value": text("1")} }
	for _, name := range []string{"work_mem", "DateStyle", "pg_stat_statements.max", "app.tenant$1"} {
		assert.Empty(t, provider.faults("SystemSetting", setting(name)), name)
	}
	for _, name := range []string{"", "work mem", "work_mem;", "a.b.c", "1a", ".a", "a.", "a\n"} {
		assert.Contains(t, provider.faults("SystemSetting", setting(name))["name"], "is not the name of a setting", name)
	}
	assert.Empty(t, provider.faults("SystemSetting", setting("a").with("name", property.New(property.Computed))))
}

func TestSystemSetting(t *testing.T) {
	server := pgtest.Start(t, "max_locks_per_transaction=70", "shared_preload_libraries=pg_stat_statements")
	provider := connected(t, server)
	conn := server.Connect(t)
	setting := func(name, value string) values { return values{"name": text(name), "value": text(value)} }
	effective := func(name string) string {
		return query[string](t, server.Connect(t), "SELECT current_setting($1)", name)
	}
	written := func(name string) *string {
		return query[*string](t, conn, "SELECT max(setting) FROM pg_file_settings WHERE name = $1 AND sourcefile LIKE '%auto.conf'", name)
	}

	t.Run("life cycle", func(t *testing.T) {
		resource := provider.create("SystemSetting", setting("work_mem", "16MB"))
		assert.Equal(t, "16MB", resource.output("effectiveValue"))
		assert.False(t, resource.state.Get("pendingRestart").AsBool())
		assert.Equal(t, "16MB", effective("work_mem"))
		resource.update(setting("work_mem", "32768"))
		assert.Equal(t, "32MB", resource.output("effectiveValue"))

		require.True(t, resource.refresh())
		assert.False(t, resource.diff(setting("work_mem", "32768")).HasChanges)
		execute(t, conn, "ALTER SYSTEM SET work_mem = '1MB'")
		require.True(t, resource.refresh())
		assert.True(t, resource.diff(setting("work_mem", "32768")).HasChanges)
		resource.update(setting("work_mem", "32768"))
		assert.Equal(t, "32MB", effective("work_mem"))
		assert.Equal(t, "32768", provider.imported("SystemSetting", "work_mem").inputs.Get("value").AsString())

		resource.delete()
		assert.Equal(t, "4MB", effective("work_mem"))
		assert.False(t, resource.refresh())
		assert.Empty(t, provider.imported("SystemSetting", "work_mem").id)
	})
	t.Run("values of all kinds", func(t *testing.T) {
		for _, test := range []struct{ name, value, effective string }{
			{"log_line_prefix", "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ", "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h "},
			{"cluster_name", `it's a "test" \ 1`, ""}, // only after a restart
			{"search_path", `"$user", public, "Odd, Name"`, `"$user", public, "Odd, Name"`},
			{"session_preload_libraries", "auto_explain", "auto_explain"},
			{"pg_stat_statements.track", "all", "all"},
			{"log_statement", "all", "all"},
			{"log_connections", "on", "on"}, // for new sessions only
			{"statement_timeout", "1h", "1h"},
			{"DATESTYLE", "ISO, DMY", "ISO, DMY"},
		} {
			resource := provider.create("SystemSetting", setting(test.name, test.value))
			assert.Equal(t, test.effective, resource.output("effectiveValue"), test.name)
			assert.Equal(t, test.name == "cluster_name", resource.state.Get("pendingRestart").AsBool(), test.name)
			require.True(t, resource.refresh(), test.name)
			assert.False(t, resource.diff(setting(test.name, test.value)).HasChanges, test.name)
			resource.delete()
		}
	})
	t.Run("what the server refuses", func(t *testing.T) {
		provider.create("SystemSetting", setting("work_mem", "8MB"))
		for name, test := range map[string]struct{ name, value, want string }{
			"value":        {"work_mem", "much", `invalid value for parameter "work_mem": "much"`},
			"unit":         {"work_mem", "16M", "Valid units"},
			"range":        {"work_mem", "1kB", "outside the valid range"},
			"name":         {"wrk_mem", "1MB", "unrecognized configuration parameter"},
			"not settable": {"data_directory", "/x", `parameter "data_directory" cannot be changed`},
			"command line": {"max_locks_per_transaction", "80", "the server's command line says otherwise"},
		} {
			before := written(test.name)
			_, err := provider.tryCreate("SystemSetting", setting(test.name, test.value))
			require.ErrorContains(t, err, test.want, name)
			assert.Equal(t, before, written(test.name), name)
		}
		assert.Equal(t, "8MB", effective("work_mem"))
	})
	t.Run("a file that cannot be read", func(t *testing.T) {
		execute(t, conn, `COPY (SELECT 'work_mem = ''1MB') TO PROGRAM 'cat >> postgresql.conf'`)
		_, err := provider.tryCreate("SystemSetting", setting("work_mem", "2MB"))
		require.ErrorContains(t, err, "the server refuses to reload its configuration")
		assert.ErrorContains(t, err, "postgresql.conf, line")
	})
}
