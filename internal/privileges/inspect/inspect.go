// Package inspect reads who may do what from a running server, into the values
// of package privileges, and asks the server itself.
package inspect

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/privileges"
)

// Querier is a session, or a transaction of one.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

//go:embed objects.sql
var objectsSQL string

// entries writes an access control list as JSON: null for one that nobody touched.
const entries = `CASE WHEN %[1]s IS NULL THEN NULL ELSE (
	SELECT coalesce(json_agg(json_build_object('Grantee', CASE grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(grantee) END,
		'Privilege', privilege_type, 'Grantor', pg_get_userbyid(grantor), 'Grantable', is_grantable)), '[]')
	FROM aclexplode(%[1]s)) END`

// Read reads the database that the session is in, and what its cluster shares.
func Read(ctx context.Context, session Querier) (privileges.Model, error) {
	model := privileges.Model{}
	for _, part := range []struct {
		what string
		read func(context.Context, Querier, *privileges.Model) error
	}{
		{"version", readVersion}, {"roles", readRoles}, {"memberships", readMemberships}, {"objects", readObjects}, {"default privileges", readDefaults},
	} {
		if err := part.read(ctx, session, &model); err != nil {
			return privileges.Model{}, fmt.Errorf("reading %s: %w", part.what, err)
		}
	}
	return model, nil
}

// collect reads rows by column position into values.
func collect[T any](ctx context.Context, session Querier, sql string, args ...any) ([]T, error) {
	rows, err := session.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[T])
}

func readVersion(ctx context.Context, session Querier, model *privileges.Model) error {
	found, err := collect[struct {
		Major    int
		Database string
	}](ctx, session, "SELECT current_setting('server_version_num')::int / 10000, current_database()::text")
	if err != nil {
		return err
	}
	model.Major, model.Database = found[0].Major, found[0].Database
	return nil
}

func readRoles(ctx context.Context, session Querier, model *privileges.Model) (err error) {
	model.Roles, err = collect[privileges.Role](ctx, session,
		"SELECT rolname::text, rolcanlogin, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles ORDER BY rolname")
	return err
}

func readMemberships(ctx context.Context, session Querier, model *privileges.Model) (err error) {
	options := "(SELECT rolinherit FROM pg_roles WHERE oid = member), true"
	if model.Major >= 16 {
		options = "inherit_option, set_option"
	}
	model.Memberships, err = collect[privileges.Membership](ctx, session, "SELECT pg_get_userbyid(roleid)::text, pg_get_userbyid(member)::text, "+
		options+", admin_option, pg_get_userbyid(grantor)::text FROM pg_auth_members ORDER BY 1, 2, 6")
	return err
}

func readObjects(ctx context.Context, session Querier, model *privileges.Model) (err error) {
	model.Objects, err = collect[privileges.Object](ctx, session, fmt.Sprintf(
		"SELECT class, schema, name, column_name, pg_get_userbyid(owner)::text, %s, coalesce(extension, '') FROM (%s) AS found ORDER BY class, schema, name, column_name",
		fmt.Sprintf(entries, "acl"), objectsSQL))
	return err
}

func readDefaults(ctx context.Context, session Querier, model *privileges.Model) (err error) {
	model.Defaults, err = collect[privileges.Default](ctx, session, fmt.Sprintf(`
		SELECT pg_get_userbyid(defaclrole)::text, coalesce((SELECT nspname::text FROM pg_namespace n WHERE n.oid = defaclnamespace), ''),
			CASE defaclobjtype WHEN 'r' THEN 'table' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'function' WHEN 'T' THEN 'type' WHEN 'n' THEN 'schema' WHEN 'L' THEN 'largeObject' END, %s
		FROM pg_default_acl ORDER BY 1, 2, 3`, fmt.Sprintf(entries, "defaclacl")))
	return err
}
