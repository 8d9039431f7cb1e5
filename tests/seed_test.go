package tests

import (
	"encoding/json"
	"errors"
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/config/configtest"
)

// seedSettings are those of the seed design, word for word: sections 3 (test),
// 6 (tuning) and 7 (audit logging).
var seedSettings = map[string]string{
	"shared_buffers": "512MB", "effective_cache_size": "1536MB", "maintenance_work_mem": "128MB", "work_mem": "16MB",
	"max_connections": "200", "max_prepared_transactions": "0",
	"wal_buffers": "16MB", "checkpoint_completion_target": "0.9", "checkpoint_timeout": "10min", "checkpoint_segments": "32",
	"random_page_cost": "1.1", "effective_io_concurrency": "200", "default_statistics_target": "100",
	"log_destination": "stderr,csvlog", "logging_collector": "on", "log_directory": "/var/log/postgresql",
	"log_filename": "postgresql-%Y-%m-%d_%H%M%S.log", "log_rotation_size": "100MB", "log_rotation_age": "1d",
	"log_connections": "on", "log_disconnections": "on", "log_login_failures": "on",
	"log_min_duration_statement": "1000", "log_statement": "ddl", "log_checkpoints": "on", "log_lock_waits": "on",
	"shared_preload_libraries": "pg_stat_statements", // its section 2 creates the extension
}

// withSettings decodes prod with other settings.
func withSettings(t *testing.T, settings map[string]string) (*config.Stack, config.Faults) {
	t.Helper()
	text, err := json.Marshal(settings)
	require.NoError(t, err)
	values := configtest.Values(t, "prod")
	values["settings"] = string(text)
	stack, err := config.Decode(configtest.Project, "prod", values)
	var faults config.Faults
	if err != nil {
		require.True(t, errors.As(err, &faults), "%v", err)
	}
	return stack, faults
}

// TestSeedSettings: the two names that are no settings, and the directory that
// the container's server may not write to; without them, everything applies.
func TestSeedSettings(t *testing.T) {
	_, faults := withSettings(t, seedSettings)
	var told []string
	for _, fault := range faults {
		told = append(told, fault.String())
	}
	require.Len(t, told, 3)
	assert.Equal(t, []string{
		"settings.checkpoint_segments: no such setting in PostgreSQL 16: was removed in PostgreSQL 9.5; use max_wal_size",
		"settings.log_login_failures: no such setting in PostgreSQL 16: never existed; leave it out: failed logins are logged by default",
	}, told[:2])
	assert.Equal(t, "settings.log_directory", faults[2].Path)

	corrected := maps.Clone(seedSettings)
	delete(corrected, "checkpoint_segments")
	delete(corrected, "log_login_failures")
	corrected["max_wal_size"], corrected["log_directory"] = "2GB", "log"
	_, faults = withSettings(t, corrected)
	assert.Empty(t, faults)
}
