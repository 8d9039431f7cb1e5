package inspect_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/pgtest"
	"github.com/witchcityrope/database/internal/privileges"
	"github.com/witchcityrope/database/internal/privileges/inspect"
)

// shop is declared access, and statements that make it so.
func shop() (privileges.Model, []string) {
	owner := func(verbs ...privileges.Privilege) privileges.ACL {
		return privileges.ACL{}.Granted("owner", "owner", verbs...)
	}
	model := privileges.Model{
		Major: 16, Database: "postgres",
		Roles: []privileges.Role{
			{Name: "postgres", Login: true, Superuser: true, Inherit: true}, {Name: "owner", Inherit: true}, {Name: "rw", Inherit: true},
			{Name: "migrator", Login: true, Inherit: true}, {Name: "app", Login: true, Inherit: true}, {Name: "dump", Login: true, Inherit: true},
		},
		Memberships: []privileges.Membership{
			{Role: "owner", Member: "migrator", Inherit: true, Set: true}, {Role: "rw", Member: "app", Inherit: true, Set: true},
			{Role: "pg_read_all_data", Member: "dump", Inherit: true, Set: true},
		},
		Defaults: []privileges.Default{
			{Owner: "owner", Class: privileges.Table, ACL: owner(privileges.Model{Major: 16}.Verbs(privileges.Table)...).Granted("owner", "rw", privileges.Select, privileges.Insert)},
			{Owner: "owner", Class: privileges.Function, ACL: owner(privileges.Execute).Granted("owner", "rw", privileges.Execute)},
		},
		Objects: []privileges.Object{
			{Class: privileges.Database, Name: "postgres", Owner: "postgres", ACL: privileges.ACL{}.Granted("postgres", "owner", privileges.Create)},
			{Class: privileges.Schema, Name: "public", Owner: "owner", ACL: owner(privileges.Usage, privileges.Create).Granted("owner", "rw", privileges.Usage)},
			{Class: privileges.Schema, New: true, Owner: "owner"},
			{Class: privileges.LargeObject, New: true, Owner: "owner"},
		},
	}
	for _, class := range []privileges.Class{privileges.Table, privileges.Sequence, privileges.Function, privileges.Type} {
		for _, each := range []privileges.Object{{Class: class, Schema: "public"}, {Class: class, Schema: "public", New: true}, {Class: class, New: true}} {
			model.Objects = append(model.Objects, model.Created(each, "owner"))
		}
	}
	return model, []string{
		"CREATE ROLE owner", "CREATE ROLE rw", "CREATE ROLE migrator LOGIN IN ROLE owner", "CREATE ROLE app LOGIN IN ROLE rw",
		"CREATE ROLE dump LOGIN IN ROLE pg_read_all_data",
		"REVOKE ALL ON DATABASE postgres FROM PUBLIC", "GRANT CREATE ON DATABASE postgres TO owner",
		"ALTER SCHEMA public OWNER TO owner", "REVOKE ALL ON SCHEMA public FROM PUBLIC", "GRANT USAGE ON SCHEMA public TO rw",
		"ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT SELECT, INSERT ON TABLES TO rw",
		"ALTER DEFAULT PRIVILEGES FOR ROLE owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
		"ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT EXECUTE ON FUNCTIONS TO rw",
		"SET ROLE owner", "CREATE TABLE orders (id int)", "CREATE FUNCTION total() RETURNS int LANGUAGE sql AS 'SELECT 1'",
		"CREATE SCHEMA later", "CREATE TABLE later.items (id int)", "ALTER TABLE later.items SET SCHEMA public", "RESET ROLE",
		"CREATE EXTENSION citext",
	}
}

func verify(t *testing.T, session *pgx.Conn, model privileges.Model, change string) inspect.Verification {
	t.Helper()
	tx, err := session.Begin(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback(context.Background())) }()
	_, err = tx.Exec(t.Context(), change)
	require.NoError(t, err)
	result, err := inspect.Verify(t.Context(), tx, model, &inspect.Migrator{Login: "migrator", As: "owner"})
	require.NoError(t, err)
	return result
}

// TestEveryMutationIsFoundAndNamed changes one thing at a time.
func TestEveryMutationIsFoundAndNamed(t *testing.T) {
	server := pgtest.Start(t)
	session := server.Connect(t)
	model, statements := shop()
	_, err := session.PgConn().Exec(t.Context(), strings.Join(statements, ";")).ReadAll()
	require.NoError(t, err)
	as := verify(t, session, model, "SELECT")
	assert.Empty(t, as.Failing)
	assert.Greater(t, as.Cells, 500)
	for change, cell := range map[string]string{
		"REVOKE SELECT ON orders FROM rw":                                                        "app SELECT on table public.orders must be allowed and is not: declared is: app is a member of rw, rw is granted SELECT on tables in public",
		"REVOKE owner FROM migrator":                                                             "migrator SET on role owner must be allowed and is not: declared is: migrator is a member of owner",
		"REVOKE rw FROM app":                                                                     "app USAGE on role rw must be allowed and is not: declared is: app is a member of rw",
		"GRANT rw TO app WITH SET FALSE":                                                         "app SET on role rw must be allowed and is not: declared is: app is a member of rw",
		"REVOKE pg_read_all_data FROM dump":                                                      "dump SELECT on table public.orders must be allowed and is not: declared is: dump is a member of pg_read_all_data, pg_read_all_data has it everywhere",
		"GRANT owner TO app":                                                                     "app OWN on table public.orders must not be allowed and is: app is a member of owner, owner owns table public.orders",
		"GRANT pg_monitor TO app":                                                                "app USAGE on role pg_read_all_stats must not be allowed and is: app is a member of pg_monitor, pg_monitor is a member of pg_read_all_stats",
		"GRANT UPDATE (id) ON orders TO app":                                                     "app UPDATE on column public.orders.id must not be allowed and is: app is granted UPDATE on column public.orders.id",
		"GRANT EXECUTE ON FUNCTION total() TO PUBLIC":                                            "public EXECUTE on function public.total() must not be allowed and is: PUBLIC has EXECUTE on function public.total()",
		"ALTER TABLE orders OWNER TO app":                                                        "app OWN on table public.orders must not be allowed and is: app owns table public.orders",
		"ALTER SCHEMA public OWNER TO app":                                                       "app CREATE on schema public must not be allowed and is: app owns schema public",
		"REVOKE USAGE ON SCHEMA public FROM rw":                                                  "rw USAGE on schema public must be allowed and is not: declared is: rw is granted USAGE on schema public",
		"REVOKE CREATE ON DATABASE postgres FROM owner":                                          "migrator CREATE on database postgres must be allowed and is not: declared is: migrator is a member of owner, owner is granted CREATE on database postgres",
		"GRANT CONNECT ON DATABASE postgres TO PUBLIC":                                           "app CONNECT on database postgres must not be allowed and is: PUBLIC has CONNECT on database postgres",
		"ALTER DEFAULT PRIVILEGES FOR ROLE owner REVOKE INSERT ON TABLES FROM rw":                "app INSERT on a new moved table in public must be allowed and is not: declared is: app is a member of rw, rw is granted INSERT on new tables in public",
		"ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT EXECUTE ON FUNCTIONS TO PUBLIC":           "public EXECUTE on a new function in public must not be allowed and is: PUBLIC has EXECUTE on function public.wcrdb_probe_function()",
		"ALTER DEFAULT PRIVILEGES FOR ROLE owner IN SCHEMA public GRANT DELETE ON TABLES TO app": "app DELETE on a new partition in public must not be allowed and is: app is granted DELETE on table public.wcrdb_probe_partition",
		"ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT USAGE ON SCHEMAS TO app":                  "app USAGE on a new schema must not be allowed and is: app is granted USAGE on schema wcrdb_probe_schema",
		"CREATE ROLE stranger; GRANT SELECT ON orders TO stranger":                               "stranger SELECT on table public.orders must not be allowed and is: stranger is granted SELECT on table public.orders",
		"ALTER ROLE app SUPERUSER":                                                               "app OWN on everything must not be allowed and is: app is a superuser",
		"ALTER FUNCTION citext_eq OWNER TO app":                                                  "app OWN on function public.citext_eq(citext, citext) must not be allowed and is: app owns function public.citext_eq(citext, citext)",
	} {
		var found []string
		for _, failing := range verify(t, session, model, change).Failing {
			found = append(found, failing.String())
		}
		assert.Contains(t, found, strings.ReplaceAll(cell, "public.citext", "public.citext"), "%s: %s", change, fmt.Sprint(len(found)))
	}
	assert.Empty(t, verify(t, session, model, "SELECT").Failing, "nothing is left behind")
}
