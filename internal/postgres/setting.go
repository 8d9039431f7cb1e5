package postgres

import (
	"slices"
	"strings"
)

// listSettings are the settings whose value is a list of names that PostgreSQL quotes one by one. Given
// as one constant, the list would be taken for a single name.
var listSettings = []string{
	"local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries",
	"temp_tablespaces", "unix_socket_directories",
}

// QuoteSetting writes value as the right side of SET name =, for ALTER SYSTEM, ALTER DATABASE or ALTER
// ROLE. A list may be written as in postgresql.conf, its names in double quotes where they need them.
func QuoteSetting(name, value string) string {
	if !slices.Contains(listSettings, strings.ToLower(name)) {
		return QuoteLiteral(value)
	}
	elements := SplitList(value)
	if len(elements) == 0 {
		return QuoteLiteral("")
	}
	for i, element := range elements {
		elements[i] = QuoteLiteral(element)
	}
	return strings.Join(elements, ", ")
}

// SameSetting reports whether two values of the setting name say the same, apart from how a list is
// quoted and spaced.
func SameSetting(name, a, b string) bool {
	return a == b || QuoteSetting(name, a) == QuoteSetting(name, b)
}

// SplitList takes a list apart at its commas. In double quotes a comma is part of a name, and a doubled
// quote stands for one.
func SplitList(value string) []string {
	var elements []string
	var element strings.Builder
	inQuotes, wasQuoted := false, false
	end := func() {
		text := element.String()
		if !wasQuoted {
			text = strings.TrimSpace(text)
		}
		if text != "" || wasQuoted {
			elements = append(elements, text)
		}
		element.Reset()
		wasQuoted = false
	}
	characters := []rune(value)
	for i := 0; i < len(characters); i++ {
		c := characters[i]
		switch {
		case c == '"' && inQuotes && i+1 < len(characters) && characters[i+1] == '"':
			element.WriteRune(c)
			i++
		case c == '"':
			if !inQuotes {
				element.Reset() // the space before the name
			}
			inQuotes, wasQuoted = !inQuotes, true
		case c == ',' && !inQuotes:
			end()
		case wasQuoted && !inQuotes && strings.TrimSpace(string(c)) == "":
			// the space after the name
		default:
			element.WriteRune(c)
		}
	}
	end()
	return elements
}
