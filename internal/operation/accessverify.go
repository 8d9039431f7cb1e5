package operation

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/privileges/inspect"
)

// VerifyAccess proves on the server that everybody may do what is declared and
// nothing else. What it creates for it is rolled back.
func (o *Operation) VerifyAccess(ctx context.Context) (result inspect.Verification, err error) {
	err = o.administrate(ctx, func(session *pgx.Conn) error {
		tx, err := session.Begin(ctx)
		if err != nil {
			return err
		}
		names := o.config.Access.Names()
		result, err = inspect.Verify(ctx, tx, o.Access(o.config), migrators(names)...)
		return errors.Join(err, tx.Rollback(context.WithoutCancel(ctx)))
	})
	return result, err
}

// migrators are the logins that create objects: both, since either may be the next one.
func migrators(names config.Names) (found []inspect.Migrator) {
	for _, login := range names.MigratorSlots {
		found = append(found, inspect.Migrator{Login: login, As: names.Owner})
	}
	return found
}
