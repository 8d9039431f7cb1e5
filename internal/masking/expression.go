package masking

import (
	"fmt"
	"strings"

	"github.com/witchcityrope/database/internal/postgres"
)

// keySetting holds the key of the hashes while a session copies.
const keySetting = "wcrdb.masking_key"

// Words that names are made of.
var (
	firstWords  = []string{"Amber", "Birch", "Cedar", "Dawn", "Ember", "Fern", "Gale", "Hazel", "Iris", "Juniper", "Kestrel", "Linden", "Maple", "Nova", "Olive", "Pine"}
	secondWords = []string{"Ash", "Brook", "Cliff", "Dale", "Elm", "Field", "Grove", "Hill", "Isle", "Lake", "Moor", "North", "Oak", "Pond", "Reed", "Stone"}
)

// expression is what the source selects instead of a column.
func (p *Plan) expression(column Column, columns []Column) string {
	rule, _ := p.Rule(column)
	name := column.quoted()
	switch rule.Action {
	case Null:
		return "NULL"
	case Constant:
		return fmt.Sprintf("CASE WHEN %s IS NOT NULL THEN %s::%s END", name, postgres.QuoteLiteral(rule.Value), column.Type)
	case Hash:
		return hash(column)
	case Name:
		return fmt.Sprintf("%s || ' ' || %s || ' ' || left(encode(%s, 'hex'), 14)", word(column, firstWords, 30), word(column, secondWords, 31), digest(column))
	case Email:
		return fmt.Sprintf("'user-' || left(encode(%s, 'hex'), 20) || '@example.com'", digest(column))
	case UpperOf:
		for _, other := range columns {
			if other.Of() == column.Of() && other.Name == rule.Value {
				return fmt.Sprintf("upper((%s)::text)", p.expression(other, columns))
			}
		}
	}
	var kept []string
	if len(rule.Values) > 0 {
		values := make([]string, len(rule.Values))
		for i, value := range rule.Values {
			values[i] = postgres.QuoteLiteral(value)
		}
		kept = append(kept, fmt.Sprintf("%s::text IN (%s)", name, strings.Join(values, ", ")))
	}
	if rule.Matching != "" {
		kept = append(kept, fmt.Sprintf("%s::text ~ %s", name, postgres.QuoteLiteral(rule.Matching)))
	}
	if kept == nil {
		return name
	}
	return fmt.Sprintf("CASE WHEN %s THEN %s::text ELSE %s END", strings.Join(kept, " OR "), name, hash(column))
}

// digest hashes a column's text together with the run's key.
func digest(column Column) string {
	return fmt.Sprintf("sha256(convert_to(current_setting('%s') || %s::text, 'UTF8'))", keySetting, column.quoted())
}

func hash(column Column) string {
	if column.Kind == Bytes {
		return fmt.Sprintf("sha256(convert_to(current_setting('%s'), 'UTF8') || %s)", keySetting, column.quoted())
	}
	if column.Length > 0 && column.Length < 64 {
		return fmt.Sprintf("left(encode(%s, 'hex'), %d)", digest(column), column.Length)
	}
	return fmt.Sprintf("encode(%s, 'hex')", digest(column))
}

// word picks one of 16 by a byte of the digest that no digits are shown of.
func word(column Column, words []string, at int) string {
	return fmt.Sprintf("(ARRAY['%s'])[1 + get_byte(%s, %d) %% %d]", strings.Join(words, "','"), digest(column), at, len(words))
}
