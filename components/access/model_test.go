package access

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/privileges"
)

func TestProdKeepsItsContract(t *testing.T) {
	stack := configtest.Stack(t, "prod", nil)
	require.Len(t, stack.Access.Contract, 27)
	assert.NoError(t, CheckContract(stack))
	assert.Len(t, NewModel(stack).Contract, 27+15, "a cell for each of app's and migrator's two logins")
	// Of types, everybody may make use, but nobody of the schemas that they are in.
	stack.Access.Contract = append(stack.Access.Contract, config.Assertion{Role: "everybody", Verb: "USAGE", On: "types", Allowed: true})
	var faults config.Faults
	require.ErrorAs(t, CheckContract(stack), &faults)
	for _, fault := range faults {
		assert.Equal(t, "access.contract[27]", fault.Path)
		assert.Contains(t, fault.Reason, "must be allowed and is not: public lacks ")
	}
}

func TestContractIsBroken(t *testing.T) {
	stack := configtest.Stack(t, "prod", nil)
	stack.Access.Roles = append(stack.Access.Roles, config.Role{Name: "witchcityrope_rw", Inherit: true, MemberOf: []config.Membership{{Role: "owner", Admin: true}}})
	err := CheckContract(stack)
	assert.ErrorContains(t, err, "witchcityrope_app_0 SET on role witchcityrope_owner")
	assert.ErrorContains(t, err, "witchcityrope_app_0 is a member of witchcityrope_rw, witchcityrope_rw may make anybody a member of witchcityrope_owner")
	assert.ErrorContains(t, err, "witchcityrope_app_1 OWN on tables in auth")
	assert.NotContains(t, err.Error(), "readonly")
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
