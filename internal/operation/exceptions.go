package operation

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/postgres"
	"github.com/witchcityrope/database/internal/privileges"
)

// givenTooMuch are which of some privileges a role has of a table that the session may revoke on.
const givenTooMuch = `SELECT DISTINCT privilege_type FROM pg_class AS c CROSS JOIN LATERAL aclexplode(relacl) AS a
	WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1) AND relname = $2 AND relkind IN ('r', 'p', 'v', 'm', 'f')
		AND a.grantee = CASE WHEN $3 = 'public' THEN 0 ELSE (SELECT oid FROM pg_roles WHERE rolname = $3) END AND privilege_type = ANY($4)
		AND pg_has_role(relowner, 'USAGE') ORDER BY 1`

// keepExceptions takes away from roles what default privileges have given them of
// tables that grants of their own are about and that a migration has just made. An up
// would do it too, but nobody has to run one after a migration.
func (o *Operation) keepExceptions(ctx context.Context, session *pgx.Conn) error {
	for _, exception := range o.Access(o.config).Exceptions() {
		if err := o.keepException(ctx, session, exception); err != nil {
			return fmt.Errorf("taking from %s what it is not to have of %s: %w", exception.Role, exception.Table, err)
		}
	}
	return nil
}

func (o *Operation) keepException(ctx context.Context, session *pgx.Conn, exception privileges.Exception) error {
	lacks := make([]string, len(exception.Lacks))
	for i, privilege := range exception.Lacks {
		lacks[i] = string(privilege)
	}
	table := exception.Table
	rows, err := session.Query(ctx, givenTooMuch, table.Schema, table.Name, exception.Role, lacks)
	if err != nil {
		return err
	}
	given, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(given) == 0 {
		return err
	}
	from := postgres.QuoteIdentifier(exception.Role)
	if exception.Role == privileges.Public {
		from = "PUBLIC"
	}
	_, err = session.Exec(ctx, fmt.Sprintf("REVOKE %s ON %s.%s FROM %s", strings.Join(given, ", "), postgres.QuoteIdentifier(table.Schema), postgres.QuoteIdentifier(table.Name), from))
	return err
}
