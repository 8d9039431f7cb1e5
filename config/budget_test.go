package config

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/quick"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestBudgetAddsUpWhatClientsMayHold(t *testing.T) {
	values := minimal()
	values["clients"] = `{"app": {"replicas": 3, "maxPoolSize": 10}, "reserve": 7}`
	values["settings"] = `{"max_connections": 120, "superuser_reserved_connections": 5, "reserved_connections": 2}`
	stack, err := Decode(project, "dev", values)
	require.NoError(t, err)
	budget := stack.Budget()
	assert.Equal(t, []Holder{{"app", 30}, {"migrator", 5}, {"readonly", 5}, {"monitor", 3}, {"backup", 3}, {"health", 2}, {"administrators", 7}}, budget.Holders)
	assert.Equal(t, 55, budget.Planned())
	assert.Equal(t, 115, budget.Available(), "two of those reserved are for the exporter")
	names := stack.Access.Names()
	for role, limit := range map[string]int{
		names.AppSlots[0]: 30, names.AppSlots[1]: 30, names.MigratorSlots[0]: 5, names.MigratorSlots[1]: 5,
		names.Monitor: 3, names.Health: 2, names.Owner: -1,
	} {
		assert.Equal(t, limit, stack.ConnectionLimit(role), role)
	}
}

// TestJobsAndDeclaredLoginsAreCounted, jobs as further sessions of the application's logins.
func TestJobsAndDeclaredLoginsAreCounted(t *testing.T) {
	stack := decoded(t, map[string]string{
		"clients": `{"app": {"maxPoolSize": 10}, "jobs": {"replicas": 2, "maxPoolSize": 4}}`,
		"access": `{"roles": [{"name": "auditors", "connectionLimit": 7}, {"name": "partner", "login": true, "connectionLimit": 6},
			{"name": "vendor", "login": true, "password": "kept", "connectionLimit": 2}, {"name": "unlimited", "login": true},
			{"name": "readonly", "memberOf": ["pg_monitor"]}]}`,
	})
	assert.Equal(t, []Holder{{"app", 10}, {"jobs", 8}, {"migrator", 5}, {"readonly", 5}, {"monitor", 3}, {"backup", 3}, {"health", 2}, {"administrators", 5}, {"partner", 6}, {"vendor", 2}},
		stack.Budget().Holders)
	names := stack.Access.Names()
	for role, limit := range map[string]int{names.AppSlots[0]: 18, names.AppSlots[1]: 18, names.ReadOnly: 5, names.Monitor: 3} {
		assert.Equal(t, limit, stack.ConnectionLimit(role), role)
	}
	assert.Equal(t, []Notice{{"access.roles[3].connectionLimit", "without one, login unlimited may take every connection that is not reserved, and leave none to the clients"}}, stack.Notices())
}

// TestBothLoginsAreCounted where nothing can be reserved for those who must get in.
func TestBothLoginsAreCounted(t *testing.T) {
	image := func(version string) string {
		return `{"image": "postgres:` + version + `-alpine@sha256:` + strings.Repeat("0", 64) + `"}`
	}
	values := minimal()
	values["server"], values["clients"], values["settings"] = image("15.10"), `{"app": {"maxPoolSize": 30}}`, `{"max_connections": 80}`
	_, err := Decode(project, "dev", values)
	assert.ErrorContains(t, err, "app 30 + migrator 5 + readonly 5 + monitor 3 + backup 3 + health 2 + administrators 5 + app's other login 30 + migrator's other login 5 = 88 of max_connections 80 - superuser_reserved_connections 3 = 77")
	values["server"] = image("16.6")
	_, err = Decode(project, "dev", values)
	assert.NoError(t, err, "what is reserved is not theirs")
}

// TestConnectionsAreReserved for those who must get in whatever the
// application does, where the server knows how.
func TestConnectionsAreReserved(t *testing.T) {
	reserved := func(changes map[string]string) (Setting, *Stack) {
		values := minimal()
		maps.Copy(values, changes)
		stack, err := Decode(project, "dev", values)
		require.NoError(t, err)
		return stack.Settings[reservedConnections], stack
	}
	number, stack := reserved(nil)
	assert.Equal(t, Setting("13"), number, "monitor 3, backup 3, health 2, administrators 5")
	assert.True(t, stack.UsesReserved(stack.Access.Names().Monitor))
	assert.False(t, stack.UsesReserved(stack.Access.Names().App()))
	number, _ = reserved(map[string]string{"settings": `{"reserved_connections": 1}`})
	assert.Equal(t, Setting("1"), number, "as the stack file says")
	number, stack = reserved(map[string]string{"server": `{"image": "postgres:15.10-alpine@sha256:` + strings.Repeat("0", 64) + `"}`})
	assert.Empty(t, number, "PostgreSQL 15 has no such setting")
	assert.False(t, stack.UsesReserved(stack.Access.Names().Monitor))
	number, _ = reserved(map[string]string{"target": `{"type": "external", "host": "db.example.org"}`})
	assert.Empty(t, number, "somebody else's server")
}

// TestNoAcceptedBudgetLocksAdministratorsOut: whatever the numbers, a
// configuration is refused exactly if its clients could hold more than there is.
func TestNoAcceptedBudgetLocksAdministratorsOut(t *testing.T) {
	property := func(replicas, pool, maximum, superuser, reserved, reserve uint8) bool {
		values := minimal()
		values["clients"] = fmt.Sprintf(`{"app": {"replicas": %d, "maxPoolSize": %d}, "reserve": %d}`, replicas%4+1, pool%100+1, reserve%20+1)
		values["settings"] = fmt.Sprintf(`{"max_connections": %d, "superuser_reserved_connections": %d, "reserved_connections": %d}`,
			int(maximum)*2+1, superuser%10, reserved%10)
		planned := int(replicas%4+1)*int(pool%100+1) + 5 + 5 + 3 + 3 + healthConnections + int(reserve%20+1)
		available := int(maximum)*2 + 1 - int(superuser%10) - max(0, int(reserved%10)-3-3-healthConnections-int(reserve%20+1))

		stack, err := Decode(project, "dev", values)
		if planned > available {
			var faults Faults
			return errors.As(err, &faults) && len(faults) == 1 && faults[0].Path == "clients" &&
				strings.Contains(faults[0].Reason, fmt.Sprintf(" = %d of max_connections ", planned)) &&
				strings.HasSuffix(faults[0].Reason, fmt.Sprintf(" = %d", available))
		}
		return err == nil && stack.Budget().Planned() == planned && stack.Budget().Available() == available
	}
	require.NoError(t, quick.Check(property, &quick.Config{MaxCount: 500}))
}
