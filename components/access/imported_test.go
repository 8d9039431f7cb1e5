package access

import (
	"encoding/json"
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
	server := pgtest.Start(t)
	execute(t, server.Connect(t), "CREATE ROLE owner_of_shop", "CREATE DATABASE shop OWNER owner_of_shop")
	session := server.ConnectAs(t, pgtest.Superuser, pgtest.Password, "shop")
	execute(t, session,
		"CREATE ROLE readers NOINHERIT", "CREATE ROLE partner LOGIN PASSWORD 'x' CONNECTION LIMIT 3 VALID UNTIL '2031-01-01 12:00:00+02'",
		`CREATE ROLE "Odd Name" CREATEDB`, "GRANT readers TO partner WITH INHERIT FALSE", "GRANT pg_monitor TO partner WITH ADMIN OPTION",
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
	stack, err := config.Decode(configtest.Project, "dev", values)
	require.NoError(t, err)
	found := Import(NewPlan(stack, nil), stack.Access.Names(), living)
	written, err := stack.WithAccess(values, config.Declaration{
		Schemas: found.Schemas, Extensions: found.Extensions, Roles: found.Roles, Grants: found.Grants, DefaultPrivileges: found.DefaultPrivileges,
	})
	require.NoError(t, err)
	for _, line := range []string{
		"- {name: partner, login: true, password: kept, memberOf: [{role: pg_monitor, admin: true}, {role: readers, inherit: false}], connectionLimit: 3, validUntil: \"2031-01-01T10:00:00Z\", settings: {search_path: 's, public', work_mem: 8MB}}",
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
