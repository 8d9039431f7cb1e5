package tests

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/config/configtest"
)

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
	_, faults := withSettings(t, configtest.SeedSettings())
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

	_, faults = withSettings(t, configtest.CorrectedSeedSettings())
	assert.Empty(t, faults)
}
