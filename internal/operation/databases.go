package operation

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/restore"
)

// Databases lists those that restores have left beside the stack's.
func (o *Operation) Databases(ctx context.Context) (found []restore.Neighbour, err error) {
	err = o.administrate(ctx, func(session *pgx.Conn) error {
		found, err = restore.Neighbours(ctx, session, o.config.Database.Name)
		return err
	})
	return found, err
}

// DropDatabase drops one of those.
func (o *Operation) DropDatabase(ctx context.Context, name string) error {
	return o.administrate(ctx, func(session *pgx.Conn) error {
		return restore.Drop(ctx, session, o.config.Database.Name, name)
	})
}
