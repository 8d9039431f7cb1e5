package operation

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/report"
)

// Reports makes a report and shows it; where every is not zero, again and again
// in one session, until the context ends.
func (o *Operation) Reports(ctx context.Context, name string, rows int, every time.Duration, show func(report.Table) error) error {
	return o.administrate(ctx, func(session *pgx.Conn) error {
		for {
			table, err := report.Run(ctx, session, name, rows)
			if every > 0 && ctx.Err() != nil {
				return nil // interrupted while watching, which is how that ends
			}
			if err != nil {
				return err
			}
			if err := show(table); err != nil || every == 0 {
				return err
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(every):
			}
		}
	})
}
