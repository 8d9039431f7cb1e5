package tests

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/acquire"
	"github.com/witchcityrope/database/internal/pgtest"
	"github.com/witchcityrope/database/internal/postgres"
)

// TestWhatRulesRefuseTheServerRefuses: settings that each are right and together
// are not. The rule's fault and the server's own message are side by side.
func TestWhatRulesRefuseTheServerRefuses(t *testing.T) {
	type settings map[string]string
	server := pgtest.New(t, acquire.EmbeddedPostgresVersion)
	for _, refused := range []struct {
		settings        settings
		fault           string // its path
		says            string // the server, which does not start
		name, corrected string // the setting that makes it start
	}{
		{settings{"wal_level": "minimal"}, "settings.wal_level", "WAL streaming", "max_wal_senders", "0"},
		{settings{"wal_level": "minimal", "max_wal_senders": "0", "archive_mode": "on", "archive_command": "true"}, "settings.wal_level", "WAL archival cannot be enabled", "archive_mode", "off"},
		{settings{"min_wal_size": "16MB"}, "settings.min_wal_size", `"min_wal_size" must be at least twice`, "min_wal_size", "32MB"},
		{settings{"max_wal_size": "16MB", "min_wal_size": "32MB"}, "settings.max_wal_size", `"max_wal_size" must be at least twice`, "max_wal_size", "32MB"},
		{settings{"logging_collector": "on", "log_directory": "/proc/postgresql"}, "settings.log_directory", "could not open log file", "log_directory", "log"},
		{settings{"recovery_target_xid": "1000", "recovery_target_name": "before"}, "settings.recovery_target_xid", "multiple recovery targets", "recovery_target_xid", ""},
		{settings{"max_connections": "20", "superuser_reserved_connections": "15", "reserved_connections": "5"}, "clients", "must be less than", "reserved_connections", "4"},
		{settings{"max_worker_processes": "262143"}, "settings", `"max_worker_processes": 262143`, "max_worker_processes", "8"},
		{settings{"shared_preload_libraries": "pg_stat_statement"}, "settings.shared_preload_libraries", "could not access file", "shared_preload_libraries", "pg_stat_statements"},
	} {
		flags := func() (flags []string) {
			for name, value := range refused.settings {
				if value != "" { // several targets are refused even where all but one are empty
					flags = append(flags, name+"="+value)
				}
			}
			return flags
		}
		text, err := json.Marshal(refused.settings)
		require.NoError(t, err)
		_, err = config.Decode(configtest.Project, "dev", map[string]string{"database": `{"name": "shop"}`, "settings": string(text)})
		var faults config.Faults
		require.True(t, errors.As(err, &faults), "%s: %v", text, err)
		assert.Equal(t, refused.fault, faults[0].Path)
		require.ErrorContains(t, server.Start(t.Context(), flags()...), refused.says)
		refused.settings[refused.name] = refused.corrected
		require.NoError(t, server.Start(t.Context(), flags()...))
		require.NoError(t, server.Kill())
		require.NoError(t, os.Remove(server.LogFile))
	}
}

// TestReloadTakesWhatAStartRefuses is why the sizes of WAL are a rule: nobody
// would notice before the next start.
func TestReloadTakesWhatAStartRefuses(t *testing.T) {
	server := pgtest.Start(t)
	session := server.Connect(t)
	for _, statement := range []string{"ALTER SYSTEM SET min_wal_size = '16MB'", "SELECT pg_reload_conf()"} {
		_, err := session.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	require.NoError(t, server.Kill())
	require.ErrorContains(t, server.Start(t.Context()), "must be at least twice")
}

// TestSettingsOfSessions: what the configuration takes for a login, ALTER ROLE
// takes; what it refuses for its context, the server refuses too.
func TestSettingsOfSessions(t *testing.T) {
	session := pgtest.Start(t).Connect(t)
	for _, setting := range configtest.Stack(t, "dev", nil).Catalogue().Settings() {
		if setting.Library != "" {
			continue
		}
		text, err := json.Marshal(map[string]any{"settings": map[string]any{"app": map[string]string{strings.ToLower(setting.Name): setting.Default}}})
		require.NoError(t, err)
		_, refused := config.Decode(configtest.Project, "dev", map[string]string{"database": `{"name": "shop"}`, "access": string(text)})
		_, err = session.Exec(t.Context(), "ALTER ROLE postgres SET "+setting.Name+" = "+postgres.QuoteSetting(setting.Name, setting.Default))
		if refused == nil {
			assert.NoError(t, err, setting.Name)
		} else if strings.Contains(refused.Error(), "setting of the whole server") {
			assert.Error(t, err, setting.Name)
		}
	}
}
