package config

import (
	"errors"
	"fmt"
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
	assert.Equal(t, 113, budget.Available())
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
		available := int(maximum)*2 + 1 - int(superuser%10) - int(reserved%10)

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
