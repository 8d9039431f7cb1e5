package backup

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// histories are where Entity Framework keeps which migrations it has applied.
// Those of tables that a restore has set aside do not count.
const histories = `
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = '__EFMigrationsHistory' AND c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^before_' ORDER BY 1`

// LastMigration is Entity Framework's in a database, of all its histories;
// empty where it has none.
func LastMigration(ctx context.Context, session querier) (last string, err error) {
	rows, err := session.Query(ctx, histories)
	if err != nil {
		return "", err
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (pgx.Identifier, error) {
		history := make(pgx.Identifier, 2)
		return history, row.Scan(&history[0], &history[1])
	})
	if err != nil {
		return "", err
	}
	for _, history := range found {
		newest, err := texts(ctx, session, fmt.Sprintf(`SELECT coalesce(max("MigrationId" COLLATE "C"), '') FROM %s`, history.Sanitize()))
		if err != nil {
			return "", fmt.Errorf("history of migrations: %w", err)
		}
		last = max(last, newest[0])
	}
	return last, nil
}
