package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/witchcityrope/database/internal/backup"
)

// Tables puts single tables back into the running database. What has their
// names is moved into a schema of its own, with indexes and sequences, and kept.
type Tables struct {
	Filling
	// Database is the running one, Side an empty one that the tables come by.
	Database, Side string
	Names          []pgx.Identifier
	// Kept is the schema that the present tables are moved into.
	Kept string
}

// Restored is what came of it.
type Restored struct {
	// Kept is the schema; empty if none of the tables was there.
	Kept string
	Rows int64
	// Unchecked are foreign keys that the rows break, which holds from now on for new rows only.
	Unchecked []string
}

// KeptSchema is what old tables are moved into: before_20261124t021500.
func KeptSchema(at time.Time) string { return fmt.Sprintf("%s_%s", Before, at.UTC().Format(stamp)) }

// Find finds the tables that somebody names as schema.name in a manifest.
func Find(manifest backup.Manifest, names []string) ([]pgx.Identifier, error) {
	var found []pgx.Identifier
	for _, name := range names {
		at := slices.IndexFunc(manifest.Tables, func(table backup.Table) bool { return table.Schema+"."+table.Name == name })
		if at < 0 {
			var known []string
			for _, table := range manifest.Tables {
				known = append(known, table.Schema+"."+table.Name)
			}
			return nil, fmt.Errorf("backup %s has no table %s (write schema.name, in the letters that it has); it has %s", manifest.ID, name, strings.Join(known, ", "))
		}
		found = append(found, pgx.Identifier{manifest.Tables[at].Schema, manifest.Tables[at].Name})
	}
	return found, nil
}

// Restore fills the side database with the schema and the tables' data, and
// carries the tables over in one transaction: killed, it has done nothing.
func (t Tables) Restore(ctx context.Context, open Open) (done Restored, err error) {
	if err := t.fillSide(ctx, open); err != nil {
		return done, err
	}
	side, err := open(ctx, t.Side)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, side.Close(context.WithoutCancel(ctx))) }()
	running, err := open(ctx, t.Database)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, running.Close(context.WithoutCancel(ctx))) }()
	if done.Rows, err = t.compare(ctx, side); err != nil {
		return done, err
	}
	move, err := t.plan(ctx, side, running)
	if err != nil {
		return done, err
	}
	for _, key := range move.own {
		if _, err := side.Exec(ctx, key.drop()); err != nil {
			return done, err
		}
	}
	if err := t.carry(ctx, move); err != nil {
		return done, err
	}
	if len(move.present) > 0 {
		done.Kept = t.Kept
	}
	done.Unchecked, err = settle(ctx, running, t.Names, move.keys)
	return done, err
}

// compare holds the tables in the side database to the manifest.
func (t Tables) compare(ctx context.Context, side *pgx.Conn) (int64, error) {
	tables := slices.DeleteFunc(slices.Clone(t.From.Tables), func(table backup.Table) bool {
		return !slices.ContainsFunc(t.Names, func(name pgx.Identifier) bool { return name[0] == table.Schema && name[1] == table.Name })
	})
	rows, wrong, err := sameRows(ctx, side, tables)
	if err == nil {
		err = differing(t.From.Manifest, wrong)
	}
	return rows, err
}

// fillSide makes the whole schema, without data, and then loads that of the tables:
// foreign keys to rows that are not there are no obstacle then.
func (t Tables) fillSide(ctx context.Context, open Open) (err error) {
	for _, section := range []string{"pre-data", "post-data"} {
		if err := t.Filling.Restore(ctx, "--section="+section, "--dbname="+t.Side); err != nil {
			return err
		}
	}
	session, err := open(ctx, t.Side)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.Close(context.WithoutCancel(ctx))) }()
	for _, name := range t.Names {
		args := []string{"--data-only", "--disable-triggers", "--dbname=" + t.Side, "--schema=" + name[0], "--table=" + name[1]}
		rows, err := session.Query(ctx, `SELECT s.relname::text FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
			WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = to_regclass($1) AND d.deptype IN ('a', 'i')`, name.Sanitize())
		if err != nil {
			return err
		}
		sequences, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, sequence := range sequences {
			args = append(args, "--table="+sequence)
		}
		if err := t.Filling.Restore(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// settle analyses the tables, and checks their foreign keys, one by one.
func settle(ctx context.Context, running *pgx.Conn, names []pgx.Identifier, keys []foreignKey) (unchecked []string, err error) {
	for _, name := range names {
		if _, err := running.Exec(ctx, "ANALYZE "+name.Sanitize()); err != nil {
			return nil, err
		}
	}
	for _, key := range keys {
		_, err := running.Exec(ctx, fmt.Sprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", key.Table, key.Name))
		var answer *pgconn.PgError
		switch {
		case errors.As(err, &answer) && answer.Code == "23503": // foreign_key_violation
			unchecked = append(unchecked, fmt.Sprintf("%s of %s: %s", key.Name, key.Table, answer.Detail))
		case err != nil:
			return unchecked, err
		}
	}
	return unchecked, nil
}
