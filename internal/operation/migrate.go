package operation

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/migration"
	"github.com/witchcityrope/database/internal/privileges/inspect"
)

// Migrated is what a run of migrations did.
type Migrated struct {
	Stack    string `json:"stack"`
	Database string `json:"database"`
	// Before is what the script meant for the server.
	Before migration.Plan `json:"before"`
	// Applied by this run.
	Applied    []string `json:"applied"`
	Pending    []string `json:"pending"`
	Statements int      `json:"statements"`
	Seconds    float64  `json:"seconds"`
	// Access afterwards, where anything was done or nothing was to be done.
	Access *inspect.Verification `json:"access,omitempty"`
	// Failure is why the run did not come to its end.
	Failure string `json:"failure,omitempty"`
}

// Migrate runs a script of migrations as the migrator, and proves the access
// contract afterwards. Where something is to be done, approve decides first.
func (o *Operation) Migrate(ctx context.Context, file string, limits migration.Limits, approve func(guarded bool, plan migration.Plan) error) (result Migrated, err error) {
	script, err := readScript(file)
	if err != nil {
		return result, err
	}
	if len(script.Statements) == 0 {
		return result, fmt.Errorf("%s: there is no statement in it", file)
	}
	err = o.loggedIn(ctx, "migrator", func(session *pgx.Conn) error {
		result = Migrated{Stack: o.Stack, Database: o.config.Database.Name, Applied: []string{}, Pending: []string{}}
		return migration.Alone(ctx, session, limits, func() error { return o.migrate(ctx, session, script, file, approve, &result) })
	})
	if err != nil {
		result.Failure = err.Error()
		if len(result.Applied) == 0 {
			return result, err
		}
	}
	access, unseen := o.VerifyAccess(context.WithoutCancel(ctx))
	if unseen != nil {
		return result, errors.Join(err, fmt.Errorf("what the history has is applied; the access contract could not be looked at: %w", unseen))
	}
	result.Access = &access
	return result, err
}

func (o *Operation) migrate(ctx context.Context, session *pgx.Conn, script *migration.Script, file string, approve func(bool, migration.Plan) error, result *Migrated) error {
	before, err := migration.History(ctx, session)
	if err != nil {
		return err
	}
	result.Before = migration.NewPlan(script, before)
	result.Pending = result.Before.Pending
	if err := result.Before.Refuse(script); err != nil {
		return fmt.Errorf("stack %s: %s: %w", o.Stack, file, err)
	}
	if len(script.Migrations) > 0 && len(result.Before.Pending) == 0 {
		return o.rememberMigrations(script, file)
	}
	if err := approve(o.config.Guarded(), result.Before); err != nil {
		return err
	}
	if err := o.rememberMigrations(script, file); err != nil {
		return err
	}
	started := time.Now()
	failure := migration.Run(ctx, session, script, func(done, of int) {
		result.Statements = done
		o.progress("statement", done, of)
	})
	result.Seconds = time.Since(started).Seconds()
	if session.IsClosed() {
		return fmt.Errorf("stack %s: %s: %w; wcrdb migrations -s %[1]s says what is applied", o.Stack, file, failure)
	}
	if err := o.keepExceptions(context.WithoutCancel(ctx), session); err != nil {
		failure = errors.Join(failure, fmt.Errorf("%w; wcrdb up -s %s does it", err, o.Stack))
	}
	after, err := migration.History(context.WithoutCancel(ctx), session)
	if err != nil {
		return errors.Join(failure, err)
	}
	plan := migration.NewPlan(script, after)
	result.Pending = plan.Pending
	for _, id := range plan.Applied {
		if !slices.Contains(result.Before.Applied, id) {
			result.Applied = append(result.Applied, id)
		}
	}
	if failure != nil {
		return fmt.Errorf("stack %s: %s: %w; applied by this run: %s; pending: %s", o.Stack, file, failure, named(result.Applied), named(result.Pending))
	}
	if len(result.Pending) > 0 {
		return fmt.Errorf("stack %s: %s ran to its end, and the history does not have %s: does the script note what it does?", o.Stack, file, named(result.Pending))
	}
	return nil
}

// Migrations are those that the server has and, given a script, what that means for it.
type Migrations struct {
	Stack   string              `json:"stack"`
	Applied []migration.Applied `json:"applied"`
	Plan    *migration.Plan     `json:"plan,omitempty"`
}

// Migrations lists what was applied to the server.
func (o *Operation) Migrations(ctx context.Context, file string) (result Migrations, err error) {
	var script *migration.Script
	if file != "" {
		if script, err = readScript(file); err != nil {
			return result, err
		}
	}
	result.Stack = o.Stack
	err = o.administrate(ctx, func(session *pgx.Conn) error {
		if result.Applied, err = migration.History(ctx, session); err != nil {
			return err
		}
		if script != nil {
			plan := migration.NewPlan(script, result.Applied)
			result.Plan = &plan
		}
		return nil
	})
	return result, err
}

// Seeded is what a run of seed data did.
type Seeded struct {
	Stack      string  `json:"stack"`
	Database   string  `json:"database"`
	Statements int     `json:"statements"`
	Seconds    float64 `json:"seconds"`
}

// Seed runs a script of seed data as the application, where there is nothing
// to guard.
func (o *Operation) Seed(ctx context.Context, file string, limits migration.Limits) (result Seeded, err error) {
	if err := o.load(); err != nil {
		return result, err
	}
	if o.config.Guarded() {
		return result, fmt.Errorf("stack %s has %s: seed data is not for production; nothing was done", o.Stack, rankOf(o.config.Rank))
	}
	script, err := readScript(file)
	if err != nil {
		return result, err
	}
	err = o.loggedIn(ctx, "app", func(session *pgx.Conn) error {
		result = Seeded{Stack: o.Stack, Database: o.config.Database.Name}
		return migration.Alone(ctx, session, limits, func() error {
			started := time.Now()
			err := migration.Run(ctx, session, script, func(done, of int) {
				result.Statements = done
				o.progress("statement", done, of)
			})
			result.Seconds = time.Since(started).Seconds()
			if err != nil {
				return fmt.Errorf("stack %s: %s: %w", o.Stack, file, err)
			}
			return nil
		})
	})
	return result, err
}

func readScript(file string) (*migration.Script, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	script, err := migration.Parse(string(content))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return script, nil
}
