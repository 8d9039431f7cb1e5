package access

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/pgtest"
	"github.com/witchcityrope/database/internal/privileges"
	"github.com/witchcityrope/database/internal/privileges/inspect"
)

const historyIsRead = `{"role": "rw", "on": "table", "schema": "public", "objects": ["History"], "privileges": ["SELECT"]}`

// TestExceptionOfAllTables: a grant on one table decides about it, whatever the role has of all others.
func TestExceptionOfAllTables(t *testing.T) {
	plan := declaring(t, `{"prefix": "shop", "grants": [`+historyIsRead+`]}`)
	excepted := map[string][]string{}
	for _, grant := range plan.Grants {
		if len(grant.Except) > 0 {
			excepted[grant.Role+" "+grant.ObjectType+" "+grant.Schema] = grant.Except
		}
	}
	assert.Equal(t, map[string][]string{"shop_rw table public": {"History"}}, excepted)

	model := plan.Model(16)
	history := privileges.Object{Class: privileges.Table, Schema: "public", Name: "History"}
	present, there := model.Find(history)
	require.True(t, there)
	others, there := model.Find(privileges.Object{Class: privileges.Table, Schema: "public"})
	require.True(t, there)
	for verb, should := range map[privileges.Privilege]bool{privileges.Select: true, privileges.Insert: false, privileges.Update: false, privileges.Delete: false} {
		may, _ := model.May("shop_app_0", verb, present)
		assert.Equal(t, should, may, verb)
		may, _ = model.May("shop_app_0", verb, others)
		assert.True(t, may, verb)
	}
	assert.Equal(t, []privileges.Privilege{privileges.Select}, model.Matrix()["table public.History"]["shop_app_0"])

	exceptions := model.Exceptions()
	require.Len(t, exceptions, 1)
	assert.True(t, exceptions[0].Table.Same(history))
	assert.Equal(t, "shop_rw", exceptions[0].Role)
	assert.ElementsMatch(t, []privileges.Privilege{privileges.Insert, privileges.Update, privileges.Delete}, exceptions[0].Lacks)
	assert.Empty(t, declaring(t, `{"prefix": "shop", "roles": [{"name": "partner"}], "grants": [
		{"role": "partner", "on": "table", "schema": "public", "objects": ["History"], "privileges": ["SELECT"]},
		{"role": "rw", "on": "table", "schema": "public", "objects": ["Events"], "privileges": ["DELETE", "INSERT", "REFERENCES", "SELECT", "UPDATE"]}]}`).Model(16).Exceptions())
}

// TestImportOfExceptions: where a role has not the same of every table, those that
// differ are exceptions, and an up changes nothing; of sequences it is said what it would take away.
func TestImportOfExceptions(t *testing.T) {
	stack := func(access string) *config.Stack {
		return configtest.Stack(t, "dev", map[string]string{"database": `{"name": "shop", "schemas": ["public"], "extensions": []}`, "access": access})
	}
	usual := stack(`{"prefix": "shop"}`)
	session := pgtest.Start(t).Connect(t)
	execute(t, session, "CREATE ROLE shop_owner", "CREATE ROLE shop_rw", "GRANT CREATE ON SCHEMA public TO shop_owner", "SET ROLE shop_owner",
		`CREATE TABLE "History" (id int)`, `CREATE TABLE "Events" (id int)`, `CREATE TABLE "Users" (id int)`, "CREATE SEQUENCE a", "CREATE SEQUENCE b",
		`GRANT SELECT, INSERT, UPDATE, DELETE ON "Events", "Users" TO shop_rw`, `GRANT SELECT ON "History" TO shop_rw`,
		"GRANT SELECT, USAGE ON SEQUENCE a TO shop_rw", "GRANT SELECT, UPDATE ON SEQUENCE b TO shop_rw", "RESET ROLE")
	living, err := inspect.ReadLiving(t.Context(), session)
	require.NoError(t, err)

	exception := config.Grant{Role: "rw", On: "table", Schema: "public", Objects: []string{"History"}, Privileges: []string{"SELECT"}, Future: true}
	found := Import(NewPlan(usual, nil), usual.Access.Names(), living)
	assert.Contains(t, found.Grants, exception)
	const sequences = "shop_rw has not the same privileges on every sequence in schema public, where the stack file grants on all of them: an up makes them the same: shop_rw loses UPDATE on sequence public.b"
	assert.Contains(t, found.Notes, sequences)

	declared := stack(`{"prefix": "shop", "grants": [` + historyIsRead + `]}`)
	plan := NewPlan(declared, nil)
	require.NoError(t, plan.Check(declared))
	for _, grant := range Import(plan, declared.Access.Names(), living).Grants {
		assert.NotEqual(t, config.OnTable, grant.On, grant)
	}
	lost := func() (tables []string) {
		living, err := inspect.ReadLiving(t.Context(), session)
		require.NoError(t, err)
		for _, line := range Revocations(plan, living) {
			if assert.NotContains(t, line, "Events"); line != "shop_rw loses UPDATE on sequence public.b" {
				tables = append(tables, line)
			}
		}
		return tables
	}
	before := lost()
	execute(t, session, `GRANT INSERT ON "History" TO shop_rw`, "DROP SEQUENCE b")
	assert.ElementsMatch(t, append(before, "shop_rw loses INSERT on table public.History"), lost())
}
