// Package maskingtest fills databases with texts that must not come through a masked copy.
package maskingtest

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/masking"
)

// Canary is in every text of a source, and must not be in what is copied.
const Canary = "wCrCaNaRy7"

// Count counts the canaries in a text, in whatever case: as they are, and in
// hexadecimal, as COPY and pg_dump write bytes.
func Count(text string) int {
	text = strings.ToLower(text)
	return strings.Count(text, strings.ToLower(Canary)) + strings.Count(text, hex.EncodeToString([]byte(Canary))) +
		strings.Count(text, hex.EncodeToString([]byte(strings.ToLower(Canary))))
}

// Fill puts rows into every table, with a canary in each text that may have any.
// Rows of the same number refer to each other.
func Fill(t testing.TB, session *pgx.Conn, columns []masking.Column, rows int) {
	t.Helper()
	tx, err := session.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "SET LOCAL session_replication_role = replica")
	require.NoError(t, err)
	for _, table := range tables(columns) {
		var names, values []string
		for _, column := range table {
			if value := sample(column); value != "" {
				names, values = append(names, pgx.Identifier{column.Name}.Sanitize()), append(values, value)
			}
		}
		_, err := tx.Exec(t.Context(), fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM generate_series(1, %d) AS i",
			name(table[0]), strings.Join(names, ", "), strings.Join(values, ", "), rows))
		require.NoError(t, err, "%v", table[0])
	}
	require.NoError(t, tx.Commit(t.Context()))
}

// sample is a value for row i of a table; empty for none.
func sample(column masking.Column) string {
	switch {
	case column.Name == "ActionType":
		return "'Created'" // the only texts that are checked
	case column.Name == "Slug":
		return "lower('" + Canary + "-') || i"
	case column.Kind == masking.Text:
		return fmt.Sprintf("'%s' || substr(md5('%s' || i), 1, 8)", Canary, column.Name)
	case column.Kind == masking.JSON:
		return fmt.Sprintf(`jsonb_build_object('%s', '%[1]s')`, Canary)
	case column.Kind == masking.Bytes:
		return fmt.Sprintf("convert_to('%s' || i, 'UTF8')", Canary)
	case column.Type == "uuid":
		return "md5(i::text)::uuid"
	case column.Name == "Id" || column.Name == "ContentPageId":
		return "i"
	case !column.NotNull:
		return ""
	case strings.HasPrefix(column.Type, "timestamp"):
		return "now()"
	case column.Type == "boolean":
		return "false"
	default:
		return "1"
	}
}

// Columns lists the columns of a database.
func Columns(t testing.TB, session *pgx.Conn) []masking.Column {
	t.Helper()
	var columns []masking.Column
	require.NoError(t, pgx.BeginFunc(t.Context(), session, func(tx pgx.Tx) (err error) {
		columns, err = masking.Columns(t.Context(), tx)
		return err
	}))
	return columns
}

// Contents are all tables of a database, as text.
func Contents(t testing.TB, session *pgx.Conn, columns []masking.Column) string {
	t.Helper()
	var text bytes.Buffer
	for _, table := range tables(columns) {
		_, err := session.PgConn().CopyTo(t.Context(), &text, fmt.Sprintf("COPY (SELECT * FROM %s) TO STDOUT", name(table[0])))
		require.NoError(t, err)
	}
	return text.String()
}

// tables groups columns, which are in the order of their tables.
func tables(columns []masking.Column) (found [][]masking.Column) {
	for _, column := range columns {
		if last := len(found) - 1; last >= 0 && found[last][0].Of() == column.Of() {
			found[last] = append(found[last], column)
		} else {
			found = append(found, []masking.Column{column})
		}
	}
	return found
}

// name is a column's table, quoted.
func name(column masking.Column) string {
	return pgx.Identifier{column.Schema, column.Table}.Sanitize()
}
