// Package report asks a server what goes on in it: who does what, what is in
// the cache, which indexes are used, what is slow, large, blocked or bloated.
package report

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Names of the reports.
var Names = []string{"activity", "cache", "indexes", "slow", "size", "locks", "bloat"}

// Table is a report at one time. The unit of a column is the end of its name:
// _bytes, _seconds, _ms or _percent.
type Table struct {
	Report   string           `json:"report"`
	Database string           `json:"database"`
	Server   string           `json:"server"`
	At       time.Time        `json:"at"`
	Columns  []string         `json:"columns"`
	Rows     []map[string]any `json:"rows"`
}

//go:embed queries
var queries embed.FS

const (
	// limit is how long the server may take for a report.
	limit = 30 * time.Second
	// lockLimit is how long it may wait for a lock: sizes are asked of tables that
	// somebody may hold exclusively.
	lockLimit        = 5 * time.Second
	lockNotAvailable = "55P03"
)

// Run makes a report of the database that the session is in, of so many rows at
// most. It changes nothing.
func Run(ctx context.Context, session *pgx.Conn, name string, rows int) (table Table, err error) {
	text, err := queries.ReadFile("queries/" + name + ".sql")
	if err != nil {
		return Table{}, fmt.Errorf("no report %s; there are %s", name, strings.Join(Names, ", "))
	}
	err = pgx.BeginTxFunc(ctx, session, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		table = Table{Report: name, Rows: []map[string]any{}}
		if _, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL statement_timeout = %d; SET LOCAL lock_timeout = %d", limit.Milliseconds(), lockLimit.Milliseconds())); err != nil {
			return err
		}
		var version int
		if err := tx.QueryRow(ctx, "SELECT current_database()::text, current_setting('server_version'), clock_timestamp(), current_setting('server_version_num')::int / 10000").
			Scan(&table.Database, &table.Server, &table.At, &version); err != nil {
			return err
		}
		query := string(text)
		if name == "slow" {
			found, err := findStatements(ctx, tx)
			if err != nil {
				return err
			}
			version, query = found.minor, strings.ReplaceAll(query, "{schema}", pgx.Identifier{found.schema}.Sanitize())
		}
		return table.read(ctx, tx, forVersion(query, version), rows)
	})
	var refusal *pgconn.PgError
	switch {
	case errors.As(err, &refusal) && refusal.Code == lockNotAvailable:
		return Table{}, fmt.Errorf("report %s: somebody holds a table exclusively, for more than %s; wcrdb report activity and pg_locks show who does: %w", name, lockLimit, err)
	case err != nil:
		return Table{}, fmt.Errorf("report %s: %w", name, err)
	}
	return table, nil
}

func (t *Table) read(ctx context.Context, tx pgx.Tx, query string, limit int) error {
	rows, err := tx.Query(ctx, query, limit)
	if err != nil {
		return err
	}
	for _, field := range rows.FieldDescriptions() {
		t.Columns = append(t.Columns, field.Name)
	}
	if t.Rows, err = pgx.CollectRows(rows, pgx.RowToMap); err == nil && t.Rows == nil {
		t.Rows = []map[string]any{}
	}
	return err
}

// versioned is a line of a query that only some versions understand.
var versioned = regexp.MustCompile(`(?m)^(.*?) -- (from|before) (\d+)\n`)

// forVersion leaves out what a version does not understand.
func forVersion(query string, version int) string {
	return versioned.ReplaceAllStringFunc(query, func(line string) string {
		parts := versioned.FindStringSubmatch(line)
		bound, err := strconv.Atoi(parts[3])
		if err != nil {
			panic(err) // digits
		}
		if (version >= bound) == (parts[2] == "from") {
			return parts[1] + "\n"
		}
		return ""
	})
}
