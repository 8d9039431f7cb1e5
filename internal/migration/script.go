package migration

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Script is a file of SQL, as `dotnet ef migrations script --idempotent` makes it, or by hand.
type Script struct {
	Statements []Statement
	// Migrations that it notes in the history, in its order.
	Migrations []Migration
	// OwnTransactions says that it begins and commits transactions itself.
	OwnTransactions bool
}

// Migration is one that a script notes in the history.
type Migration struct {
	ID      string `json:"id"`
	Product string `json:"product"`
	// Guarded: it is done only where the history does not have it yet.
	Guarded bool `json:"guarded"`
}

var (
	insertion  = regexp.MustCompile(`(?is)\binsert\s+into\s+(?:[\w"]+\.)?"__EFMigrationsHistory"\s*\([^)]*\)\s*values\s*((?:,?\s*\(\s*'[^']*'\s*,\s*'[^']*'\s*\)\s*)+)`)
	row        = regexp.MustCompile(`'([^']*)'\s*,\s*'([^']*)'`)
	guard      = regexp.MustCompile(`(?i)\bif\s+not\s+exists\s*\(\s*select\s+1\s+from\s+(?:[\w"]+\.)?"__EFMigrationsHistory"\s+where\s+"MigrationId"\s*=\s*'([^']*)'`)
	control    = regexp.MustCompile(`(?i)^(begin|start\s+transaction|commit|end|rollback|abort)\b`)
	fromStdin  = regexp.MustCompile(`(?is)^copy\b.*\bfrom\s+stdin\b`)
	standsOnly = regexp.MustCompile(`(?is)^(vacuum\b|(create|drop)\s+database\b|alter\s+system\b|(create\s+(unique\s+)?index|drop\s+index|reindex\b.*?)\s+concurrently\b)`)
)

// Parse reads a script.
func Parse(text string) (*Script, error) {
	text = strings.TrimPrefix(text, "\ufeff") // dotnet writes it
	statements, err := split(text)
	if err != nil {
		return nil, err
	}
	script := &Script{Statements: statements}
	for _, statement := range statements {
		if fromStdin.MatchString(statement.Text) {
			return nil, fmt.Errorf("line %d: COPY … FROM stdin takes its rows from psql: write INSERT instead (pg_dump --inserts)", statement.Line)
		}
		script.OwnTransactions = script.OwnTransactions || control.MatchString(statement.Text)
		for _, inserted := range insertion.FindAllStringSubmatch(statement.Text, -1) {
			for _, values := range row.FindAllStringSubmatch(inserted[1], -1) {
				script.Migrations = append(script.Migrations, Migration{ID: values[1], Product: values[2], Guarded: guards(statement.Text, values[1])})
			}
		}
	}
	return script, nil
}

func guards(text, id string) bool {
	return slices.ContainsFunc(guard.FindAllStringSubmatch(text, -1), func(found []string) bool { return found[1] == id })
}

// atomic says whether the script can be, and has to be, put into a transaction.
func (s *Script) atomic() bool {
	return !s.OwnTransactions && !slices.ContainsFunc(s.Statements, func(statement Statement) bool { return standsOnly.MatchString(statement.Text) })
}
