package testdatabase

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/migration"
	"github.com/witchcityrope/database/internal/postgres"
	"github.com/witchcityrope/database/internal/restore"
)

// Database is a test run's.
type Database struct {
	Name     string    `json:"name"`
	Holder   string    `json:"holder,omitempty"`
	Template string    `json:"template,omitempty"`
	Created  time.Time `json:"created"`
	Until    time.Time `json:"until"`
	Sessions int       `json:"sessions"`
	Bytes    int64     `json:"bytes"`
}

// Expired says whether the lease is over.
func (d Database) Expired(now time.Time) bool { return now.After(d.Until) }

// Wanted is what is asked for.
type Wanted struct {
	// SQL is the script of migrations; without one the databases have no tables.
	SQL    string
	Count  int
	Lease  time.Duration
	Holder string
}

// Created is a new database and how long its making took, without that of its template.
type Created struct {
	Database
	Milliseconds float64 `json:"milliseconds"`
}

// keepTemplates is how long a template stays that nobody uses.
const keepTemplates = 7 * 24 * time.Hour

// tries is how often a template is made that a reaper has removed meanwhile.
const tries = 3

// Create makes databases, each with a lease, and removes those whose lease is over. Those that were made before a failure are returned with it.
func (s Server) Create(ctx context.Context, wanted Wanted) (made []Created, err error) {
	var script *migration.Script
	if wanted.SQL != "" {
		if script, err = migration.Parse(wanted.SQL); err != nil {
			return nil, err
		}
	}
	session, err := s.Open(ctx, restore.Maintenance)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, session.Close(context.WithoutCancel(ctx))) }()
	for try := 1; ; try++ {
		from, err := s.template(ctx, session, script, wanted.SQL)
		if err == nil {
			made, err = s.clones(ctx, session, from, wanted, made)
		}
		if err == nil {
			if _, err := s.reap(ctx, session, time.Now(), false); err != nil {
				s.Report("databases of other runs whose lease is over could not be removed, the next run tries again: %v", err)
			}
			return made, nil
		}
		if code(err) != noDatabase || try == tries {
			return made, err
		}
	}
}

// clones makes those that are missing yet.
func (s Server) clones(ctx context.Context, session *pgx.Conn, from string, wanted Wanted, made []Created) ([]Created, error) {
	properties, err := restore.Properties(ctx, session, from)
	if err != nil {
		return made, err
	}
	statement, err := creation(ctx, session, from, s.Owner)
	if err != nil {
		return made, err
	}
	for len(made) < wanted.Count {
		start := time.Now()
		name, err := newName(s.Source, start)
		if err != nil {
			return made, err
		}
		if err := run(ctx, session, statement(name)); err != nil {
			return made, err
		}
		lease := lease{Until: start.Add(wanted.Lease).UTC().Truncate(time.Second), Holder: wanted.Holder, Template: from}
		quoted := postgres.QuoteIdentifier(name)
		err = run(ctx, session, append(slices.Clone(properties(name)),
			fmt.Sprintf("COMMENT ON DATABASE %s IS %s", quoted, postgres.QuoteLiteral(lease.String())))...)
		if err != nil {
			return made, errors.Join(err, drop(context.WithoutCancel(ctx), session, name, true))
		}
		made = append(made, Created{
			Database{Name: name, Holder: lease.Holder, Template: from, Created: start.UTC().Truncate(time.Second), Until: lease.Until},
			float64(time.Since(start).Microseconds()) / 1000,
		})
	}
	return made, s.use(ctx, session, from)
}

// use notes that a template is used, once a day.
func (s Server) use(ctx context.Context, session *pgx.Conn, name string) error {
	var comment string
	err := session.QueryRow(ctx, "SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = $1", name).Scan(&comment)
	if now := usedAt(time.Now()); err == nil && comment != now {
		err = run(ctx, session, fmt.Sprintf("COMMENT ON DATABASE %s IS %s", postgres.QuoteIdentifier(name), postgres.QuoteLiteral(now)))
	}
	if errors.Is(err, pgx.ErrNoRows) || code(err) == noDatabase || code(err) == concurrently {
		return nil // somebody else has removed it, or notes the same
	}
	return err
}

// concurrently is internal_error: "tuple concurrently updated".
const concurrently = "XX000"

func usedAt(at time.Time) string { return "used " + at.UTC().Format(time.DateOnly) }

// List lists the databases of test runs, the oldest first.
func (s Server) List(ctx context.Context) (found []Database, err error) {
	err = s.maintain(ctx, func(session *pgx.Conn) error {
		found, err = s.list(ctx, session, true)
		return err
	})
	return found, err
}

func (s Server) maintain(ctx context.Context, do func(*pgx.Conn) error) error {
	session, err := s.Open(ctx, restore.Maintenance)
	if err != nil {
		return err
	}
	return errors.Join(do(session), session.Close(context.WithoutCancel(ctx)))
}

// list lists clones; their sizes take time, since files are looked at.
func (s Server) list(ctx context.Context, session *pgx.Conn, sizes bool) ([]Database, error) {
	rows, err := session.Query(ctx, `SELECT datname, coalesce(shobj_description(d.oid, 'pg_database'), ''),
			(SELECT count(*) FROM pg_stat_activity a WHERE a.datid = d.oid AND a.backend_type = 'client backend'), CASE WHEN $2 THEN pg_database_size(d.oid) ELSE 0 END
		FROM pg_database d WHERE starts_with(datname, $1) ORDER BY datname`, s.Source+"_"+clone+"_", sizes)
	if err != nil {
		return nil, err
	}
	list := []Database{}
	var comment string
	var next Database
	_, err = pgx.ForEachRow(rows, []any{&next.Name, &comment, &next.Sessions, &next.Bytes}, func() error {
		made, is := created(s.Source, next.Name)
		if is {
			lease := readLease(comment, made)
			next.Created, next.Until, next.Holder, next.Template = made, lease.Until, lease.Holder, lease.Template
			list = append(list, next)
		}
		return nil
	})
	return list, err
}

// Drop removes databases of test runs by their names, whoever has sessions in them.
func (s Server) Drop(ctx context.Context, names ...string) error {
	for _, name := range names {
		if _, is := created(s.Source, name); !is {
			return fmt.Errorf("%s is not the name of a test database, which begins with %s_%s_: nothing was dropped; testdb list has the names", name, s.Source, clone)
		}
	}
	return s.maintain(ctx, func(session *pgx.Conn) error {
		var failures []error
		for _, name := range names {
			err := drop(ctx, session, name, true)
			if code(err) == noDatabase {
				err = fmt.Errorf("there is no test database %s: was it dropped already, or reaped?", name)
			}
			failures = append(failures, err)
		}
		return errors.Join(failures...)
	})
}

func drop(ctx context.Context, session *pgx.Conn, name string, force bool) error {
	statement := "DROP DATABASE " + postgres.QuoteIdentifier(name)
	if force {
		statement += " WITH (FORCE)"
	}
	return run(ctx, session, statement)
}

// Reaped is what was removed.
type Reaped struct {
	Databases []string `json:"databases"`
	Templates []string `json:"templates"`
	// Kept have no lease any more, and sessions.
	Kept []string `json:"kept"`
}

// Reap removes databases whose lease is over, and templates that nobody has
// used for long or that a killed run has left half-made. A database that has
// sessions stays, unless force is given.
func (s Server) Reap(ctx context.Context, now time.Time, force bool) (reaped Reaped, err error) {
	err = s.maintain(ctx, func(session *pgx.Conn) error {
		if reaped, err = s.reap(ctx, session, now, force); err != nil {
			return err
		}
		reaped.Templates, err = s.reapTemplates(ctx, session, now)
		return err
	})
	return reaped, err
}

func (s Server) reap(ctx context.Context, session *pgx.Conn, now time.Time, force bool) (Reaped, error) {
	reaped := Reaped{Databases: []string{}, Templates: []string{}, Kept: []string{}}
	list, err := s.list(ctx, session, false)
	if err != nil {
		return reaped, err
	}
	for _, database := range list {
		if !database.Expired(now) {
			continue
		}
		if database.Sessions > 0 && !force {
			reaped.Kept = append(reaped.Kept, database.Name)
			continue
		}
		err := drop(ctx, session, database.Name, force)
		switch {
		case err == nil:
			reaped.Databases = append(reaped.Databases, database.Name)
		case code(err) == inUse:
			reaped.Kept = append(reaped.Kept, database.Name)
		case code(err) != noDatabase: // unless somebody else was faster
			return reaped, err
		}
	}
	return reaped, nil
}

// reapTemplates removes templates that were not used for long. One that is
// being made has its run's lock.
func (s Server) reapTemplates(ctx context.Context, session *pgx.Conn, now time.Time) ([]string, error) {
	removed := []string{}
	rows, err := session.Query(ctx, `SELECT datname, coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database
		WHERE starts_with(datname, $1) OR starts_with(datname, $2) ORDER BY datname`, s.Source+"_"+template+"_", s.Source+"_"+making+"_")
	if err != nil {
		return removed, err
	}
	type candidate struct{ name, comment string }
	var candidates []candidate
	var next candidate
	if _, err := pgx.ForEachRow(rows, []any{&next.name, &next.comment}, func() error {
		candidates = append(candidates, next)
		return nil
	}); err != nil {
		return removed, err
	}
	for _, candidate := range candidates {
		if candidate.comment > usedAt(now.Add(-keepTemplates)) {
			continue
		}
		gone, err := s.removeTemplate(ctx, session, candidate.name)
		if err != nil {
			return removed, err
		}
		if gone {
			removed = append(removed, candidate.name)
		}
	}
	return removed, nil
}

func (s Server) removeTemplate(ctx context.Context, session *pgx.Conn, name string) (gone bool, err error) {
	lock := strings.Replace(name, "_"+making+"_", "_"+template+"_", 1)
	var got bool
	if err := session.QueryRow(ctx, "SELECT pg_try_advisory_lock(hashtextextended($1, 0))", lock).Scan(&got); err != nil || !got {
		return false, err
	}
	quoted := postgres.QuoteIdentifier(name)
	err = run(ctx, session, "ALTER DATABASE "+quoted+" WITH IS_TEMPLATE false")
	if err == nil {
		err = drop(ctx, session, name, true)
	}
	_, unlock := session.Exec(ctx, "SELECT pg_advisory_unlock(hashtextextended($1, 0))", lock)
	if code(err) == noDatabase {
		return false, unlock
	}
	return err == nil, errors.Join(err, unlock)
}
