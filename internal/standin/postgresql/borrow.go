package postgresql

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/postgres"
)

// borrow runs a function as a member of the roles, for a user who is not a superuser and therefore could not change
// what they own. The memberships end with the function.
func borrow(ctx context.Context, tx pgx.Tx, roles []string, do func() error) error {
	rows, err := tx.Query(ctx, `
		SELECT owner.rolname FROM pg_catalog.pg_roles AS owner, pg_catalog.pg_roles AS self
		WHERE self.rolname = current_user AND NOT self.rolsuper AND NOT owner.rolsuper AND owner.oid <> self.oid
			AND owner.rolname = ANY ($1) AND NOT EXISTS (
				SELECT FROM pg_catalog.pg_auth_members WHERE roleid = owner.oid AND member = self.oid AND grantor = self.oid)
			AND NOT pg_has_role(self.oid, owner.oid, 'USAGE')`, roles)
	if err != nil {
		return fmt.Errorf("looking up memberships: %w", err)
	}
	missing, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("looking up memberships: %w", err)
	}
	slices.Sort(missing)
	for _, role := range missing {
		if _, err := tx.Exec(ctx, "GRANT "+postgres.QuoteIdentifier(role)+" TO CURRENT_USER"); err != nil {
			return fmt.Errorf("becoming a member of role %s for a moment: %w", role, err)
		}
	}
	if err := do(); err != nil {
		return err
	}
	for _, role := range missing {
		if _, err := tx.Exec(ctx, "REVOKE "+postgres.QuoteIdentifier(role)+" FROM CURRENT_USER"); err != nil {
			return fmt.Errorf("leaving role %s again: %w", role, err)
		}
	}
	return nil
}

// exists answers a question of the form SELECT FROM.
func exists(ctx context.Context, tx pgx.Tx, query string, args ...any) (found bool, err error) {
	err = tx.QueryRow(ctx, "SELECT EXISTS ("+query+")", args...).Scan(&found)
	return found, err
}
