package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/components/access"
	"github.com/witchcityrope/database/internal/operation"
	"github.com/witchcityrope/database/internal/privileges"
	"github.com/witchcityrope/database/internal/privileges/inspect"
)

// TestEndToEndAccess proves prod's access with the application's tables: it is
// as declared, and whatever is changed about it is found and named.
func TestEndToEndAccess(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "prod", plugins).initialize()
		p.up()
		migrator := p.session(t, p.connections()["migrator"])
		for _, statements := range steps(t, migrations[len(migrations)-1].file) {
			migrate(t, migrator, statements)
		}
		for i := len(tables(t, migrator)); i < 42; i++ { // as many as the application has
			_, err := migrator.Exec(t.Context(), fmt.Sprintf("CREATE TABLE public.table_%d (id int GENERATED ALWAYS AS IDENTITY)", i))
			require.NoError(t, err)
		}
		_, err := migrator.Exec(t.Context(), "CREATE FUNCTION total() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE SCHEMA later; CREATE TABLE later.items (id int)")
		require.NoError(t, err)
		p.step("as declared", func(t *testing.T) { p.accessIs(t) })
		p.step("still as declared after another up", func(t *testing.T) {
			p.up()
			p.accessIs(t)
		})
		p.step("each mutation is found and named", func(t *testing.T) { provesMutations(t, p) })
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
	assert.Greater(t, result.Probes, 20)
	administrator := p.superuser(t, p.config().Database.Name)
	assert.Zero(t, ask[int](t, administrator, "SELECT count(*) FROM pg_class WHERE relname LIKE 'wcrdb\\_probe\\_%'"))
}

// mutation is a change of access, and the cell that it breaks.
type mutation struct{ change, cell string }

// mutations take away each grant, each membership and each default privilege;
// give PUBLIC what it must not have; and give each table to somebody else.
func mutations(model privileges.Model, names access.Names) []mutation {
	var all []mutation
	add := func(cell, change string, args ...any) {
		all = append(all, mutation{fmt.Sprintf(change, args...), cell})
	}
	for _, object := range model.Objects {
		ours := object.Class == privileges.Database && object.Name == model.Database || object.Class == privileges.Schema || object.Schema != ""
		if !ours || object.Extension != "" || object.Class == privileges.Column {
			continue
		}
		for _, entry := range object.ACL {
			if entry.Grantee != object.Owner {
				add(fmt.Sprintf("%s %s on %s must be allowed", entry.Grantee, entry.Privilege, object), "REVOKE %s ON %s %s FROM %q", entry.Privilege, object.Class, written(object), entry.Grantee)
			}
		}
		if object.Class == privileges.Table {
			add(fmt.Sprintf("%s OWN on %s must not be allowed", names.App(), object), "ALTER TABLE %s OWNER TO %q", written(object), names.App())
		}
		if object.Class == privileges.Function {
			add(fmt.Sprintf("public EXECUTE on %s must not be allowed", object), "GRANT EXECUTE ON FUNCTION %s TO PUBLIC", written(object))
		}
	}
	for _, membership := range model.Memberships {
		if !strings.HasPrefix(membership.Member, "pg_") {
			add(fmt.Sprintf("%s USAGE on role %s must be allowed", membership.Member, membership.Role), "REVOKE %q FROM %q", membership.Role, membership.Member)
		}
	}
	for _, each := range model.Defaults {
		for _, entry := range each.ACL {
			if entry.Grantee != each.Owner {
				add(fmt.Sprintf("%s %s on a new", entry.Grantee, entry.Privilege), "ALTER DEFAULT PRIVILEGES FOR ROLE %q REVOKE %s ON %sS FROM %q", each.Owner, entry.Privilege, each.Class, entry.Grantee)
			}
		}
	}
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

func provesMutations(t *testing.T, p *project) {
	administrator := p.superuser(t, p.config().Database.Name)
	found, err := inspect.Read(t.Context(), administrator)
	require.NoError(t, err)
	declared, names := access.NewModel(p.config()), p.names()
	all := mutations(found, names)
	require.Greater(t, len(all), 150)
	for _, mutation := range all {
		tx, err := administrator.Begin(t.Context())
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), mutation.change)
		require.NoError(t, err, mutation.change)
		migrator := &inspect.Migrator{Login: names.Migrator, As: names.Owner}
		if !strings.HasPrefix(mutation.change, "ALTER DEFAULT PRIVILEGES") {
			migrator = nil // it shows on what is there
		}
		result, err := inspect.Verify(t.Context(), tx, declared, migrator)
		require.NoError(t, err)
		assert.True(t, slices.ContainsFunc(result.Failing, func(failing inspect.Failing) bool { return strings.HasPrefix(failing.String(), mutation.cell) }),
			"%s: nothing says %s: %v", mutation.change, mutation.cell, result.Failing)
		require.NoError(t, tx.Rollback(context.Background()))
	}
	t.Logf("%d mutations were found and named", len(all))
}
