package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/components/access"
	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/operation"
	"github.com/witchcityrope/database/internal/privileges"
	"github.com/witchcityrope/database/internal/privileges/inspect"
)

var recordedAccess = flag.String("record-access", "", "report that the counts of mutations are written into")

// TestEndToEndAccess proves prod's access with the application's tables: it is
// as declared, and whatever is changed about it is found and named.
func TestEndToEndAccess(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "prod", plugins).initialize()
		p.up()
		migrator := p.session(t, p.connections()["migrator"])
		for _, statements := range migrations[len(migrations)-1].steps(t) {
			migrate(t, migrator, statements)
		}
		require.Len(t, tables(t, migrator), 42, "as many as the application has")
		_, err := migrator.Exec(t.Context(), "CREATE FUNCTION total() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE SEQUENCE numbers; CREATE TYPE mood AS ENUM ('good'); CREATE SCHEMA later; CREATE TABLE later.items (id int)")
		require.NoError(t, err)
		p.step("as declared", func(t *testing.T) { p.accessIs(t) })
		p.step("still as declared after another up", func(t *testing.T) {
			p.up()
			p.accessIs(t)
		})
		p.step("each mutation is found and named", func(t *testing.T) {
			recordMutations(t, plugins, provesMutations(t, p))
		})
		p.step("wcrdb names the cell, and up repairs it", func(t *testing.T) {
			names := p.names()
			administrator := p.superuser(t, p.config().Database.Name)
			_, err := administrator.Exec(t.Context(), fmt.Sprintf("ALTER DEFAULT PRIVILEGES FOR ROLE %s REVOKE SELECT ON TABLES FROM %s", names.Owner, names.ReadOnlyGroup))
			require.NoError(t, err)
			p.fails(1, []string{names.ReadOnly + " SELECT on a new moved table in public must be allowed and is not", "cells are not as declared"}, "access", "verify")
			p.up()
			p.accessIs(t)
		})
		p.step("preview says who gains what", func(t *testing.T) {
			p.configure(values{"access": values{"grants": []any{values{"role": "readonly", "on": "table", "schema": "auth", "privileges": []any{"INSERT", "SELECT"}}}}})
			said := p.must("preview").stdout
			assert.Contains(t, said, "access: "+p.names().ReadOnly+" gains INSERT on tables in auth")
			assert.Contains(t, p.must("preview", "--markdown").stdout, "- "+p.names().ReadOnly+" gains INSERT on tables in auth")
			p.configure(values{"access": values{"contract": []any{values{"role": "readonly", "verb": "INSERT", "on": "tables"}}}})
			p.fails(1, []string{"access.contract[0]: " + p.names().ReadOnly + " INSERT on tables in auth: must not be allowed and is: " + p.names().ReadOnly + " is granted INSERT on tables in auth"}, "preview")
		})
	})
}

// accessIs demands that access is as declared, and nothing is left of the proof.
func (p *project) accessIs(t *testing.T) {
	t.Helper()
	var result inspect.Verification
	require.NoError(t, json.Unmarshal([]byte(p.must("access", "verify", "--json").stdout), &result))
	assert.Empty(t, result.Failing)
	assert.Greater(t, result.Cells, 2000)
	assert.Greater(t, result.Probes, 40)
	assert.Greater(t, result.Asserted, 25)
	administrator := p.superuser(t, p.config().Database.Name)
	assert.Zero(t, ask[int](t, administrator, "SELECT count(*) FROM pg_class WHERE relname LIKE 'wcrdb\\_probe\\_%'"))
}

// mutation is a change of access of some kind, and the cell that it breaks.
type mutation struct{ kind, change, cell string }

// mutations take away each grant, each membership and each default privilege;
// give PUBLIC what it must not have; give each object to somebody else; let
// somebody hand on what it has; and let roles do what no grant gives.
func mutations(model privileges.Model, names config.Names) []mutation {
	var all []mutation
	kind := ""
	add := func(cell, change string, args ...any) {
		all = append(all, mutation{kind, fmt.Sprintf(change, args...), cell})
	}
	column := map[string]string{"public.__EFMigrationsHistory": "MigrationId", "later.items": "id", "public.UserLogins": "UserId", "public.UserRoles": "UserId", "public.UserTokens": "UserId", "public.EventOrganizers": "UserId"}
	for _, object := range model.Objects {
		ours := object.Class == privileges.Database && object.Name == model.Database || object.Class == privileges.Schema || object.Schema != ""
		if !ours || object.Extension != "" || object.Class == privileges.Column {
			continue
		}
		options := 1 // one grant of each object becomes one that can be handed on
		for _, entry := range object.ACL {
			if entry.Grantee != object.Owner && entry.Grantee != privileges.Public && options > 0 {
				options--
				kind = "a grant with GRANT OPTION"
				add(fmt.Sprintf("%s %s WITH GRANT OPTION on %s must not be allowed", entry.Grantee, entry.Privilege, object), "GRANT %s ON %s %s TO %q WITH GRANT OPTION", entry.Privilege, object.Class, written(object), entry.Grantee)
			}
			if entry.Grantee != object.Owner {
				kind = "a grant less"
				add(fmt.Sprintf("%s %s on %s must be allowed", entry.Grantee, entry.Privilege, object), "REVOKE %s ON %s %s FROM %q", entry.Privilege, object.Class, written(object), entry.Grantee)
			}
		}
		if object.Class != privileges.Database && !strings.HasSuffix(object.Name, "_Id_seq") { // identity columns' are their tables'
			kind = "another owner of a " + string(object.Class)
			add(fmt.Sprintf("%s OWN on %s must not be allowed", names.App(), object), "ALTER %s %s OWNER TO %q", object.Class, written(object), names.App())
		}
		if object.Class == privileges.Table {
			kind = "a grant on a column"
			of := cmp.Or(column[object.Schema+"."+object.Name], "Id")
			add(fmt.Sprintf("%s UPDATE on column %s.%s.%s must not be allowed", names.ReadOnly, object.Schema, object.Name, of), "GRANT UPDATE (%q) ON %s TO %q", of, written(object), names.ReadOnly)
		}
		if object.Class == privileges.Function {
			kind = "EXECUTE for PUBLIC"
			add(fmt.Sprintf("public EXECUTE on %s must not be allowed", object), "GRANT EXECUTE ON FUNCTION %s TO PUBLIC", written(object))
		}
	}
	for _, membership := range model.Memberships {
		if !strings.HasPrefix(membership.Member, "pg_") {
			kind = "a membership with ADMIN OPTION"
			add(fmt.Sprintf("%s ADMIN on role %s must not be allowed", membership.Member, membership.Role), "GRANT %q TO %q WITH ADMIN OPTION", membership.Role, membership.Member)
			kind = "a membership less"
			add(fmt.Sprintf("%s USAGE on role %s must be allowed", membership.Member, membership.Role), "REVOKE %q FROM %q", membership.Role, membership.Member)
		}
	}
	for _, each := range model.Defaults {
		for _, entry := range each.ACL {
			if entry.Grantee != each.Owner {
				kind = "a default privilege less"
				add(fmt.Sprintf("%s %s on a new", entry.Grantee, entry.Privilege), "ALTER DEFAULT PRIVILEGES FOR ROLE %q REVOKE %s ON %sS FROM %q", each.Owner, entry.Privilege, each.Class, entry.Grantee)
			}
		}
	}
	for _, role := range model.Roles {
		for _, attribute := range []privileges.Privilege{privileges.CreateRole, privileges.CreateDatabase, privileges.Replication, privileges.BypassRLS} {
			if !role.Superuser && !strings.HasPrefix(role.Name, "pg_") {
				kind = "an attribute of a role"
				add(fmt.Sprintf("%s %s on the server must not be allowed", role.Name, attribute), "ALTER ROLE %q %s", role.Name, attribute)
			}
		}
	}
	for _, login := range names.MigratorSlots {
		kind = "a migrator that owns what it creates"
		add(fmt.Sprintf("%s SET on role %s must be allowed", login, names.Owner), "ALTER ROLE %q RESET role", login)
	}
	kind = "a membership between PostgreSQL's own roles"
	add(names.Monitor+" USAGE on role pg_execute_server_program must not be allowed", "GRANT pg_execute_server_program TO pg_monitor")
	kind = "something for PUBLIC"
	add("public EXECUTE on a new function in auth must not be allowed", "ALTER DEFAULT PRIVILEGES FOR ROLE %q GRANT EXECUTE ON FUNCTIONS TO PUBLIC", names.Owner)
	add("public CONNECT on database "+model.Database+" must not be allowed", "GRANT CONNECT ON DATABASE %q TO PUBLIC", model.Database)
	return all
}

// written is an object's name in SQL.
func written(object privileges.Object) string {
	switch {
	case object.Schema == "":
		return pgx.Identifier{object.Name}.Sanitize()
	case object.Class == privileges.Function:
		return pgx.Identifier{object.Schema}.Sanitize() + "." + object.Name
	default:
		return pgx.Identifier{object.Schema, object.Name}.Sanitize()
	}
}

// provesMutations makes each, and counts them by their kinds.
func provesMutations(t *testing.T, p *project) map[string]int {
	administrator := p.superuser(t, p.config().Database.Name)
	found, err := inspect.Read(t.Context(), administrator)
	require.NoError(t, err)
	declared, names := access.NewModel(p.config()), p.names()
	all := mutations(found, names)
	require.Greater(t, len(all), 400)
	for _, mutation := range all {
		tx, err := administrator.Begin(t.Context())
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), mutation.change)
		require.NoError(t, err, mutation.change)
		var migrators []inspect.Migrator
		if strings.HasPrefix(mutation.change, "ALTER DEFAULT PRIVILEGES") || strings.HasSuffix(mutation.change, "RESET role") { // others show on what is there
			for _, login := range names.MigratorSlots {
				migrators = append(migrators, inspect.Migrator{Login: login, As: names.Owner})
			}
		}
		result, err := inspect.Verify(t.Context(), tx, declared, migrators...)
		require.NoError(t, err)
		assert.True(t, slices.ContainsFunc(result.Failing, func(failing inspect.Failing) bool { return strings.HasPrefix(failing.String(), mutation.cell) }),
			"%s: nothing says %s: %v", mutation.change, mutation.cell, result.Failing)
		require.NoError(t, tx.Rollback(context.Background()))
	}
	counts := map[string]int{}
	for _, mutation := range all {
		counts[mutation.kind]++
	}
	t.Logf("%d mutations were found and named", len(all))
	return counts
}

// recordMutations writes the counts of one kind of plugins into the report,
// where the other kind's stay.
func recordMutations(t *testing.T, plugins operation.PluginChoice, counts map[string]int) {
	if *recordedAccess == "" || t.Failed() {
		return
	}
	content, err := os.ReadFile(*recordedAccess)
	require.NoError(t, err)
	heading := fmt.Sprintf("\n## Mutations, with %s\n", plugins)
	before, after, _ := strings.Cut(string(content), heading)
	if _, other, found := strings.Cut(after, "\n## "); found {
		before += "\n## " + other
	}
	sum := 0
	rows := ""
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		sum += counts[kind]
		rows += fmt.Sprintf("| %s | %d |\n", kind, counts[kind])
	}
	text := before + heading + fmt.Sprintf("\nprod with the application's 42 tables: %d single changes, each in a transaction of its own; `wcrdb access verify` names the cell of every one.\n\n| change | how many |\n|---|---|\n%s", sum, rows)
	require.NoError(t, os.WriteFile(*recordedAccess, []byte(text), 0o644))
}
