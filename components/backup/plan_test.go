package backup

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/agent"
	"github.com/witchcityrope/database/internal/password"
)

func plan(t *testing.T, stack *config.Stack) Plan {
	t.Helper()
	derivation, err := password.NewDerivation("a root secret of the tests, long enough", stack.Name)
	require.NoError(t, err)
	made, err := NewPlan(stack, "", agent.Binary{Path: "/agent", Version: "1"}, derivation)
	require.NoError(t, err)
	return made
}

func TestTheAgentIsToldWhatIsDeclared(t *testing.T) {
	stack := configtest.Stack(t, "prod", nil)
	made := plan(t, stack)
	var told agent.Settings
	require.NoError(t, json.Unmarshal([]byte(made.Settings), &told))
	assert.Equal(t, agent.Settings{
		Project: stack.Project, Stack: "prod", Database: "witchcityrope", Image: stack.Server.Image,
		Host: "db", Port: 5432, Login: "witchcityrope_backup", TLS: true,
		Schedule: "CRON_TZ=UTC 0 2 * * *", Keep: 30 * 24 * time.Hour, Allowed: 30 * time.Hour,
		Formats: []string{"custom", "plain"}, Recipients: told.Recipients,
	}, told)
	assert.NotContains(t, made.Settings, made.Password[:20], "which is in a file of its own")
	assert.Equal(t, stack.Server.Name+"-backups", made.Target)

	stack.Backup.Directory = "/mnt/backups"
	assert.Equal(t, "/mnt/backups", plan(t, stack).Target)
}

func TestARotationChangesThePassword(t *testing.T) {
	stack := configtest.Stack(t, "prod", nil)
	before := plan(t, stack)
	stack.Access.Generation++
	after := plan(t, stack)
	assert.NotEqual(t, before.Password, after.Password)
	assert.Equal(t, before.Settings, after.Settings)
}
