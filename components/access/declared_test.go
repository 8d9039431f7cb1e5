package access

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/config/configtest"
)

// declaring is the plan of a stack that says more.
func declaring(t *testing.T, access string) Plan {
	t.Helper()
	stack := configtest.Stack(t, "test", map[string]string{"access": access})
	plan := NewPlan(stack, derivation(t))
	require.NoError(t, plan.Check(stack))
	return plan
}

func (p Plan) role(t *testing.T, name string) Role {
	t.Helper()
	for _, role := range p.Roles {
		if role.Name == name {
			return role
		}
	}
	require.Fail(t, "no such role", name)
	return Role{}
}

func TestDeclaredRoles(t *testing.T) {
	plan := declaring(t, `{"prefix": "shop", "roles": [
		{"name": "report", "login": true, "memberOf": ["auditors", {"role": "ro", "inherit": false}], "connectionLimit": 3,
			"validUntil": "2030-12-31", "settings": {"statement_timeout": "30s", "work_mem": "64MB"}},
		{"name": "auditors", "memberOf": ["pg_read_all_stats"], "inherit": false},
		{"name": "partner", "login": true, "password": "kept", "createDatabase": true},
		{"name": "app", "connectionLimit": 60, "memberOf": [{"role": "auditors", "set": false}]},
		{"name": "owner", "bypassRowLevelSecurity": true}
	]}`)
	report := plan.role(t, "report")
	assert.True(t, report.Login)
	assert.NotEmpty(t, report.Verifier)
	assert.Equal(t, []string{"auditors", "shop_ro"}, report.MemberOf)
	assert.Equal(t, []config.Membership{{Role: "shop_ro", Set: true}}, report.Memberships)
	assert.Equal(t, 3, report.ConnectionLimit)
	assert.Equal(t, "2030-12-31 00:00:00+00", report.ValidUntil)
	assert.Equal(t, 30000, report.Session.StatementTimeout)
	assert.Contains(t, plan.SessionDefaults, SessionDefault{Role: "report", Name: "work_mem", Value: "64MB"})
	assert.True(t, plan.role(t, "auditors").NoInherit)
	partner := plan.role(t, "partner")
	assert.Empty(t, partner.Verifier)
	assert.True(t, partner.CreateDatabase && partner.Login)
	for _, slot := range []string{"shop_app_0", "shop_app_1"} {
		app := plan.role(t, slot)
		assert.Equal(t, 60, app.ConnectionLimit)
		assert.Equal(t, []string{"shop_rw", "auditors"}, app.MemberOf)
		assert.Equal(t, []config.Membership{{Role: "auditors", Inherit: true}}, app.Memberships)
	}
	assert.True(t, plan.role(t, "shop_owner").BypassRowLevelSecurity)
	assert.NotEqual(t, report.fingerprint(), partner.fingerprint())
}

// TestLimitsOfClientsStay where nothing else is said of their logins.
func TestLimitsOfClientsStay(t *testing.T) {
	plan := declaring(t, `{"prefix": "shop", "roles": [{"name": "app", "memberOf": ["pg_signal_backend"]}, {"name": "readonly", "validUntil": "2030-12-31"},
		{"name": "partner", "login": true}]}`)
	usual := declaring(t, `{"prefix": "shop"}`)
	for _, login := range []string{"shop_app_0", "shop_app_1", "shop_readonly"} {
		assert.Positive(t, plan.role(t, login).ConnectionLimit)
		assert.Equal(t, usual.role(t, login).ConnectionLimit, plan.role(t, login).ConnectionLimit, login)
	}
	assert.Equal(t, -1, plan.role(t, "partner").ConnectionLimit)
}

func TestDeclaredGrants(t *testing.T) {
	plan := declaring(t, `{"prefix": "shop", "roles": [{"name": "partner", "login": true}], "grants": [
		{"role": "partner", "on": "database", "privileges": ["TEMPORARY", "CONNECT"]},
		{"role": "partner", "on": "schema", "schema": "public", "privileges": ["USAGE"]},
		{"role": "partner", "on": "table", "schema": "public", "objects": ["Users"], "privileges": ["SELECT"]},
		{"role": "partner", "on": "column", "schema": "public", "objects": ["Users"], "columns": ["Email"], "privileges": ["UPDATE"], "grantOption": true},
		{"role": "partner", "on": "largeObject", "objects": ["4711"], "privileges": ["SELECT"], "grantOption": true},
		{"role": "monitor", "on": "table", "schema": "public", "privileges": ["SELECT"]},
		{"role": "rw", "on": "sequence", "schema": "public", "privileges": ["USAGE"], "future": false}
	], "defaultPrivileges": [
		{"role": "rw", "on": "sequence", "privileges": ["USAGE"]},
		{"role": "public", "on": "type", "privileges": []}
	]}`)
	assert.Contains(t, plan.Grants, Grant{Database: plan.Database, Role: "partner", ObjectType: "database", Privileges: []string{"CONNECT", "TEMPORARY"}})
	assert.Equal(t, []ObjectGrant{
		{Role: "partner", Class: "table", Schema: "public", Object: "Users", Privileges: []string{"SELECT"}, Columns: map[string][]string{"Email": {"UPDATE"}}, GrantableColumns: []string{"Email"}},
		{Role: "partner", Class: "largeObject", Object: "4711", Privileges: []string{"SELECT"}, GrantOption: true},
	}, plan.ObjectGrants)
	assert.Contains(t, plan.DefaultPrivileges, DefaultPrivileges{Owner: "shop_owner", Role: "shop_monitor", ObjectType: "table", Schema: "public", Privileges: []string{"SELECT"}},
		"what is granted on all tables is granted on those to come")
	var sequences, defaults int
	for _, grant := range plan.Grants {
		if grant.Role == "shop_rw" && grant.ObjectType == "sequence" && grant.Schema == "public" {
			sequences++
			assert.Equal(t, []string{"USAGE"}, grant.Privileges)
		}
	}
	for _, privileges := range plan.DefaultPrivileges {
		if privileges.Role == "shop_rw" && privileges.ObjectType == "sequence" {
			defaults++
			assert.Equal(t, []string{"USAGE"}, privileges.Privileges)
		}
	}
	assert.Equal(t, []int{1, 1}, []int{sequences, defaults}, "the long form takes the place of the short one's")
}

func TestSchemasOfOthers(t *testing.T) {
	stack := configtest.Stack(t, "test", map[string]string{
		"database": `{"name": "shop", "schemas": ["public", {"name": "partner", "owner": "partner_owner"}], "extensions": ["citext", {"name": "pg_trgm", "version": "1.6", "schema": "partner"}]}`,
		"access":   `{"prefix": "shop", "roles": [{"name": "partner_owner"}], "grants": [{"role": "ro", "on": "table", "schema": "partner", "privileges": ["SELECT"]}]}`,
	})
	plan := NewPlan(stack, derivation(t))
	assert.Equal(t, []Schema{{"public", "shop_owner"}, {"partner", "partner_owner"}}, plan.Schemas)
	assert.Equal(t, []config.Extension{{Name: "citext", Schema: "public"}, {Name: "pg_trgm", Version: "1.6", Schema: "partner"}}, plan.Extensions)
	assert.Contains(t, plan.DefaultPrivileges, DefaultPrivileges{Owner: "partner_owner", Role: "shop_ro", ObjectType: "table", Schema: "partner", Privileges: []string{"SELECT"}})
}

// TestOwnedGrants: on functions and types that are there, roles have what they have on those to come.
func TestOwnedGrants(t *testing.T) {
	all, rest := []string{"auth", "public"}, []string{"auth"}
	usual := declaring(t, `{"prefix": "shop"}`)
	require.Equal(t, []Schema{{"auth", "shop_owner"}, {"public", "shop_owner"}}, usual.Schemas)
	assert.Equal(t, []OwnedGrant{{
		Owner: "shop_owner", Class: "function", Allowed: map[string][]string{"shop_rw": all}, Denied: map[string][]string{"public": all}, Except: map[string][]string{},
	}}, usual.OwnedGrants)
	said := declaring(t, `{"prefix": "shop", "roles": [{"name": "partner"}], "grants": [
		{"role": "public", "on": "function", "schema": "public", "privileges": ["EXECUTE"]},
		{"role": "rw", "on": "function", "schema": "auth", "objects": ["f(int)"], "privileges": []}
	], "defaultPrivileges": [{"role": "public", "on": "type", "privileges": []}, {"role": "partner", "on": "type", "schema": "auth", "privileges": ["USAGE"]}]}`)
	assert.Equal(t, []OwnedGrant{
		{Owner: "shop_owner", Class: "function", Allowed: map[string][]string{"shop_rw": all}, Denied: map[string][]string{"public": rest},
			Except: map[string][]string{"shop_rw": {"auth.f(int)"}}},
		{Owner: "shop_owner", Class: "type", Allowed: map[string][]string{"partner": {"auth"}}, Denied: map[string][]string{"public": all}, Except: map[string][]string{}, Future: true},
	}, said.OwnedGrants)
}
