package privileges_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	. "github.com/witchcityrope/database/internal/privileges"
)

// shop is a small database: an owner whose tables are read by a group.
func shop() Model {
	return Model{
		Major: 16, Database: "shop",
		Roles: []Role{
			{Name: "postgres", Superuser: true, Inherit: true}, {Name: "owner", Inherit: true}, {Name: "readers", Inherit: true},
			{Name: "anna", Inherit: true, Login: true}, {Name: "migrator", Inherit: true, Login: true}, {Name: "dump", Inherit: true, Login: true},
			{Name: "pg_read_all_data", Inherit: true},
		},
		Memberships: []Membership{
			{Role: "readers", Member: "anna", Inherit: true, Set: true},
			{Role: "owner", Member: "migrator", Inherit: false, Set: true},
			{Role: "pg_read_all_data", Member: "dump", Inherit: true, Set: true},
		},
		Objects: []Object{
			{Class: Database, Name: "shop", Owner: "postgres"},
			{Class: Schema, Name: "sales", Owner: "owner", ACL: ACL{}.Granted("owner", "owner", Usage, Create).Granted("owner", "readers", Usage)},
			{Class: Table, Schema: "sales", Name: "orders", Owner: "owner", ACL: ACL{}.Granted("owner", "owner", Select).Granted("owner", "readers", Select)},
		},
		Defaults: []Default{
			{Owner: "owner", Class: Function, ACL: ACL{}.Granted("owner", "owner", Execute)},
			{Owner: "owner", Schema: "sales", Class: Table, ACL: ACL{}.Granted("owner", "readers", Select)},
		},
	}
}

func TestPathsTellHowAccessComes(t *testing.T) {
	m := shop()
	orders, _ := m.Find(Object{Class: Table, Schema: "sales", Name: "orders"})
	function := m.Created(Object{Class: Function, Schema: "sales", Name: "total()"}, "owner")
	for _, each := range []struct {
		role   string
		verb   Privilege
		object Object
		path   string // empty: it may not
	}{
		{"anna", Select, orders, "anna is a member of readers, readers is granted SELECT on table sales.orders"},
		{"anna", Insert, orders, ""},
		{"owner", Select, orders, "owner owns table sales.orders"},
		{"owner", Insert, orders, ""}, // owners can lose what they could give themselves
		{"owner", Own, orders, "owner owns table sales.orders"},
		{"postgres", Insert, orders, "postgres is a superuser"},
		{"dump", Select, orders, "dump is a member of pg_read_all_data, pg_read_all_data has it everywhere"},
		{"anna", Connect, m.Objects[0], "PUBLIC has CONNECT on database shop"},
		{Public, Connect, m.Objects[0], "PUBLIC has CONNECT on database shop"},
		{Public, Execute, function, ""},
		{Public, Execute, m.Created(function, "anna"), "PUBLIC has EXECUTE on function sales.total()"},
		{"migrator", Execute, function, ""}, // not without SET ROLE
		{"anna", Set, Object{Class: RoleClass, Name: "readers"}, "anna is a member of readers"},
	} {
		may, path := m.May(each.role, each.verb, each.object)
		assert.Equal(t, each.path != "", may, "%s %s %s", each.role, each.verb, each.object)
		if may {
			assert.Equal(t, each.path, path.String())
		}
	}
	may, path := m.Reach("migrator", Execute, function)
	assert.True(t, may)
	assert.Equal(t, "migrator may SET ROLE owner, owner owns function sales.total()", path.String())
}

func TestDefaultPrivilegesOfASchemaComeOnTop(t *testing.T) {
	m := shop()
	inSales := m.Created(Object{Class: Table, Schema: "sales", Name: "items"}, "owner")
	elsewhere := m.Created(Object{Class: Table, Schema: "stock", Name: "items"}, "owner")
	read, _ := m.May("anna", Select, inSales)
	assert.True(t, read)
	owner, _ := m.May("owner", Truncate, inSales)
	assert.True(t, owner, "beside the owner's own")
	read, _ = m.May("anna", Select, elsewhere)
	assert.False(t, read)
	assert.Nil(t, elsewhere.ACL)
}

func TestMembershipsBefore16FollowTheMember(t *testing.T) {
	m := shop()
	m.Major = 15
	orders, _ := m.Find(Object{Class: Table, Schema: "sales", Name: "orders"})
	owns, _ := m.May("migrator", Own, orders)
	assert.True(t, owns, "whatever the membership says")
	m.Roles[4].Inherit = false
	owns, _ = m.May("migrator", Own, orders)
	assert.False(t, owns)
	becomes, _ := m.May("migrator", Set, Object{Class: RoleClass, Name: "owner"})
	assert.True(t, becomes)
}
