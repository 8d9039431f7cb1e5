package restore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/pgtools"
	"github.com/witchcityrope/database/internal/postgres"
)

// move is what has to be done around tables that take the place of others.
type move struct {
	present []table      // that are there now
	views   []string     // statements that make views see the new tables
	leaving []foreignKey // of the present tables, and to them
	own     []foreignKey // of the tables in the backup
	keys    []foreignKey // that there are to be afterwards
	major   int
}

type table struct{ Name, Owner string } // quoted

type foreignKey struct{ Table, Name, Definition string } // quoted

func (k foreignKey) drop() string {
	return fmt.Sprintf("ALTER TABLE %s DROP CONSTRAINT %s", k.Table, k.Name)
}

// foreignKeys of tables, and to them.
const foreignKeys = `SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid), conrelid = ANY ($1::regclass[])
	FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 AND (conrelid = ANY ($1::regclass[]) OR confrelid = ANY ($1::regclass[])) ORDER BY 1, 2`

func (t Tables) plan(ctx context.Context, side, running *pgx.Conn) (plan move, err error) {
	for _, session := range []*pgx.Conn{side, running} {
		if _, err := session.Exec(ctx, "SET search_path = ''; SET statement_timeout = 0; SET idle_session_timeout = 0"); err != nil { // names are written in full
			return plan, err
		}
	}
	if err := running.QueryRow(ctx, "SELECT current_setting('server_version_num')::int / 10000").Scan(&plan.major); err != nil {
		return plan, err
	}
	if plan.present, err = presentTables(ctx, running, t.Names); err != nil {
		return plan, err
	}
	names := []string{}
	for _, present := range plan.present {
		names = append(names, present.Name)
	}
	if err := obstacles(ctx, running, names); err != nil {
		return plan, err
	}
	if plan.views, err = viewsOf(ctx, running, names); err != nil {
		return plan, err
	}
	leaving, err := keysOf(ctx, running, names)
	if err != nil {
		return plan, err
	}
	coming, err := keysOf(ctx, side, sanitized(t.Names))
	if err != nil {
		return plan, err
	}
	for _, key := range coming {
		if key.own {
			plan.own = append(plan.own, key.foreignKey)
		}
	}
	for _, key := range leaving {
		plan.leaving = append(plan.leaving, key.foreignKey)
	}
	plan.keys, err = t.keysAfterwards(ctx, running, coming, leaving)
	return plan, err
}

// keysAfterwards are those of the backup's tables, those of other tables to them
// now, and those of other tables in the backup that went with a table that was lost.
func (t Tables) keysAfterwards(ctx context.Context, running *pgx.Conn, coming, leaving []key) (keys []foreignKey, err error) {
	for _, key := range leaving {
		if !key.own {
			keys = append(keys, key.foreignKey)
		}
	}
	for _, key := range coming {
		there := true
		if !key.own {
			err := running.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL AND NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = to_regclass($1) AND quote_ident(conname) = $2)`,
				key.Table, key.Name).Scan(&there)
			if err != nil {
				return nil, err
			}
		}
		if there {
			keys = append(keys, key.foreignKey)
		}
	}
	return keys, nil
}

type key struct {
	foreignKey
	own bool
}

func keysOf(ctx context.Context, session *pgx.Conn, names []string) ([]key, error) {
	rows, err := session.Query(ctx, foreignKeys, names)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (found key, err error) {
		err = row.Scan(&found.Table, &found.Name, &found.Definition, &found.own)
		return found, err
	})
}

func presentTables(ctx context.Context, running *pgx.Conn, names []pgx.Identifier) (present []table, err error) {
	rows, err := running.Query(ctx, "SELECT oid::regclass::text, quote_ident(pg_get_userbyid(relowner)) FROM pg_class WHERE oid IN (SELECT to_regclass(name) FROM unnest($1::text[]) AS name) ORDER BY 1", sanitized(names))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[table])
}

// obstacles are what cannot follow a table to its new place.
func obstacles(ctx context.Context, running *pgx.Conn, names []string) error {
	var found []string
	err := running.QueryRow(ctx, `SELECT coalesce(array_agg(what ORDER BY what), '{}') FROM (
		SELECT format('%s is or has a partition or an heir', unnest(ARRAY[inhrelid, inhparent])::regclass) AS what, unnest(ARRAY[inhrelid, inhparent]) AS of FROM pg_inherits
		UNION ALL SELECT format('materialized view %s is made of %s', c.oid::regclass, refobjid::regclass), refobjid
		FROM pg_depend d JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid JOIN pg_class c ON c.oid = ev_class
		WHERE refclassid = 'pg_class'::regclass AND c.relkind = 'm') AS obstacles WHERE of = ANY ($1::regclass[])`, names).Scan(&found)
	if err == nil && len(found) > 0 {
		err = fmt.Errorf("single tables cannot be restored here: %s. Restore the whole database, or into another stack, and copy the rows from there", strings.Join(slices.Compact(found), "; "))
	}
	return err
}

// viewsOf are statements that define the views of tables as they are: by name.
func viewsOf(ctx context.Context, running *pgx.Conn, names []string) ([]string, error) {
	rows, err := running.Query(ctx, `SELECT DISTINCT format('CREATE OR REPLACE VIEW %s%s AS %s', c.oid::regclass, ' WITH (' || array_to_string(c.reloptions, ', ') || ')', pg_get_viewdef(c.oid))
		FROM pg_depend d JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid JOIN pg_class c ON c.oid = ev_class
		WHERE refclassid = 'pg_class'::regclass AND c.relkind = 'v' AND refobjid = ANY ($1::regclass[])`, names)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func sanitized(names []pgx.Identifier) (texts []string) {
	for _, name := range names {
		texts = append(texts, name.Sanitize())
	}
	return texts
}

// before is done first in the transaction: the present tables go out of the way.
// A kept table is an archive: it has no foreign keys, and none refers to it.
func (m move) before(kept string) (statements []string) {
	statements = []string{"BEGIN", "SET LOCAL lock_timeout = '30s'"}
	for i, present := range m.present {
		if i == 0 {
			statements = append(statements, "SET LOCAL ROLE "+present.Owner, "CREATE SCHEMA "+postgres.QuoteIdentifier(kept), "RESET ROLE")
		}
		statements = append(statements, "LOCK TABLE "+present.Name)
	}
	for _, key := range m.leaving {
		statements = append(statements, key.drop())
	}
	for _, present := range m.present {
		statements = append(statements, fmt.Sprintf("ALTER TABLE %s SET SCHEMA %s", present.Name, postgres.QuoteIdentifier(kept)))
	}
	return statements
}

// after is done last, before the transaction is committed.
func (m move) after() (statements []string) {
	statements = []string{"SET LOCAL lock_timeout = '30s'"}
	for _, key := range m.keys {
		definition := strings.TrimSuffix(key.Definition, " NOT VALID")
		statements = append(statements, fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s %s NOT VALID", key.Table, key.Name, definition))
	}
	return append(append(statements, m.views...), "COMMIT")
}

// carry pipes the tables from the side database into the running one, with
// everything around them, in one transaction. Whatever ends it before its last
// statement, ends it without COMMIT.
func (t Tables) carry(ctx context.Context, plan move) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	dumped, into := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		args := []string{"pg_dump", "--dbname=" + t.Side}
		for _, name := range t.Names {
			args = append(args, "--table="+name.Sanitize())
		}
		err := t.Tools.Run(ctx, pgtools.Command{Args: args, Stdout: into})
		into.CloseWithError(err)
		ended <- err
	}()
	var body io.Reader = dumped
	if plan.major < 17 {
		body = &withoutTransactionTimeout{from: bufio.NewReader(dumped)}
	}
	script := io.MultiReader(strings.NewReader(strings.Join(plan.before(t.Kept), ";\n")+";\n"), body, strings.NewReader(strings.Join(plan.after(), ";\n")+";\n"))
	var said []string
	err := t.Tools.Run(ctx, pgtools.Command{
		Args: []string{"psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-", "--output=/dev/null", "--dbname=" + t.Database}, Stdin: script,
		Stderr: func(line string) { said = append(said, line) },
	})
	cancel(errors.New("psql has ended"))
	dumped.Close()
	if failed := <-ended; err == nil {
		err = failed
	}
	if err != nil && len(said) > 0 {
		return fault(NotRestored, "nothing was changed in database %s: %s", t.Database, strings.Join(said, "\n"))
	}
	return err
}

// withoutTransactionTimeout leaves out the statement by which a pg_dump of 17
// lifts a limit that older servers do not know.
type withoutTransactionTimeout struct {
	from  *bufio.Reader
	line  []byte
	lines int
}

// preamble is how many lines a dump's own settings have at most.
const preamble = 50

func (w *withoutTransactionTimeout) Read(into []byte) (int, error) {
	for len(w.line) == 0 {
		if w.lines >= preamble {
			return w.from.Read(into)
		}
		line, err := w.from.ReadBytes('\n')
		if w.lines++; string(line) == "SET transaction_timeout = 0;\n" {
			w.lines = preamble
			continue
		}
		if w.line = line; err != nil && len(line) == 0 {
			return 0, err
		}
	}
	n := copy(into, w.line)
	w.line = w.line[n:]
	return n, nil
}
