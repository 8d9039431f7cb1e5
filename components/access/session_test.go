package access

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/password"
)

// TestSettingsOfSessions: what the role itself has goes there, for both logins
// of the application; everything else is a default of the sessions.
func TestSettingsOfSessions(t *testing.T) {
	stack := configtest.Stack(t, "dev", map[string]string{
		"database": `{"name": "shop", "settings": {"lock_timeout": "5s"}}`,
		"access": `{"prefix": "shop", "settings": {
			"app": {"statement_timeout": "30s", "idle_in_transaction_session_timeout": "1min", "search_path": "auth, \"$user\", public", "lock_timeout": "2s"},
			"migrator": {"statement_timeout": 0}}}`,
	})
	plan := planOf(t, stack)
	for _, slot := range []string{"shop_app_0", "shop_app_1"} {
		role := plan.Roles[slices.IndexFunc(plan.Roles, func(role Role) bool { return role.Name == slot })]
		assert.Equal(t, Session{SearchPaths: []string{"auth", "$user", "public"}, StatementTimeout: 30000, IdleInTransactionTimeout: 60000}, role.Session)
	}
	assert.Equal(t, []SessionDefault{
		{"", "lock_timeout", "5s"}, {"shop_app_0", "lock_timeout", "2s"}, {"shop_app_1", "lock_timeout", "2s"},
		{"shop_migrator_0", "statement_timeout", "0"}, {"shop_migrator", "statement_timeout", "0"}, // to the role that would be none of its own
	}, plan.SessionDefaults)
}

func planOf(t *testing.T, stack *config.Stack) Plan {
	t.Helper()
	derivation, err := password.NewDerivation("0123456789abcdef0123456789abcdef", stack.Name)
	require.NoError(t, err)
	return NewPlan(stack, derivation)
}
