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
			{Name: "migrator", Login: true, Inherit: true}, {Name: "migrator_0", Login: true, Inherit: true}, {Name: "app", Login: true, Inherit: true}, {Name: "dump", Login: true, Inherit: true},
		},
		Memberships: []privileges.Membership{
			{Role: "owner", Member: "migrator", Inherit: true, Set: true}, {Role: "owner", Member: "migrator_0", Inherit: true, Set: true},
			{Role: "rw", Member: "app", Inherit: true, Set: true},
			{Role: "pg_read_all_data", Member: "dump", Inherit: true, Set: true},
		},
		Defaults: []privileges.Default{
			{Owner: "owner", Class: privileges.Table, ACL: owner(privileges.Model{Major: 16}.Verbs(privileges.Table)...).Granted("owner", "rw", privileges.Select, privileges.Insert)},
			{Owner: "owner", Class: privileges.Function, ACL: owner(privileges.Execute).Granted("owner", "rw", privileges.Execute)},
		},
		Objects: []privileges.Object{
			{Class: privileges.Database, Name: "postgres", Owner: "postgres", ACL: privileges.ACL{}.Granted("postgres", "owner", privileges.Create).Granted("postgres", "rw", privileges.Connect)},
			{Class: privileges.Schema, Name: "public", Owner: "owner", ACL: owner(privileges.Usage, privileges.Create).Granted("owner", "rw", privileges.Usage)},
			{Class: privileges.Schema, New: true, Owner: "owner"},
			{Class: privileges.LargeObject, New: true, Owner: "owner"},
			{Class: privileges.Function, Schema: "public", Name: "half(int)", Owner: "owner", ACL: owner(privileges.Execute).Granted("owner", "dump", privileges.Execute)},
			{Class: privileges.Table, Schema: "public", Name: "people", Owner: "owner", ACL: owner(privileges.Model{Major: 16}.Verbs(privileges.Table)...).Granted("owner", "dump", privileges.Insert)},
			{Class: privileges.Column, Schema: "public", Name: "people", Column: "name", Owner: "owner", ACL: privileges.ACL{}.Granted("owner", "app", privileges.Select)},
			{Class: privileges.RoleClass, Name: "owner"},
		},
		Contract: []privileges.Assertion{
			{Role: "app", Verb: privileges.Select, On: "table public.orders", Allowed: true}, {Role: "app", Verb: privileges.Select, On: "new tables", Allowed: true},
			{Role: "app", Verb: privileges.Own, On: "tables"}, {Role: "app", Verb: privileges.Set, On: "role owner"},
			{Role: "dump", Verb: privileges.Update, On: "tables in public"}, {Role: privileges.Public, Verb: privileges.Execute, On: "functions"},
		},
	}
	for _, class := range []privileges.Class{privileges.Table, privileges.Sequence, privileges.Function, privileges.Type} {
		for _, each := range []privileges.Object{{Class: class, Schema: "public"}, {Class: class, Schema: "public", New: true}, {Class: class, New: true}} {
			model.Objects = append(model.Objects, model.Created(each, "owner"))
		}
	}
	return model, []string{
		"CREATE ROLE owner", "CREATE ROLE rw", "CREATE ROLE migrator LOGIN IN ROLE owner", "CREATE ROLE app LOGIN IN ROLE rw",
		"CREATE ROLE migrator_0 LOGIN IN ROLE owner", "ALTER ROLE migrator SET role = 'owner'", "ALTER ROLE migrator_0 SET role = 'owner'",
		"CREATE ROLE dump LOGIN IN ROLE pg_read_all_data",
		"REVOKE ALL ON DATABASE postgres FROM PUBLIC", "GRANT CREATE ON DATABASE postgres TO owner", "GRANT CONNECT ON DATABASE postgres TO rw",
		"ALTER SCHEMA public OWNER TO owner", "REVOKE ALL ON SCHEMA public FROM PUBLIC", "GRANT USAGE ON SCHEMA public TO rw",
		"ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT SELECT, INSERT ON TABLES TO rw",
		"ALTER DEFAULT PRIVILEGES FOR ROLE owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
		"ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT EXECUTE ON FUNCTIONS TO rw",
		"SET ROLE owner", "CREATE TABLE orders (id int)", "CREATE FUNCTION total() RETURNS int LANGUAGE sql AS 'SELECT 1'",
		"CREATE FUNCTION half(int) RETURNS int LANGUAGE sql AS 'SELECT $1 / 2'", "REVOKE EXECUTE ON FUNCTION half FROM rw", "GRANT EXECUTE ON FUNCTION half TO dump",
		"CREATE TABLE people (id int, name text)", "REVOKE ALL ON people FROM rw", "GRANT INSERT ON people TO dump", "GRANT SELECT (name) ON people TO app",
		"CREATE SCHEMA later", "CREATE TABLE later.items (id int)", "ALTER TABLE later.items SET SCHEMA public", "CREATE SEQUENCE numbers", "CREATE TYPE mood AS ENUM ('good')", "RESET ROLE",
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
	result, err := inspect.Verify(t.Context(), tx, model, inspect.Migrator{Login: "migrator_0", As: "owner"}, inspect.Migrator{Login: "migrator", As: "owner"})
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
	assert.Equal(t, 6, as.Asserted)
	for change, cell := range map[string]string{
		"REVOKE SELECT ON orders FROM rw":                                                                   "app SELECT on table public.orders must be allowed and is not: declared is: app is a member of rw, rw is granted SELECT on tables in public",
		"REVOKE owner FROM migrator":                                                                        "migrator SET on role owner must be allowed and is not: declared is: migrator is a member of owner",
		"REVOKE rw FROM app":                                                                                "app USAGE on role rw must be allowed and is not: declared is: app is a member of rw",
		"GRANT rw TO app WITH SET FALSE":                                                                    "app SET on role rw must be allowed and is not: declared is: app is a member of rw",
		"REVOKE pg_read_all_data FROM dump":                                                                 "dump SELECT on table public.orders must be allowed and is not: declared is: dump is a member of pg_read_all_data, pg_read_all_data has it everywhere",
		"GRANT owner TO app":                                                                                "app OWN on table public.orders must not be allowed and is: app is a member of owner, owner owns table public.orders",
		"GRANT pg_monitor TO app":                                                                           "app USAGE on role pg_read_all_stats must not be allowed and is: app is a member of pg_monitor, pg_monitor is a member of pg_read_all_stats",
		"GRANT UPDATE (id) ON orders TO app":                                                                "app UPDATE on column public.orders.id must not be allowed and is: app is granted UPDATE on column public.orders.id",
		"GRANT EXECUTE ON FUNCTION total() TO PUBLIC":                                                       "public EXECUTE on function public.total() must not be allowed and is: PUBLIC has EXECUTE on function public.total()",
		"ALTER TABLE orders OWNER TO app":                                                                   "app OWN on table public.orders must not be allowed and is: app owns table public.orders",
		"ALTER SCHEMA public OWNER TO app":                                                                  "app CREATE on schema public must not be allowed and is: app owns schema public",
		"REVOKE USAGE ON SCHEMA public FROM rw":                                                             "rw USAGE on schema public must be allowed and is not: declared is: rw is granted USAGE on schema public",
		"REVOKE CREATE ON DATABASE postgres FROM owner":                                                     "migrator CREATE on database postgres must be allowed and is not: declared is: migrator is a member of owner, owner is granted CREATE on database postgres",
		"GRANT CONNECT ON DATABASE postgres TO PUBLIC":                                                      "dump CONNECT on database postgres must not be allowed and is: PUBLIC has CONNECT on database postgres",
		"ALTER DEFAULT PRIVILEGES FOR ROLE owner REVOKE INSERT ON TABLES FROM rw":                           "app INSERT on a new moved table in public must be allowed and is not: declared is: app is a member of rw, rw is granted INSERT on new tables in public",
		"ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT EXECUTE ON FUNCTIONS TO PUBLIC":                      "public EXECUTE on a new function in public must not be allowed and is: PUBLIC has EXECUTE on function public.wcrdb_probe_function()",
		"ALTER DEFAULT PRIVILEGES FOR ROLE owner IN SCHEMA public GRANT DELETE ON TABLES TO app":            "app DELETE on a new partition in public must not be allowed and is: app is granted DELETE on table public.wcrdb_probe_partition",
		"ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT USAGE ON SCHEMAS TO app":                             "app USAGE on a new schema must not be allowed and is: app is granted USAGE on schema wcrdb_probe_schema",
		"CREATE ROLE stranger; GRANT SELECT ON orders TO stranger":                                          "stranger SELECT on table public.orders must not be allowed and is: stranger is granted SELECT on table public.orders",
		"GRANT SELECT ON orders TO rw WITH GRANT OPTION":                                                    "rw SELECT WITH GRANT OPTION on table public.orders must not be allowed and is: rw may grant it to others",
		"ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT INSERT ON TABLES TO rw WITH GRANT OPTION":            "rw INSERT WITH GRANT OPTION on a new view in public must not be allowed and is: rw may grant it to others",
		"GRANT owner TO app WITH ADMIN TRUE, INHERIT FALSE, SET FALSE":                                      "app ADMIN on role owner must not be allowed and is: app may make anybody a member of owner",
		"GRANT owner TO rw WITH ADMIN TRUE, INHERIT FALSE, SET FALSE":                                       "app SET on role owner must not be allowed and is: by access.contract; app is a member of rw, rw may make anybody a member of owner",
		"CREATE ROLE other; GRANT owner TO other WITH INHERIT FALSE; GRANT other TO app WITH INHERIT FALSE": "app OWN on table public.orders must not be allowed and is: by access.contract; app may SET ROLE owner, owner owns table public.orders",
		"ALTER ROLE app CREATEROLE":                                                                         "app CREATEROLE on the server must not be allowed and is: app has that attribute",
		"ALTER ROLE app CREATEDB":                                                                           "app CREATEDB on the server must not be allowed and is: app has that attribute",
		"ALTER ROLE rw REPLICATION":                                                                         "rw REPLICATION on the server must not be allowed and is: rw has that attribute",
		"ALTER ROLE dump BYPASSRLS":                                                                         "dump BYPASSRLS on the server must not be allowed and is: dump has that attribute",
		"CREATE ROLE stranger BYPASSRLS":                                                                    "stranger BYPASSRLS on the server must not be allowed and is: stranger has that attribute",
		"ALTER ROLE owner LOGIN":                                                                            "owner LOGIN on the server must not be allowed and is: owner has that attribute",
		"ALTER ROLE app NOLOGIN":                                                                            "app LOGIN on the server must be allowed and is not: app lacks that attribute",
		"ALTER ROLE migrator RESET role":                                                                    "migrator SET on role owner must be allowed and is not: its sessions begin as migrator, who then owns what they create",
		"ALTER ROLE migrator_0 SET role = 'none'":                                                           "app SELECT on a new table in public must be allowed and is not: declared is: app is a member of rw, rw is granted SELECT on new tables in public",
		"ALTER ROLE migrator_0 IN DATABASE postgres SET role = 'migrator_0'":                                "migrator_0 SET on role owner must be allowed and is not: its sessions begin as migrator_0, who then owns what they create",
		"GRANT pg_execute_server_program TO pg_monitor; GRANT pg_monitor TO app":                            "app USAGE on role pg_execute_server_program must not be allowed and is: app is a member of pg_monitor, pg_monitor is a member of pg_execute_server_program",
		"GRANT pg_write_all_data TO pg_read_all_data":                                                       "dump USAGE on role pg_write_all_data must not be allowed and is: dump is a member of pg_read_all_data, pg_read_all_data is a member of pg_write_all_data",
		"REVOKE EXECUTE ON FUNCTION half FROM dump":                                                         "dump EXECUTE on function public.half(integer) must be allowed and is not: declared is: dump is granted EXECUTE on function public.half(integer)",
		"REVOKE SELECT (name) ON people FROM app":                                                           "app SELECT on column public.people.name must be allowed and is not: declared is: app is granted SELECT on column public.people.name",
		"GRANT SELECT (id) ON people TO app":                                                                "app SELECT on column public.people.id must not be allowed and is: app is granted SELECT on column public.people.id",
		"GRANT SELECT (name) ON people TO app WITH GRANT OPTION":                                            "app SELECT WITH GRANT OPTION on column public.people.name must not be allowed and is: app may grant it to others",
		"ALTER SEQUENCE numbers OWNER TO app":                                                               "app OWN on sequence public.numbers must not be allowed and is: app owns sequence public.numbers",
		"ALTER TYPE mood OWNER TO app":                                                                      "app OWN on type public.mood must not be allowed and is: app owns type public.mood",
		"ALTER FUNCTION total() OWNER TO app":                                                               "app OWN on function public.total() must not be allowed and is: app owns function public.total()",
		"ALTER ROLE app SUPERUSER":                                                                          "app OWN on everything must not be allowed and is: app is a superuser",
		"ALTER FUNCTION citext_eq OWNER TO app":                                                             "app OWN on function public.citext_eq(citext, citext) must not be allowed and is: app owns function public.citext_eq(citext, citext)",
	} {
		var found []string
		for _, failing := range verify(t, session, model, change).Failing {
			found = append(found, failing.String())
		}
		assert.Contains(t, found, strings.ReplaceAll(cell, "public.citext", "public.citext"), "%s: %s", change, fmt.Sprint(len(found)))
	}
	assert.Empty(t, verify(t, session, model, "SELECT").Failing, "nothing is left behind")
}
