package indexes

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/postgres"
)

//go:embed found.sql
var foundQuery string

// read finds what there is, in a superuser's session.
func read(ctx context.Context, session *pgx.Conn, wanted []Wanted) (found Found, err error) {
	var schemas, tables, names []string
	for _, one := range wanted {
		schemas, tables, names = append(schemas, one.Schemas...), append(tables, one.Table), append(names, one.Name)
	}
	rows, _ := session.Query(ctx, `SELECT nspname, relname, pg_get_userbyid(relowner), relkind = 'p' FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
		WHERE relkind IN ('r', 'p', 'm') AND nspname = ANY ($1) AND relname = ANY ($2)`, schemas, tables)
	if found.Tables, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Relation]); err != nil {
		return found, fmt.Errorf("tables: %w", err)
	}
	if found.Indexes, err = readIndexes(ctx, session, schemas, tables); err != nil {
		return found, err
	}
	rows, _ = session.Query(ctx, `SELECT n.nspname, c.relname, pg_get_userbyid(c.relowner), false FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			LEFT JOIN pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_class t ON t.oid = i.indrelid
		WHERE n.nspname = ANY ($1) AND c.relname = ANY ($2) AND NOT coalesce(t.relname = ANY ($3), false)`, schemas, names, tables)
	if found.Names, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Relation]); err != nil {
		return found, fmt.Errorf("names of indexes: %w", err)
	}
	return found, nil
}

func readIndexes(ctx context.Context, session *pgx.Conn, schemas, tables []string) ([]Index, error) {
	rows, _ := session.Query(ctx, foundQuery, schemas, tables)
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (index Index, err error) {
		var keys []byte
		err = row.Scan(&index.Schema, &index.Table, &index.Name, &index.Method, &index.Unique, &index.NullsNotDistinct, &keys, &index.Include,
			&index.Where, &index.Valid, &index.Builder)
		return index, errors.Join(err, json.Unmarshal(keys, &index.Keys))
	})
	if err != nil {
		return nil, fmt.Errorf("indexes: %w", err)
	}
	return found, nil
}

// shadow is the table that a declared index is tried on.
const shadow = "wcrdb_shadow_of_a_table"

// define asks the server what the declared indexes would be: it makes each on an
// empty table of the same columns, which nobody else ever sees, and reads it.
func define(ctx context.Context, session *pgx.Conn, declared []config.Index, wanted []Wanted, found Found) error {
	for i := range wanted {
		tables := found.tables(wanted[i])
		if len(tables) != 1 || tables[0].Partitioned {
			continue
		}
		wanted[i].Statement = create(declared[i], declared[i].Name, tables[0].String(), true)
		tx, err := session.Begin(ctx)
		if err != nil {
			return err
		}
		failure := try(ctx, tx, declared[i], tables[0], &wanted[i])
		if err := tx.Rollback(context.WithoutCancel(ctx)); err != nil {
			return errors.Join(failure, err)
		}
		var refusal *pgconn.PgError
		switch {
		case failure == nil:
		case errors.As(failure, &refusal) && refusal.Code == lockNotAvailable:
			wanted[i].Fault = fmt.Sprintf("somebody has kept %s locked for %s: try again later", tables[0], lockLimit)
		case errors.As(failure, &refusal):
			wanted[i].Fault = fmt.Sprintf("PostgreSQL would not build it: %s (%s)", refusal.Message, refusal.Code)
		default:
			return failure
		}
	}
	return nil
}

func try(ctx context.Context, tx pgx.Tx, declared config.Index, table Relation, wanted *Wanted) error {
	place := postgres.QuoteIdentifier(table.Schema) + "." + postgres.QuoteIdentifier(shadow)
	for _, statement := range []string{
		"SET LOCAL lock_timeout = '" + lockLimit + "'",
		"SET LOCAL ROLE " + postgres.QuoteIdentifier(table.Owner),
		"CREATE UNLOGGED TABLE " + place + " (LIKE " + table.String() + ")",
		create(declared, shadow+"_index", place, false),
		"RESET ROLE",
	} {
		if err := one(ctx, tx.Conn(), statement); err != nil {
			return err
		}
	}
	indexes, err := readIndexes(ctx, tx.Conn(), []string{table.Schema}, []string{shadow})
	if err != nil {
		return err
	}
	if len(indexes) != 1 {
		return fmt.Errorf("the definition of index %s: found %d instead of one", declared.Name, len(indexes))
	}
	wanted.Definition = indexes[0].Definition
	return nil
}

// one runs a single statement: what a stack file says cannot end it and begin another.
func one(ctx context.Context, session *pgx.Conn, statement string) error {
	_, err := session.PgConn().ExecParams(ctx, statement, nil, nil, nil, nil).Close()
	return err
}
