package inspect

import (
	"context"
	"fmt"

	"github.com/witchcityrope/database/internal/privileges"
)

// ReadLiving reads the database that the session is in.
func ReadLiving(ctx context.Context, session Querier) (privileges.Living, error) {
	model, err := Read(ctx, session)
	if err != nil {
		return privileges.Living{}, err
	}
	living := privileges.Living{Model: model}
	living.Attributes, err = collect[privileges.Attributes](ctx, session, `
		SELECT rolname::text, rolcanlogin, rolsuper, rolinherit, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolconnlimit,
			CASE WHEN coalesce(isfinite(rolvaliduntil), false) THEN to_char(rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') ELSE '' END,
			coalesce((SELECT setconfig FROM pg_db_role_setting WHERE setrole = pg_roles.oid AND setdatabase = 0), '{}')::text[]
		FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY rolname`)
	if err != nil {
		return privileges.Living{}, fmt.Errorf("reading the attributes of roles: %w", err)
	}
	living.Extensions, err = collect[privileges.Extension](ctx, session, `
		SELECT extname::text, extversion, nspname::text FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace
		WHERE extname <> 'plpgsql' ORDER BY 1`)
	if err != nil {
		return privileges.Living{}, fmt.Errorf("reading extensions: %w", err)
	}
	return living, nil
}
