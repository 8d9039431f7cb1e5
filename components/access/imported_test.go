package access

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/pgtest"
	"github.com/witchcityrope/database/internal/privileges/inspect"
)

func execute(t *testing.T, session *pgx.Conn, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		_, err := session.Exec(t.Context(), statement)
		require.NoError(t, err, statement)
	}
}

// TestImportDescribesADatabase: what is imported is accepted as a stack file, and
// what that declares is what is there: nothing is left to import, or to revoke.
func TestImportDescribesADatabase(t *testing.T) {
	for _, major := range slices.Sorted(maps.Keys(pgtest.Releases)) {
		t.Run(fmt.Sprint(major), func(t *testing.T) { importDescribesADatabase(t, major) })
	}
}

func importDescribesADatabase(t *testing.T, major int) {
	server := pgtest.New(t, pgtest.Releases[major])
	require.NoError(t, server.Start(t.Context()))
	// Before 16, whether a member has at once what the role has is an attribute of the member.
	membership, options := "GRANT readers TO partner", "readers"
	if major >= 16 {
		membership, options = "GRANT readers TO partner WITH INHERIT FALSE", "{role: readers, inherit: false}"
	}
	execute(t, server.Connect(t), "CREATE ROLE owner_of_shop", "CREATE DATABASE shop OWNER owner_of_shop")
	session := server.ConnectAs(t, pgtest.Superuser, pgtest.Password, "shop")
	execute(t, session,
		"CREATE ROLE readers NOINHERIT", "CREATE ROLE partner LOGIN PASSWORD 'x' CONNECTION LIMIT 3 VALID UNTIL '2031-01-01 12:00:00+02'",
		`CREATE ROLE "Odd Name" CREATEDB`, membership, "GRANT pg_monitor TO partner WITH ADMIN OPTION",
		"ALTER ROLE partner SET work_mem = '8MB'", "ALTER ROLE partner SET search_path = s, public",
		"REVOKE TEMPORARY ON DATABASE shop FROM PUBLIC", "GRANT CREATE ON DATABASE shop TO partner",
		"CREATE SCHEMA s AUTHORIZATION owner_of_shop", "GRANT USAGE ON SCHEMA s TO readers, partner",
		"CREATE EXTENSION citext SCHEMA s", "SET ROLE owner_of_shop",
		`CREATE TABLE s."A" (id int, email text)`, "CREATE TABLE s.b (id int, email text)", "CREATE VIEW s.v AS SELECT 1 AS one",
		"CREATE SEQUENCE s.q", "CREATE TYPE s.mood AS ENUM ('good')", "CREATE FUNCTION s.f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
		"GRANT SELECT ON ALL TABLES IN SCHEMA s TO readers", `GRANT INSERT, SELECT ON s."A" TO partner WITH GRANT OPTION`,
		`GRANT UPDATE (email) ON s.b TO partner`, "GRANT UPDATE (id) ON s.b TO partner", "GRANT USAGE ON SEQUENCE s.q TO partner",
		"REVOKE USAGE ON TYPE s.mood FROM PUBLIC", "REVOKE EXECUTE ON FUNCTION s.f FROM PUBLIC", "GRANT EXECUTE ON FUNCTION s.f TO readers",
		"SELECT lo_create(4711)", "GRANT SELECT ON LARGE OBJECT 4711 TO partner", "RESET ROLE",
		"ALTER DEFAULT PRIVILEGES FOR ROLE owner_of_shop GRANT SELECT ON TABLES TO readers",
		"ALTER DEFAULT PRIVILEGES FOR ROLE owner_of_shop IN SCHEMA s GRANT USAGE ON SEQUENCES TO partner",
		"ALTER DEFAULT PRIVILEGES FOR ROLE owner_of_shop REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
	)
	living, err := inspect.ReadLiving(t.Context(), session)
	require.NoError(t, err)

	values := configtest.Values(t, "dev")
	values["database"] = `{"name": "shop"}`
	values["server"] = fmt.Sprintf(`{"image": "postgres:%d@sha256:%064d"}`, major, 0)
	stack, err := config.Decode(configtest.Project, "dev", values)
	require.NoError(t, err)
	found := Import(NewPlan(stack, nil), stack.Access.Names(), living)
	written, err := stack.WithAccess(values, config.Declaration{
		Schemas: found.Schemas, Extensions: found.Extensions, Roles: found.Roles, Grants: found.Grants, DefaultPrivileges: found.DefaultPrivileges,
	})
	require.NoError(t, err)
	for _, line := range []string{
		"- {name: partner, login: true, password: kept, memberOf: [{role: pg_monitor, admin: true}, " + options + "], connectionLimit: 3, validUntil: \"2031-01-01T10:00:00Z\", settings: {search_path: 's, public', work_mem: 8MB}}",
		"- {role: readers, on: table, schema: s, privileges: [SELECT], future: false}",
		"- {role: partner, on: table, schema: s, objects: [A], privileges: [INSERT, SELECT], grantOption: true}",
		"- {role: partner, on: column, schema: s, objects: [b], columns: [email, id], privileges: [UPDATE]}",
		"- {role: public, on: function, schema: s, objects: [f(integer)], privileges: []}",
		`- {role: partner, on: largeObject, objects: ["4711"], privileges: [SELECT]}`,
		"- {owner: owner_of_shop, role: readers, on: table, privileges: [SELECT]}",
		"- {name: s, owner: owner_of_shop}",
	} {
		assert.Contains(t, written, line)
	}

	// As a stack file:
	var file struct {
		Config map[string]any `yaml:"config"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(written), &file))
	for key, value := range file.Config {
		text, err := yaml.Marshal(value)
		require.NoError(t, err)
		var object any
		require.NoError(t, yaml.Unmarshal(text, &object))
		values[strings.TrimPrefix(key, configtest.Project+":")] = asJSON(t, object)
	}
	declared, err := config.Decode(configtest.Project, "dev", values)
	require.NoError(t, err, written)
	plan := NewPlan(declared, nil)
	require.NoError(t, plan.Check(declared))
	again := Import(plan, declared.Access.Names(), living)
	assert.Empty(t, again.Schemas)
	assert.Empty(t, again.Extensions)
	assert.Empty(t, again.Roles)
	assert.Empty(t, again.Grants)
	assert.Empty(t, again.DefaultPrivileges)
	assert.Empty(t, again.Notes)
	assert.Empty(t, Revocations(plan, living))
	assert.Contains(t, Revocations(NewPlan(stack, nil), living), "public loses CONNECT on database shop")
}

func asJSON(t *testing.T, object any) string {
	t.Helper()
	text, err := json.Marshal(object)
	require.NoError(t, err)
	return string(text)
}

// TestRevocations: whatever an up would take away of what somebody has done by hand is said.
func TestRevocations(t *testing.T) {
	stack := configtest.Stack(t, "dev", map[string]string{
		"database": `{"name": "shop", "schemas": ["public", "s"], "extensions": []}`,
		"access": `{"prefix": "shop", "roles": [{"name": "partner", "login": true, "connectionLimit": 3, "validUntil": "2030-12-31", "memberOf": ["auditors"]}, {"name": "auditors"}],
			"grants": [{"role": "partner", "on": "table", "schema": "s", "objects": ["t"], "privileges": ["SELECT"]},
				{"role": "partner", "on": "column", "schema": "s", "objects": ["t"], "columns": ["id"], "privileges": ["UPDATE"]},
				{"role": "public", "on": "function", "schema": "s", "objects": ["kept()"], "privileges": ["EXECUTE"]}]}`,
	})
	plan := NewPlan(stack, nil)
	require.NoError(t, plan.Check(stack))
	server := pgtest.Start(t)
	admin := server.Connect(t)
	for _, role := range plan.Roles {
		login := "NOLOGIN"
		if role.Login {
			login = "LOGIN"
		}
		execute(t, admin, fmt.Sprintf("CREATE ROLE %s %s CONNECTION LIMIT %d VALID UNTIL '%s'", role.Name, login, role.ConnectionLimit, role.ValidUntil))
	}
	execute(t, admin, "CREATE DATABASE shop")
	session := server.ConnectAs(t, pgtest.Superuser, pgtest.Password, "shop")
	execute(t, session, "REVOKE ALL ON DATABASE shop, postgres, template1 FROM PUBLIC", "ALTER SCHEMA public OWNER TO shop_owner", "REVOKE ALL ON SCHEMA public FROM PUBLIC",
		"CREATE SCHEMA s AUTHORIZATION shop_owner", "GRANT auditors TO partner WITH ADMIN FALSE", "SET ROLE shop_owner",
		"ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC", "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO shop_rw",
		"CREATE TABLE s.t (id int, name text)", "CREATE FUNCTION s.f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
		"CREATE FUNCTION s.kept() RETURNS int LANGUAGE sql AS 'SELECT 1'", "GRANT EXECUTE ON FUNCTION s.kept() TO PUBLIC", "RESET ROLE")
	lost := func() []string {
		living, err := inspect.ReadLiving(t.Context(), session)
		require.NoError(t, err)
		return Revocations(plan, living)
	}
	require.Empty(t, lost())
	for _, test := range []struct{ byHand, says string }{
		{"GRANT INSERT ON s.t TO partner", "partner loses INSERT on table s.t"},
		{"GRANT SELECT ON s.t TO partner WITH GRANT OPTION", "partner may not grant SELECT on table s.t to others any more"},
		{"GRANT INSERT (id) ON s.t TO partner", "partner loses INSERT on column s.t.id"},
		{"GRANT UPDATE (name) ON s.t TO partner", "partner loses UPDATE on column s.t.name"},
		{"GRANT UPDATE (id) ON s.t TO partner WITH GRANT OPTION", "partner may not grant UPDATE on column s.t.id to others any more"},
		{"GRANT UPDATE (id) ON s.t TO shop_ro", "shop_ro loses UPDATE on column s.t.id"},
		{"GRANT EXECUTE ON FUNCTION s.f(int) TO PUBLIC", "public loses EXECUTE on function s.f(integer)"},
		{"GRANT USAGE ON SCHEMA s TO shop_ro WITH GRANT OPTION", "shop_ro may not grant USAGE on schema s to others any more"},
		{"GRANT auditors TO partner WITH ADMIN OPTION", "partner may not make others members of auditors any more"},
		{"GRANT shop_rw TO partner", "partner is no member of shop_rw any more"},
		{"ALTER ROLE partner CONNECTION LIMIT -1", "partner may have 3 sessions at once, and no more"},
		{"ALTER ROLE partner CONNECTION LIMIT 4", "partner may have 3 sessions at once, and no more"},
		{"ALTER ROLE partner VALID UNTIL '2031-02-01'", "partner has a password until 2030-12-31 00:00:00+00, and no longer"},
		{"ALTER ROLE partner CREATEDB", "partner loses createdb"},
		{"ALTER ROLE partner SET statement_timeout = '7s'", "partner begins its sessions without statement_timeout = 7s"},
		{"ALTER SCHEMA s OWNER TO auditors", "auditors does not own schema s any more"},
		{"ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner GRANT EXECUTE ON FUNCTIONS TO shop_rw WITH GRANT OPTION", "shop_rw may not grant EXECUTE on each function that shop_owner will create to others any more"},
	} {
		execute(t, session, "BEGIN", test.byHand)
		assert.Equal(t, []string{test.says}, lost(), test.byHand)
		execute(t, session, "ROLLBACK")
	}
}

// TestImportOfFunctions: those that are as every function of the owner is need no word.
func TestImportOfFunctions(t *testing.T) {
	stack := configtest.Stack(t, "dev", map[string]string{"database": `{"name": "shop", "schemas": ["public"], "extensions": []}`, "access": `{"prefix": "shop"}`})
	plan := NewPlan(stack, nil)
	server := pgtest.Start(t)
	session := server.Connect(t)
	execute(t, session, "CREATE ROLE shop_owner", "CREATE ROLE shop_rw", "GRANT CREATE ON SCHEMA public TO shop_owner", "SET ROLE shop_owner",
		"ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC", "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO shop_rw")
	for _, name := range []string{"f", "g", "open", "shut"} {
		execute(t, session, "CREATE FUNCTION public."+name+"(int) RETURNS int LANGUAGE sql AS 'SELECT 1'")
	}
	execute(t, session, "GRANT EXECUTE ON FUNCTION open TO PUBLIC", "REVOKE EXECUTE ON FUNCTION shut FROM shop_rw", "RESET ROLE")
	living, err := inspect.ReadLiving(t.Context(), session)
	require.NoError(t, err)
	var found []config.Grant
	for _, grant := range Import(plan, stack.Access.Names(), living).Grants {
		if grant.On == config.OnFunction {
			found = append(found, grant)
		}
	}
	assert.Equal(t, []config.Grant{
		{Role: "public", On: "function", Schema: "public", Objects: []string{"open(integer)"}, Privileges: []string{"EXECUTE"}, Future: true},
		{Role: "rw", On: "function", Schema: "public", Objects: []string{"shut(integer)"}, Future: true},
	}, found)
}
