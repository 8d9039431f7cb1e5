package indexes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/postgres"
)

// Options are how the declared indexes are built.
type Options struct {
	Declared []config.Index
	// Schemas are where tables are looked for whose schema is not declared.
	Schemas []string
	// Wait is how long missing tables are waited for.
	Wait time.Duration
	// DryRun changes nothing.
	DryRun bool
	// Open opens a superuser's session in the database.
	Open func(context.Context) (*pgx.Conn, error)
	// Watch is told how a build goes on; it may be nil.
	Watch func(Progress)
}

// Outcome is what has become of a declared index.
type Outcome string

// The outcomes.
const (
	Built      Outcome = "built"
	WouldBuild Outcome = "to build"
	IsPresent  Outcome = "present"
	IsCovered  Outcome = "there already"
	NoTable    Outcome = "no table"
	Failed     Outcome = "failed"
)

// Result is what has become of one declared index.
type Result struct {
	Name    string  `json:"name"`
	Table   string  `json:"table"`
	Outcome Outcome `json:"outcome"`
	Reason  string  `json:"reason,omitempty"`
	Bytes   int64   `json:"bytes,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
}

// Unused is an index that no query has used.
type Unused struct {
	Name  string `json:"name"`
	Table string `json:"table"`
	Bytes int64  `json:"bytes"`
}

// Report is what has become of all.
type Report struct {
	Indexes []Result `json:"indexes"`
	// Analyzed are the tables whose statistics were made anew.
	Analyzed []string `json:"analyzed"`
	// Unused are indexes of the database that no query has used since Since.
	Unused []Unused  `json:"unused"`
	Since  time.Time `json:"unusedSince"`
}

// Unfinished counts the indexes that are not there as declared.
func (r Report) Unfinished() (count int) {
	for _, result := range r.Indexes {
		if result.Outcome == NoTable || result.Outcome == Failed {
			count++
		}
	}
	return count
}

const (
	lockNotAvailable = "55P03"
	deadlockDetected = "40P01"

	// lockLimit is how long the trial of a definition waits for a table.
	lockLimit = "5s"
	// poll is how often missing tables are looked for.
	poll = 250 * time.Millisecond
)

// Run builds what is declared and not there, one after the other, while the
// database is in use. What it has built stays if it is interrupted, and is
// reported; the next run goes on from there.
func Run(ctx context.Context, options Options) (report Report, err error) {
	reader, err := open(ctx, options)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, reader.Close(context.WithoutCancel(ctx))) }()
	builder, err := open(ctx, options)
	if err != nil {
		return report, err
	}
	defer func() { err = errors.Join(err, builder.Close(context.WithoutCancel(ctx))) }()
	r := run{Options: options, reader: reader, builder: builder}
	if err := r.alone(ctx); err != nil {
		return report, err
	}
	steps, err := r.plan(ctx)
	if err != nil {
		return report, err
	}
	report = Report{Indexes: []Result{}, Analyzed: []string{}, Unused: []Unused{}}
	for _, step := range steps {
		result, err := r.do(ctx, step)
		if err != nil {
			result.Outcome, result.Reason = Failed, err.Error()
			report.Indexes = append(report.Indexes, result)
			return report, fmt.Errorf("index %s: %w", step.Wanted.Name, err)
		}
		report.Indexes = append(report.Indexes, result)
	}
	if report.Analyzed, err = r.analyze(ctx, steps, report.Indexes); err != nil {
		return report, err
	}
	report.Unused, report.Since, err = r.unused(ctx, report.Indexes)
	return report, err
}

// open opens a session that the stack's limits for everybody do not end: a build
// takes its time, and waits for old transactions.
func open(ctx context.Context, options Options) (*pgx.Conn, error) {
	session, err := options.Open(ctx)
	if err != nil {
		return nil, err
	}
	for _, limit := range []string{"statement_timeout", "lock_timeout", "idle_session_timeout"} {
		if err := one(ctx, session, "SET "+limit+" = 0"); err != nil {
			return nil, errors.Join(err, session.Close(context.WithoutCancel(ctx)))
		}
	}
	return session, nil
}

// run is one run. The builder builds, as the owner of a table; the reader looks
// on. The reader has no transaction open then: the build would wait for it.
type run struct {
	Options
	reader, builder *pgx.Conn
}

// alone refuses to run beside another run. It does not wait for its end: the
// other's build would wait for whoever waits for it.
func (r *run) alone(ctx context.Context) error {
	var got bool
	var other *int
	err := r.builder.QueryRow(ctx, `WITH key AS (SELECT hashtextextended('wcrdb indexes', 0) AS key)
		SELECT pg_try_advisory_lock(key), (SELECT pid FROM pg_locks, key WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid()
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
			AND (classid::bigint << 32) | objid::bigint = key.key LIMIT 1) FROM key`).Scan(&got, &other)
	switch {
	case err != nil:
		return err
	case !got && other != nil:
		return fmt.Errorf("another run is building indexes in this database (session %d): wait for its end, or end it with SELECT pg_terminate_backend(%[1]d)", *other)
	case !got:
		return errors.New("another run was building indexes in this database a moment ago: try again")
	}
	return nil
}

// plan reads what there is, and waits for missing tables as long as it may.
func (r *run) plan(ctx context.Context) ([]Step, error) {
	var wanted []Wanted
	for _, index := range r.Declared {
		schemas := r.Schemas
		if index.Schema != "" {
			schemas = []string{index.Schema}
		}
		wanted = append(wanted, Wanted{Name: index.Name, Table: index.Table, Schemas: schemas})
	}
	until := time.Now().Add(r.Wait)
	for told := false; ; {
		found, err := read(ctx, r.reader, wanted)
		if err != nil {
			return nil, err
		}
		missing := slices.IndexFunc(wanted, func(one Wanted) bool { return len(found.tables(one)) == 0 })
		if missing < 0 || !time.Now().Before(until) {
			if err := define(ctx, r.reader, r.Declared, wanted, found); err != nil {
				return nil, err
			}
			return Plan(wanted, found), nil
		}
		if !told {
			r.tell(Progress{Index: wanted[missing].Name, Table: wanted[missing].Table, Phase: "waiting for its table"})
			told = true
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(poll):
		}
	}
}

func (r *run) tell(progress Progress) {
	if r.Watch != nil {
		r.Watch(progress)
	}
}

// do does one step.
func (r *run) do(ctx context.Context, step Step) (Result, error) {
	result := Result{Name: step.Wanted.Name, Table: step.Wanted.Table, Reason: step.Reason}
	if step.Table.Name != "" {
		result.Table = step.Table.String()
	}
	result.Outcome = map[Action]Outcome{Present: IsPresent, Covered: IsCovered, Missing: NoTable, Refused: Failed, Build: WouldBuild, Rebuild: WouldBuild}[step.Action]
	if r.DryRun {
		return result, nil
	}
	for _, leftover := range step.Drop {
		if err := r.drop(ctx, r.builder, step, leftover); err != nil {
			return result, err
		}
	}
	if result.Outcome != WouldBuild {
		return result, nil
	}
	start := time.Now()
	failure, err := r.build(ctx, step)
	if err != nil {
		return result, err
	}
	result.Seconds = time.Since(start).Seconds()
	if failure != "" {
		result.Outcome, result.Reason = Failed, failure
		return result, nil
	}
	result.Outcome = Built
	err = r.reader.QueryRow(ctx, "SELECT pg_relation_size($1::text::regclass)", r.name(step, step.Wanted.Name)).Scan(&result.Bytes)
	return result, err
}

// name of an index, in the schema of its table.
func (r *run) name(step Step, index string) string {
	return Relation{Schema: step.Table.Schema, Name: index}.String()
}

// analyze makes the statistics of tables anew that have got an index, and of those that never had any.
func (r *run) analyze(ctx context.Context, steps []Step, results []Result) (analyzed []string, err error) {
	analyzed = []string{}
	if r.DryRun {
		return analyzed, nil
	}
	for i, step := range steps {
		table := step.Table.String()
		if step.Table.Name == "" || slices.Contains(analyzed, table) {
			continue
		}
		var never bool
		err := r.reader.QueryRow(ctx, "SELECT coalesce(last_analyze, last_autoanalyze) IS NULL FROM pg_stat_all_tables WHERE relid = $1::text::regclass", table).Scan(&never)
		if err != nil {
			return analyzed, fmt.Errorf("statistics of %s: %w", table, err)
		}
		built := slices.ContainsFunc(results[i:], func(other Result) bool { return other.Outcome == Built && other.Table == table })
		if !never && !built {
			continue
		}
		if err := r.asOwner(ctx, step.Table, "ANALYZE "+table); err != nil {
			return analyzed, fmt.Errorf("ANALYZE %s: %w", table, err)
		}
		analyzed = append(analyzed, table)
	}
	return analyzed, nil
}

// asOwner runs a statement as the owner of a table.
func (r *run) asOwner(ctx context.Context, table Relation, statement string) error {
	if err := one(ctx, r.builder, "SET ROLE "+postgres.QuoteIdentifier(table.Owner)); err != nil {
		return err
	}
	return errors.Join(one(ctx, r.builder, statement), one(ctx, r.builder, "RESET ROLE"))
}
