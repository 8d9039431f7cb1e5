package operation

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/engine"
	"github.com/witchcityrope/database/internal/indexes"
)

// Indexes builds the indexes that the stack declares, while its database is in
// use; missing tables are waited for. A dry run says what it would do.
func (o *Operation) Indexes(ctx context.Context, wait time.Duration, dryRun bool, watch func(indexes.Progress)) (report indexes.Report, err error) {
	err = o.bare(ctx, func(stack *engine.Stack) error {
		report, err = indexes.Run(ctx, indexes.Options{
			Declared: o.config.Indexes, Schemas: o.schemas(), Wait: wait, DryRun: dryRun, Watch: watch,
			Open: func(ctx context.Context) (*pgx.Conn, error) { return o.superuser(ctx, stack) },
		})
		return err
	})
	return report, err
}
