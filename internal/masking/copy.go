package masking

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/postgres"
)

// Table is what was copied of a table.
type Table struct {
	Name string `json:"name"`
	Rows int64  `json:"rows"`
}

// session settings that make both sides write and read values the same way.
const sameText = `SET LOCAL datestyle = 'ISO'; SET LOCAL intervalstyle = 'postgres'; SET LOCAL extra_float_digits = 3; SET LOCAL bytea_output = 'hex';
	SET LOCAL search_path = ''; SET LOCAL row_security = off; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0`

// Copy copies the rows of all tables that columns are of, masked by the source,
// and the state of its sequences, into tables that are there and empty. Each
// table is told before it begins. Both sides are in a transaction of the caller.
func (p *Plan) Copy(ctx context.Context, source, target pgx.Tx, columns []Column, begins func(table string)) ([]Table, error) {
	if faults, _ := p.Check(columns); len(faults) > 0 {
		return nil, faults
	}
	for _, side := range []pgx.Tx{source, target} {
		if _, err := side.Exec(ctx, sameText); err != nil {
			return nil, err
		}
	}
	// The key is this run's, and nobody's: what a hash was cannot be looked up.
	if _, err := source.Exec(ctx, "SELECT set_config($1, $2, true)", keySetting, rand.Text()+rand.Text()); err != nil {
		return nil, err
	}
	var copied []Table
	for _, table := range byTable(columns) {
		begins(table[0].Of())
		rows, err := p.copyTable(ctx, source, target, table, columns)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", table[0].Of(), err)
		}
		copied = append(copied, Table{table[0].Of(), rows})
	}
	return copied, sequences(ctx, source, target)
}

// byTable groups columns, which are in the order of their tables.
func byTable(columns []Column) (tables [][]Column) {
	for _, column := range columns {
		if last := len(tables) - 1; last >= 0 && tables[last][0].Of() == column.Of() {
			tables[last] = append(tables[last], column)
		} else {
			tables = append(tables, []Column{column})
		}
	}
	return tables
}

func (p *Plan) copyTable(ctx context.Context, source, target pgx.Tx, table, all []Column) (int64, error) {
	var names, expressions []string
	for _, column := range table {
		if !column.Generated {
			names = append(names, column.quoted())
			expressions = append(expressions, p.expression(column, all))
		}
	}
	name := postgres.QuoteIdentifier(table[0].Schema) + "." + postgres.QuoteIdentifier(table[0].Table)
	var partitioned bool
	if err := source.QueryRow(ctx, "SELECT relkind = 'p' FROM pg_class WHERE oid = $1::text::regclass", name).Scan(&partitioned); err != nil {
		return 0, err
	}
	from := "ONLY " + name // the rows of what inherits from it are copied by themselves
	if partitioned {
		from = name
	}
	reader, writer := io.Pipe()
	sent, failed := int64(0), make(chan error, 1)
	go func() {
		tag, err := source.Conn().PgConn().CopyTo(ctx, writer, fmt.Sprintf("COPY (SELECT %s FROM %s) TO STDOUT", strings.Join(expressions, ", "), from))
		sent = tag.RowsAffected()
		failed <- err
		writer.CloseWithError(err)
	}()
	tag, err := target.Conn().PgConn().CopyFrom(ctx, reader, fmt.Sprintf("COPY %s (%s) FROM STDIN", name, strings.Join(names, ", ")))
	reader.CloseWithError(errors.New("the target takes no more"))
	if fault := <-failed; fault != nil && err == nil {
		err = fault
	}
	if err == nil && tag.RowsAffected() != sent {
		err = fmt.Errorf("%d rows were sent, %d have come", sent, tag.RowsAffected())
	}
	return sent, err
}

// sequences go on where those of the source do.
func sequences(ctx context.Context, source, target pgx.Tx) error {
	rows, err := source.Query(ctx, `SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(slices.Values(names)) {
		var last int64
		var called bool
		if err := source.QueryRow(ctx, "SELECT last_value, is_called FROM "+name).Scan(&last, &called); err != nil {
			return fmt.Errorf("sequence %s: %w", name, err)
		}
		if _, err := target.Exec(ctx, "SELECT setval($1::text::regclass, $2, $3)", name, last, called); err != nil {
			return fmt.Errorf("sequence %s: %w", name, err)
		}
	}
	return nil
}
