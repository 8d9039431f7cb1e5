package postgresql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

const (
	// public is the name by which the published provider means everybody.
	public = "public"
	all    = "ALL"
)

// errNoImport is what the published provider does with privileges: their ids do not tell what they are.
var errNoImport = errors.New("privileges cannot be imported: declare them, and creating them takes over what is there")

// privileges are those that each type of object has.
var privileges = map[string][]string{
	"schema":   {"CREATE", "USAGE"},
	"table":    {"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"},
	"sequence": {"USAGE", "SELECT", "UPDATE"},
	"function": {"EXECUTE"},
	"routine":  {"EXECUTE"},
	"type":     {"USAGE"},
}

// objectLetters are the letters by which the catalogue tells types of objects apart.
var objectLetters = map[string]string{
	"table": "r", "sequence": "S", "function": "f", "routine": "f", "type": "T", "schema": "n",
}

// validatePrivileges says which privilege an object of the type cannot have.
func validatePrivileges(objectType string, wanted []string) error {
	known, ok := privileges[objectType]
	if !ok {
		return fmt.Errorf("objectType: %q is not supported by the stand-in", objectType)
	}
	for _, privilege := range wanted {
		if privilege != all && !slices.Contains(known, privilege) {
			return fmt.Errorf("privileges: a %s cannot have %q; possible are ALL, %s", objectType, privilege, strings.Join(known, ", "))
		}
	}
	return nil
}

// samePrivileges compares without order; ALL stands for every privilege of the type.
func samePrivileges(objectType string, wanted, actual []string) bool {
	if slices.Contains(wanted, all) {
		wanted = privileges[objectType]
	}
	sorted := func(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }
	return slices.Equal(sorted(wanted), sorted(actual))
}

// grantee returns the role's number, which for everybody is 0. Privileges of nobody do not exist.
func grantee(ctx context.Context, tx pgx.Tx, role string) (oid uint32, there bool, err error) {
	if role == public {
		return 0, true, nil
	}
	rows, err := tx.Query(ctx, "SELECT oid FROM pg_catalog.pg_roles WHERE rolname = $1", role)
	if err != nil {
		return 0, false, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[uint32])
	if err != nil || len(found) == 0 {
		return 0, false, err
	}
	return found[0], true, nil
}

// place tells whether the role, and the schema if one is given, are there to have privileges.
func place(ctx context.Context, tx pgx.Tx, role, schema string) (oid uint32, there bool, err error) {
	oid, there, err = grantee(ctx, tx, role)
	if err != nil || !there || schema == "" {
		return oid, there, err
	}
	there, err = exists(ctx, tx, "SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1", schema)
	return oid, there, err
}
