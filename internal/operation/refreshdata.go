package operation

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/live"
	"github.com/witchcityrope/database/internal/masking"
	"github.com/witchcityrope/database/internal/privileges/inspect"
	"github.com/witchcityrope/database/internal/restore"
)

// MaskingFile is the masking plan of a project, beside its Pulumi.yaml.
const MaskingFile = "masking.yaml"

// RefreshDataOptions say what a stack is refreshed from, and how.
type RefreshDataOptions struct {
	// From is the stack that the data comes from; its rank is higher.
	From string
	// Plan is the file of the masking plan; MaskingFile of the project if empty.
	Plan string
	// Approve decides before anything is changed.
	Approve func() error
}

// RefreshedData is what a refresh did.
type RefreshedData struct {
	From     string `json:"from"`
	To       string `json:"to"`
	Database string `json:"database"`
	// Backup of what was there, and Kept: the database that it still is in.
	Backup string          `json:"backup"`
	Kept   string          `json:"kept"`
	Tables []masking.Table `json:"tables"`
	Rows   int64           `json:"rows"`
	// Notices are what the plan says about columns that are not there.
	Notices []string `json:"notices"`
	// Seconds that it took, and those of them in which nobody could log in.
	Seconds float64 `json:"seconds"`
	Away    float64 `json:"secondsAway"`
	// Access is the proof that everybody may do what is declared for the target.
	Access inspect.Verification `json:"access"`
}

// refreshing is a run of RefreshData.
type refreshing struct {
	target, source *Operation
	options        RefreshDataOptions
	plan           *masking.Plan
	from, to       live.Server
	report         RefreshedData
}

// RefreshData gives the stack the data of another one of a higher rank, masked
// by the source itself. The stack's database is backed up before; the new one is
// filled beside it and takes its name in the end.
func (o *Operation) RefreshData(ctx context.Context, options RefreshDataOptions) (RefreshedData, error) {
	began := time.Now()
	source := *o
	source.Stack = options.From
	if err := errors.Join(o.load(), source.load()); err != nil {
		return RefreshedData{}, err
	}
	if err := o.config.Below(source.config); err != nil {
		return RefreshedData{}, fmt.Errorf("%w; nothing was touched", err)
	}
	if options.Plan == "" {
		options.Plan = filepath.Join(o.Project.Dir, MaskingFile)
	}
	plan, err := masking.ReadPlan(options.Plan)
	if err != nil {
		return RefreshedData{}, err
	}
	run := &refreshing{target: o, source: &source, options: options, plan: plan}
	run.report = RefreshedData{From: options.From, To: o.Stack, Database: o.config.Database.Name, Notices: []string{}}
	err = source.running(ctx, func(from live.Server) error {
		return o.runningAlone(ctx, func(to live.Server) error {
			run.from, run.to = from, to
			return run.all(ctx)
		})
	})
	if err != nil {
		return run.report, err
	}
	run.report.Seconds = time.Since(began).Seconds()
	run.report.Access, err = o.VerifyAccess(ctx)
	return run.report, err
}

func (r *refreshing) all(ctx context.Context) error {
	if err := r.apart(ctx); err != nil {
		return err
	}
	if err := r.covered(ctx); err != nil {
		return err
	}
	if err := r.options.Approve(); err != nil {
		return err
	}
	database := r.target.config.Database.Name
	return restore.Exclusively(ctx, r.to.Superuser, database, r.target.Report, func(session *pgx.Conn) error {
		if err := r.backUp(ctx); err != nil {
			return fmt.Errorf("stack %s: backup before the refresh: %w", r.report.To, err)
		}
		now := time.Now()
		next, err := restore.Beside(database, restore.Restoring, now)
		if err != nil {
			return err
		}
		if r.report.Kept, err = restore.Beside(database, restore.Before, now); err != nil {
			return err
		}
		return restore.Create(ctx, session, database, next, func() error { return r.exchange(ctx, database, next) })
	})
}

// apart makes sure that the two stacks are what their containers say, and two.
func (r *refreshing) apart(ctx context.Context) error {
	ids := map[string]string{}
	for _, side := range []struct {
		operation *Operation
		server    live.Server
	}{{r.source, r.from}, {r.target, r.to}} {
		stack := side.operation.Stack
		found, there, err := dockerengine.Container(ctx, side.server.Engine, side.server.Container)
		if err != nil || !there {
			return errors.Join(err, fmt.Errorf("stack %s: container %s is gone", stack, side.server.Container))
		}
		if is := found.Config.Labels[dockerengine.LabelStack]; is != stack {
			return fmt.Errorf("stack %s: container %s is one of stack %q: is server.name right? Nothing was touched", stack, side.server.Container, is)
		}
		if other, same := ids[found.ID]; same {
			return fmt.Errorf("stacks %s and %s have the same container %s; nothing was touched", other, stack, side.server.Container)
		}
		ids[found.ID] = stack
	}
	return nil
}

// covered makes sure that the plan has a rule for everything in the source.
func (r *refreshing) covered(ctx context.Context) error {
	return r.source.asClient(ctx, r.from, "backup", func(session *pgx.Conn) error {
		return pgx.BeginTxFunc(ctx, session, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
			columns, err := masking.Columns(ctx, tx)
			if err != nil {
				return err
			}
			faults, notices := r.plan.Check(columns)
			r.report.Notices = append(r.report.Notices, notices...)
			if len(faults) > 0 {
				return fmt.Errorf("%s: %w\nnothing was touched", r.options.Plan, faults)
			}
			return nil
		})
	})
}

// backUp makes a backup of the target as it is.
func (r *refreshing) backUp(ctx context.Context) error {
	r.target.Report("backing up stack %s into %s", r.report.To, r.target.backupDir())
	made, err := r.target.backupHere(ctx, r.to, r.target.backupDir(), nil)
	if err != nil {
		return err
	}
	r.report.Backup = made.ID
	return nil
}
