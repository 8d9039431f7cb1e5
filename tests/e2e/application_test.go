package e2e

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// migration is a state of the application's schema at one time.
type migration struct {
	file string
	// beside is a file of more tables that the first step makes.
	beside string
	// tables after each of the two steps.
	tables [2]int
	// moved are tables that the later step moves to schema public.
	moved []string
}

// The schema as it was when the design was written comes first; the database
// is emptied in between, by who owns the tables.
var migrations = []migration{
	{"wcr-schema-auth.sql", "", [2]int{9, 9}, []string{`public."Users"`, `public."Roles"`, `public."UserTokens"`}},
	{"wcr-schema.sql", "wcr-schema-rest.sql", [2]int{41, 42}, []string{`public."ContentPages"`, `public."ContentRevisions"`}},
}

// steps are what a migration's two deployments run.
func (m migration) steps(t testing.TB) []string {
	t.Helper()
	both := steps(t, m.file)
	if m.beside != "" {
		more, err := os.ReadFile("testdata/schema/" + m.beside)
		require.NoError(t, err)
		both[0] += "\n" + string(more)
	}
	return both
}

// provesApplication loads the application's tables in two deployments, and
// lets its logins use them after each. The tables stay.
func provesApplication(p *project) {
	var logins map[string]connection
	p.step("logins", func(t *testing.T) { logins = p.connections() })
	for i, migration := range migrations {
		p.step(migration.file, func(t *testing.T) {
			migrator := p.session(t, logins["migrator"])
			for step, statements := range migration.steps(t) {
				migrate(t, migrator, statements)
				made := tables(t, migrator)
				require.Len(t, made, migration.tables[step], "%v", made)
				app := p.session(t, logins["app"])
				readsAndWrites(t, app, made)
				onlyReads(t, p.session(t, logins["readonly"]), made)
				readsAll(t, p.session(t, logins["backup"]), made)
				monitor := p.session(t, logins["monitor"])
				for _, table := range made {
					assert.Equal(t, insufficientPrivilege, code(attempt(t, monitor, "SELECT FROM "+table)), "monitor reads %s", table)
				}
			}
			assert.Subset(t, tables(t, migrator), migration.moved)
			if i < len(migrations)-1 {
				for _, table := range tables(t, migrator) {
					_, err := migrator.Exec(t.Context(), "DROP TABLE "+table+" CASCADE")
					require.NoError(t, err)
				}
			}
		})
	}
}

// readsAndWrites proves that a login can use every table: with rows in it,
// where that can be, for real.
func readsAndWrites(t *testing.T, session *pgx.Conn, tables []string) {
	t.Helper()
	tx, err := session.Begin(t.Context())
	require.NoError(t, err)
	fill(t, tx, tables)
	for _, table := range tables {
		for _, privilege := range []string{"SELECT", "INSERT", "UPDATE", "DELETE"} {
			assert.True(t, ask[bool](t, session, "SELECT has_table_privilege($1::text, $2::text)", table, privilege), "%s on %s", privilege, table)
		}
		column := ask[string](t, session, "SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum = 1", table)
		assert.Positive(t, ask[int](t, session, "SELECT count(*) FROM "+table), "rows of %s", table)
		updated, err := tx.Exec(t.Context(), fmt.Sprintf("UPDATE %s SET %s = %[2]s", table, column))
		require.NoError(t, err, table)
		assert.Positive(t, updated.RowsAffected(), "rows of %s", table)
	}
	for range tables { // those that others refer to go last
		tables = deleteRows(t, tx, tables)
	}
	assert.Empty(t, tables, "tables whose rows cannot be deleted")
	require.NoError(t, tx.Rollback(t.Context()))
}

func deleteRows(t *testing.T, tx pgx.Tx, tables []string) (left []string) {
	t.Helper()
	for _, table := range tables {
		if err := inSavepoint(t, tx, "DELETE FROM "+table); err != nil {
			require.Equal(t, "23503", code(err), "%s: %v", table, err) // referred to
			left = append(left, table)
		}
	}
	return left
}

// fill inserts a row into every table.
func fill(t *testing.T, tx pgx.Tx, tables []string) {
	t.Helper()
	var refused error
	for len(tables) > 0 {
		var left []string
		for _, table := range tables {
			if err := inSavepoint(t, tx, insertion(t, tx, table)); err != nil {
				require.NotEqual(t, insufficientPrivilege, code(err), "%s: %v", table, err)
				left, refused = append(left, table), err
			}
		}
		require.Less(t, len(left), len(tables), "no row can be inserted into %v: %v", left, refused)
		tables = left
	}
}

func inSavepoint(t *testing.T, tx pgx.Tx, statement string) error {
	t.Helper()
	return pgx.BeginFunc(t.Context(), tx, func(inner pgx.Tx) error {
		_, err := inner.Exec(t.Context(), statement)
		return err
	})
}

// Some value for each type, and for columns that the application checks.
var someValue = map[string]string{
	`"ActionType"`: "'Created'",
	"uuid":         "gen_random_uuid()", "text": "'abc'", "varchar": "'abc'", "int4": "1", "int8": "1", "int2": "1", "numeric": "1", "bool": "false",
	"timestamptz": "now()", "date": "current_date", "jsonb": "'{}'",
}

// insertion makes a statement that inserts one row: a value for every column
// that demands one, and an existing row's key for every foreign key.
func insertion(t *testing.T, tx pgx.Tx, table string) string {
	t.Helper()
	rows, err := tx.Query(t.Context(), `
		SELECT quote_ident(a.attname), t.typname, CASE WHEN r.attname IS NULL THEN '' ELSE format('(SELECT %I FROM %s LIMIT 1)', r.attname, f.confrelid::regclass) END
		FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
		LEFT JOIN pg_constraint f ON f.conrelid = a.attrelid AND f.contype = 'f' AND f.conkey = ARRAY[a.attnum]
		LEFT JOIN pg_attribute r ON r.attrelid = f.confrelid AND r.attnum = f.confkey[1]
		WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped
			AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''`, table)
	require.NoError(t, err)
	var columns, values []string
	var column, kind, reference string
	_, err = pgx.ForEachRow(rows, []any{&column, &kind, &reference}, func() error {
		value := cmp.Or(reference, someValue[column], someValue[kind])
		if value == "" {
			return fmt.Errorf("no value for a column of type %s", kind)
		}
		columns, values = append(columns, column), append(values, value)
		return nil
	})
	require.NoError(t, err)
	if len(columns) == 0 {
		return "INSERT INTO " + table + " DEFAULT VALUES"
	}
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", table, strings.Join(columns, ", "), strings.Join(values, ", "))
}

// readsAll proves that a login reads every table, and writes none.
func readsAll(t *testing.T, session *pgx.Conn, tables []string) {
	t.Helper()
	for _, table := range tables {
		assert.NoError(t, attempt(t, session, "SELECT * FROM "+table))
		assert.Equal(t, insufficientPrivilege, code(attempt(t, session, "DELETE FROM "+table)), table)
	}
}

// onlyReads proves that a login reads every table and can do nothing else to it.
func onlyReads(t *testing.T, session *pgx.Conn, tables []string) {
	t.Helper()
	readsAll(t, session, tables)
	for _, table := range tables {
		column := ask[string](t, session, "SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum = 1", table)
		for _, statement := range []string{
			"INSERT INTO " + table + " SELECT * FROM " + table, fmt.Sprintf("UPDATE %s SET %s = %[2]s", table, column),
			"TRUNCATE " + table, "ALTER TABLE " + table + " ADD COLUMN x int", "DROP TABLE " + table,
		} {
			assert.Equal(t, insufficientPrivilege, code(attempt(t, session, statement)), statement)
		}
	}
}

// writers are how many sessions of the application are busy where there is load.
const writers = 2

// makeTable makes a table as a migration does.
func (p *project) makeTable(t *testing.T) {
	t.Helper()
	p.as(t, "migrator", func(session *pgx.Conn) {
		migrate(t, session, "CREATE TABLE load (writer text, number bigint, PRIMARY KEY (writer, number))")
	})
}
