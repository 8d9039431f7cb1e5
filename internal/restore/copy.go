package restore

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/postgres"
)

// Properties are the statements that give a database, by name, what belongs to
// another one and stands outside of it: owner, privileges and settings. Its
// comment is left out.
func Properties(ctx context.Context, session *pgx.Conn, of string) (statements func(name string) []string, err error) {
	tx, err := session.Begin(ctx)
	if err != nil {
		return nil, err
	}
	found, err := readProperties(ctx, tx, of)
	found.comment = nil
	statements = func(name string) []string { return found.statements(postgres.QuoteIdentifier(name)) }
	return statements, errors.Join(err, tx.Rollback(context.WithoutCancel(ctx)))
}
