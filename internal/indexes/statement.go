package indexes

import (
	"strings"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/postgres"
)

// create writes the statement that builds a declared index on a table.
func create(index config.Index, name, table string, concurrently bool) string {
	var text strings.Builder
	text.WriteString("CREATE ")
	if index.Unique {
		text.WriteString("UNIQUE ")
	}
	text.WriteString("INDEX ")
	if concurrently {
		text.WriteString("CONCURRENTLY ")
	}
	text.WriteString(postgres.QuoteIdentifier(name) + " ON " + table + " USING " + index.Method + " (")
	for i, column := range index.Columns {
		if i > 0 {
			text.WriteString(", ")
		}
		text.WriteString(columnOf(column))
	}
	text.WriteString(")")
	if len(index.Include) > 0 {
		var names []string
		for _, name := range index.Include {
			names = append(names, postgres.QuoteIdentifier(name))
		}
		text.WriteString(" INCLUDE (" + strings.Join(names, ", ") + ")")
	}
	if index.Where != "" {
		text.WriteString(" WHERE (" + index.Where + ")")
	}
	return text.String()
}

func columnOf(column config.IndexColumn) string {
	text := "(" + column.Expression + ")"
	if column.Name != "" {
		text = postgres.QuoteIdentifier(column.Name)
	}
	if column.Collation != "" {
		text += " COLLATE " + qualified(column.Collation)
	}
	if column.OperatorClass != "" {
		text += " " + qualified(column.OperatorClass)
	}
	if column.Descending {
		text += " DESC"
	}
	if column.Nulls != "" {
		text += " NULLS " + strings.ToUpper(column.Nulls)
	}
	return text
}

// qualified quotes a name that may be preceded by that of a schema.
func qualified(name string) string {
	schema, rest, is := strings.Cut(name, ".")
	if !is {
		return postgres.QuoteIdentifier(name)
	}
	return postgres.QuoteIdentifier(schema) + "." + postgres.QuoteIdentifier(rest)
}
