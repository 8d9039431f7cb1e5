package operation

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/privileges"
	"github.com/witchcityrope/database/internal/privileges/inspect"
)

// LivingAccess reads who may do what in the stack's database as it is, with the
// stack's configuration and the values of its file. It changes nothing.
func (o *Operation) LivingAccess(ctx context.Context) (stack *config.Stack, values map[string]string, living privileges.Living, err error) {
	err = o.administrate(ctx, func(session *pgx.Conn) error {
		living, err = inspect.ReadLiving(ctx, session)
		return err
	})
	return o.config, o.values, living, err
}
