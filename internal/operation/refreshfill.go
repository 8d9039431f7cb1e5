package operation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/masking"
	"github.com/witchcityrope/database/internal/migration"
	"github.com/witchcityrope/database/internal/pgtools"
	"github.com/witchcityrope/database/internal/privileges/inspect"
	"github.com/witchcityrope/database/internal/restore"
	"github.com/witchcityrope/database/internal/staging"
)

// exchange fills the next database, proves it, and has it take the name.
func (r *refreshing) exchange(ctx context.Context, database, next string) error {
	err := r.target.within(ctx, r.to, database, func(present *pgx.Conn) error {
		return r.target.within(ctx, r.to, next, func(session *pgx.Conn) error { return r.fill(ctx, present, session) })
	})
	if err != nil {
		return err
	}
	began := time.Now()
	if err := restore.Swap(ctx, r.to.Superuser, restore.Exchange{Database: database, Next: next, Kept: r.report.Kept}); err != nil {
		return err
	}
	r.report.Away = time.Since(began).Seconds()
	return nil
}

// fill makes the next database: what the present one has around its tables, the
// tables of the source, their rows as the source masks them.
func (r *refreshing) fill(ctx context.Context, present, next *pgx.Conn) error {
	surroundings, err := staging.Survey(ctx, present, r.schemas())
	if err != nil {
		return err
	}
	if err := surroundings.Make(ctx, next); err != nil {
		return err
	}
	definition, err := r.rows(ctx, surroundings, next)
	if err != nil {
		return err
	}
	r.target.Report("indexes, keys and triggers")
	if err := r.define(ctx, next, definition.After); err != nil {
		return err
	}
	for _, do := range []func() error{
		func() error { _, err := next.Exec(ctx, "SET statement_timeout = 0; SET lock_timeout = 0"); return err },
		func() error { return staging.Refresh(ctx, next) },
		func() error { return staging.Privileges(ctx, present, next) },
		func() error { return r.target.keepExceptions(ctx, next) },
		func() error { _, err := next.Exec(ctx, "ANALYZE"); return err },
		func() error { return r.proven(ctx, present, next) },
	} {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// schemas are those that the target declares.
func (r *refreshing) schemas() []string {
	names := []string{}
	for _, schema := range r.target.config.Database.Schemas {
		names = append(names, schema.Name)
	}
	return names
}

// define runs a part of the source's definition as the target's owner.
func (r *refreshing) define(ctx context.Context, next *pgx.Conn, script *migration.Script) error {
	return staging.As(ctx, next, r.target.config.Access.Names().Owner, func() error {
		if err := migration.Run(ctx, next, script, func(int, int) {}); err != nil {
			return fmt.Errorf("defining what stack %s has, in a database of stack %s: %w", r.report.From, r.report.To, err)
		}
		return nil
	})
}

// rows copies definition and rows of one moment of the source.
func (r *refreshing) rows(ctx context.Context, surroundings staging.Surroundings, next *pgx.Conn) (definition *staging.Definition, err error) {
	snapshot := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return definition, r.source.asClient(ctx, r.from, "backup", func(session *pgx.Conn) (err error) {
		tools, err := r.source.programs(ctx, r.from, "backup")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, tools.Close(ctx)) }()
		return pgx.BeginTxFunc(ctx, session, snapshot, func(from pgx.Tx) (err error) {
			if definition, err = r.definition(ctx, from, tools, surroundings); err != nil {
				return err
			}
			if err := r.define(ctx, next, definition.Before); err != nil {
				return err
			}
			columns, err := masking.Columns(ctx, from)
			if err != nil {
				return err
			}
			return pgx.BeginFunc(ctx, next, func(to pgx.Tx) (err error) {
				r.report.Tables, err = r.plan.Copy(ctx, from, to, columns, func(table string) { r.target.Report("  %s", table) })
				for _, table := range r.report.Tables {
					r.report.Rows += table.Rows
				}
				return err
			})
		})
	})
}

func (r *refreshing) definition(ctx context.Context, from pgx.Tx, tools *pgtools.Container, surroundings staging.Surroundings) (*staging.Definition, error) {
	if _, err := from.Exec(ctx, "SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0"); err != nil {
		return nil, err
	}
	var snapshot string
	if err := from.QueryRow(ctx, "SELECT pg_export_snapshot()").Scan(&snapshot); err != nil {
		return nil, err
	}
	r.target.Report("masked rows of stack %s", r.report.From)
	return staging.Define(ctx, tools, r.source.config.Database.Name, snapshot, surroundings.Schemas)
}

// proven makes sure that everybody may do in the next database what is declared,
// once it has the name.
func (r *refreshing) proven(ctx context.Context, present, next *pgx.Conn) error {
	tx, err := next.Begin(ctx)
	if err != nil {
		return err
	}
	found, err := r.verified(ctx, present, tx)
	if err = errors.Join(err, tx.Rollback(context.WithoutCancel(ctx))); err != nil {
		return err
	}
	if failing := len(found.Failing); failing > 0 {
		return fmt.Errorf("stack %s: the access contract would not hold in the refreshed database: %d cells are not as declared, the first is: %s; the database is as before",
			r.report.To, failing, found.Failing[0])
	}
	return nil
}

func (r *refreshing) verified(ctx context.Context, present *pgx.Conn, tx pgx.Tx) (inspect.Verification, error) {
	if err := staging.Admit(ctx, present, tx); err != nil {
		return inspect.Verification{}, err
	}
	names := r.target.config.Access.Names()
	return inspect.Verify(ctx, tx, r.target.Access(r.target.config), migrators(names)...)
}
