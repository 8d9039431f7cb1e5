// Package migration runs scripts of EF Core's migrations, and reads the
// history that they keep in the database.
package migration

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/postgres"
)

// HistoryTable is where EF Core notes what it has applied.
const HistoryTable = "__EFMigrationsHistory"

// Applied is a migration that the server has.
type Applied struct {
	ID      string `json:"id"`
	Product string `json:"product"` // version of EF Core
	Schema  string `json:"schema"`  // of the history
}

// Querier is a session or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// History reads what was applied, oldest first: nothing where there is no history.
func History(ctx context.Context, session Querier) ([]Applied, error) {
	rows, err := session.Query(ctx, `SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relname = $1 AND c.relkind = 'r' AND n.nspname !~ '^pg_' ORDER BY 1`, HistoryTable)
	if err != nil {
		return nil, fmt.Errorf("history of the migrations: %w", err)
	}
	schemas, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("history of the migrations: %w", err)
	}
	history := []Applied{}
	for _, schema := range schemas {
		table := postgres.QuoteIdentifier(schema) + "." + postgres.QuoteIdentifier(HistoryTable)
		rows, err := session.Query(ctx, `SELECT "MigrationId", "ProductVersion", $1::text FROM `+table+` ORDER BY 1`, schema)
		if err != nil {
			return nil, fmt.Errorf("history %s: %w", table, err)
		}
		found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Applied])
		if err != nil {
			return nil, fmt.Errorf("history %s: %w", table, err)
		}
		history = append(history, found...)
	}
	return history, nil
}
