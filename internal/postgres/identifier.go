package postgres

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxIdentifierLength is how many bytes of a name PostgreSQL keeps. It cuts off the rest with no more
// than a notice, so that two long names can silently become one.
const MaxIdentifierLength = 63

// ValidateIdentifier says why PostgreSQL could not keep name as it is written, or returns nil.
func ValidateIdentifier(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("name is empty: PostgreSQL has no empty names; give one")
	case !utf8.ValidString(name):
		return fmt.Errorf("name %q is not valid UTF-8: write it in UTF-8", name)
	case strings.ContainsRune(name, 0):
		return fmt.Errorf("name %q has a zero byte, which PostgreSQL cannot store: remove it", name)
	case len(name) > MaxIdentifierLength:
		return fmt.Errorf("name %q has %d bytes, and PostgreSQL silently cuts names to %d: shorten it",
			name, len(name), MaxIdentifierLength)
	}
	return nil
}

// QuoteIdentifier writes name as an SQL identifier, always in double quotes, so that it keeps its
// case and may be a reserved word. A zero byte, which no statement can carry, is left out.
func QuoteIdentifier(name string) string {
	return `"` + strings.ReplaceAll(withoutZero(name), `"`, `""`) + `"`
}

// QuoteLiteral writes value as an SQL string constant that means the same whether
// standard_conforming_strings is on or off. A zero byte, which no statement can carry, is left out.
func QuoteLiteral(value string) string {
	quoted := `'` + strings.ReplaceAll(withoutZero(value), `'`, `''`) + `'`
	if !strings.Contains(quoted, `\`) {
		return quoted
	}
	return `E` + strings.ReplaceAll(quoted, `\`, `\\`)
}

func withoutZero(s string) string { return strings.ReplaceAll(s, "\x00", "") }
