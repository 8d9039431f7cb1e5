// Package staging makes a database beside another one that has the tables of a
// third, empty, and what the other one surrounds its tables with: schemas,
// extensions, and who may do what.
package staging

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/witchcityrope/database/internal/migration"
	"github.com/witchcityrope/database/internal/pgtools"
)

// Tools are PostgreSQL's programs, with a place for files of their own.
type Tools interface {
	pgtools.Runner
	Put(ctx context.Context, name string, content io.Reader) error
	Path(name string) string
}

// Definition is how the tables of a database are defined.
type Definition struct {
	// Before is what has to be there before the rows, and After what is made when they are.
	Before, After *migration.Script
}

// Names of the files beside the programs.
const (
	archive = "definition.dump"
	list    = "definition.list"
)

// Define reads the definition of a database's objects as they are in a snapshot:
// without owners and privileges, extensions, and the schemas that the caller makes.
func Define(ctx context.Context, tools Tools, database, snapshot string, schemas []string) (*Definition, error) {
	if _, err := output(ctx, tools, "pg_dump", "--format=custom", "--schema-only", "--snapshot="+snapshot, "--file="+tools.Path(archive), "--dbname="+database); err != nil {
		return nil, err
	}
	contents, err := output(ctx, tools, "pg_restore", "--list", tools.Path(archive))
	if err != nil {
		return nil, err
	}
	if err := tools.Put(ctx, list, strings.NewReader(wanted(contents, schemas))); err != nil {
		return nil, err
	}
	definition := &Definition{}
	for section, into := range map[string]**migration.Script{"pre-data": &definition.Before, "post-data": &definition.After} {
		text, err := output(ctx, tools, "pg_restore", "--section="+section, "--use-list="+tools.Path(list), "--no-owner", "--no-privileges", "--no-publications",
			"--no-subscriptions", "--no-security-labels", "--no-tablespaces", "--file=-", tools.Path(archive))
		if err != nil {
			return nil, err
		}
		if *into, err = script(text); err != nil {
			return nil, fmt.Errorf("definition of database %s, %s: %w", database, section, err)
		}
	}
	return definition, nil
}

func output(ctx context.Context, tools Tools, args ...string) (string, error) {
	var said bytes.Buffer
	if err := tools.Run(ctx, pgtools.Command{Args: args, Stdout: &said}); err != nil {
		return "", err
	}
	return said.String(), nil
}

// ofDatabase are entries of an archive about the database itself, or about what
// its stack declares.
var ofDatabase = []string{"DATABASE ", "EXTENSION - ", "COMMENT - EXTENSION ", "COMMENT - DATABASE ", "ACL ", "DEFAULT ACL ", "EVENT TRIGGER "}

var entry = regexp.MustCompile(`^\d+; \d+ \d+ (.*)$`)

// wanted takes entries out of an archive's list.
func wanted(contents string, schemas []string) string {
	var kept strings.Builder
	for line := range strings.Lines(contents) {
		about := entry.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if about == nil {
			continue // a comment
		}
		unwanted := slices.ContainsFunc(ofDatabase, func(prefix string) bool { return strings.HasPrefix(about[1], prefix) }) ||
			slices.ContainsFunc(schemas, func(schema string) bool {
				return strings.HasPrefix(about[1]+" ", "SCHEMA - "+schema+" ") || strings.HasPrefix(about[1]+" ", "COMMENT - SCHEMA "+schema+" ")
			})
		if !unwanted {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// restriction is a line that pg_restore writes for psql.
var restriction = regexp.MustCompile(`(?m)^\\(un)?restrict \w+$`)

// script reads what pg_restore writes. It is for this server, whose defaults
// hold: newer programs set what older servers do not know.
func script(text string) (*migration.Script, error) {
	parsed, err := migration.Parse(restriction.ReplaceAllString(text, ""))
	if err != nil {
		return nil, err
	}
	parsed.Statements = slices.DeleteFunc(parsed.Statements, func(statement migration.Statement) bool {
		return statement.Text == "SET transaction_timeout = 0"
	})
	return parsed, nil
}
