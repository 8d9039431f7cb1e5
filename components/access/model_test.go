package access

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/privileges"
)

func TestProdKeepsThisContract(t *testing.T) {
	stack := configtest.Stack(t, "prod", nil)
	must := func(role, verb, on string) config.Assertion {
		return config.Assertion{Role: role, Verb: verb, On: on, Allowed: true}
	}
	never := func(role, verb, on string) config.Assertion {
		return config.Assertion{Role: role, Verb: verb, On: on}
	}
	stack.Access.Contract = []config.Assertion{
		must("app", "SELECT", "tables"), must("app", "DELETE", "new tables in new schemas"), must("app", "USAGE", "sequences in public"),
		must("app", "EXECUTE", "new functions"), must("app", "USAGE", "schemas"), must("app", "INSERT", "table auth.Users"),
		never("app", "TRUNCATE", "tables"), never("app", "OWN", "tables"), never("app", "CREATE", "schemas"), never("app", "TEMPORARY", "database witchcityrope"),
		never("app", "CONNECT", "database postgres"), never("app", "SET", "role witchcityrope_owner"),
		must("migrator", "OWN", "tables"), must("migrator", "CREATE", "database witchcityrope"), must("migrator", "SET", "role witchcityrope_owner"),
		must("readonly", "SELECT", "tables"), never("readonly", "UPDATE", "tables"), never("readonly", "EXECUTE", "functions"),
		must("backup", "SELECT", "tables"), must("backup", "SELECT", "sequences"), never("backup", "INSERT", "tables"),
		never("monitor", "SELECT", "tables"), never("health", "SELECT", "tables"), must("monitor", "USAGE", "role pg_monitor"),
		never("everybody", "CONNECT", "databases"), never("public", "USAGE", "schemas"), never("everybody", "EXECUTE", "new functions"),
		must("everybody", "USAGE", "types"),
	}
	// Of types, everybody may make use, but nobody of the schemas that they are in.
	err := CheckContract(stack)
	var faults config.Faults
	require.ErrorAs(t, err, &faults)
	for _, fault := range faults {
		assert.Equal(t, "access.contract[27]", fault.Path)
		assert.Contains(t, fault.Reason, "must be allowed and is not: public lacks ")
	}
	stack.Access.Contract = stack.Access.Contract[:27]
	assert.NoError(t, CheckContract(stack))
}

func TestModelTellsWhatAChangeMeans(t *testing.T) {
	before := NewModel(configtest.Stack(t, "prod", nil)).Matrix()
	stack := configtest.Stack(t, "prod", nil)
	stack.Access.Application.Truncate = true
	var said []string
	for _, change := range privileges.Difference(before, NewModel(stack).Matrix()) {
		said = append(said, change.String())
	}
	assert.Contains(t, said, "witchcityrope_app_0 gains TRUNCATE on tables in auth")
	assert.Contains(t, said, "witchcityrope_app_1 gains TRUNCATE on new tables in new schemas")
	assert.NotContains(t, said, "witchcityrope_readonly gains TRUNCATE on tables in auth")
	assert.Empty(t, privileges.Difference(before, before))
}

func TestTableIsShort(t *testing.T) {
	stack := configtest.Stack(t, "prod", nil)
	rows := NewModel(stack).Table(Clients(stack))
	t.Log("\n" + privileges.Markdown(Clients(stack), rows))
	assert.Less(t, len(rows), 20)
}
