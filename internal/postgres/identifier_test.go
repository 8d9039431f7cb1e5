package postgres_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/postgres"
)

func TestQuoteIdentifier(t *testing.T) {
	for name, want := range map[string]string{
		"app":         `"app"`,
		"App User":    `"App User"`,
		`a"b`:         `"a""b"`,
		"select":      `"select"`,
		"":            `""`,
		"a\x00b":      `"ab"`,
		"semi;--x":    `"semi;--x"`,
		"grün":        `"grün"`,
		`"; DROP --"`: `"""; DROP --"""`,
	} {
		assert.Equal(t, want, postgres.QuoteIdentifier(name))
	}
}

func TestQuoteLiteral(t *testing.T) {
	for value, want := range map[string]string{
		"":         `''`,
		"plain":    `'plain'`,
		"it's":     `'it''s'`,
		`back\`:    `E'back\\'`,
		`\'`:       `E'\\'''`,
		"a\x00b":   `'ab'`,
		"line\nb":  "'line\nb'",
		`'; DROP`:  `'''; DROP'`,
		"$$ tag$$": `'$$ tag$$'`,
	} {
		assert.Equal(t, want, postgres.QuoteLiteral(value))
	}
}

func TestValidateIdentifier(t *testing.T) {
	assert.NoError(t, postgres.ValidateIdentifier("witchcityrope_dev"))
	assert.NoError(t, postgres.ValidateIdentifier(strings.Repeat("x", 63)))
	for name, reason := range map[string]string{
		"":                      "empty",
		strings.Repeat("x", 64): "64 bytes",
		strings.Repeat("ü", 32): "64 bytes",
		"a\x00b":                "zero byte",
		"\xff":                  "not valid UTF-8",
	} {
		assert.ErrorContains(t, postgres.ValidateIdentifier(name), reason)
	}
}

// Quoting must be reversible by the rules of the SQL lexer, and nothing may end the quotes early.
func FuzzQuote(f *testing.F) {
	for _, seed := range []string{"", "a", `"`, `'`, `\`, `\'`, `'\''`, `""`, "\x00", "'; --", "é\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		clean := strings.ReplaceAll(value, "\x00", "")

		identifier := postgres.QuoteIdentifier(value)
		inner, ok := unwrap(identifier, `"`, `"`)
		require.True(t, ok, identifier)
		require.NotContains(t, strings.ReplaceAll(inner, `""`, ""), `"`)
		require.Equal(t, clean, strings.ReplaceAll(inner, `""`, `"`))

		literal := postgres.QuoteLiteral(value)
		escaped := strings.HasPrefix(literal, "E")
		inner, ok = unwrap(strings.TrimPrefix(literal, "E"), `'`, `'`)
		require.True(t, ok, literal)
		if escaped {
			require.NotContains(t, strings.ReplaceAll(inner, `\\`, ""), `\`)
			inner = strings.ReplaceAll(inner, `\\`, `\`)
		}
		require.Equal(t, escaped, strings.Contains(clean, `\`))
		require.NotContains(t, strings.ReplaceAll(inner, `''`, ""), `'`)
		require.Equal(t, clean, strings.ReplaceAll(inner, `''`, `'`))
		require.Equal(t, utf8.ValidString(clean), utf8.ValidString(literal))
	})
}

func unwrap(s, prefix, suffix string) (string, bool) {
	s, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(s, suffix)
}
