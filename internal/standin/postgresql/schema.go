package postgresql

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/witchcityrope/database/internal/postgres"
)

// Schema is a schema of a database.
type Schema struct{ server *server }

// SchemaArgs are the inputs of a Schema.
type SchemaArgs struct {
	Name        *string `pulumi:"name,optional"`
	Owner       *string `pulumi:"owner,optional"`
	Database    *string `pulumi:"database,optional"`
	IfNotExists *bool   `pulumi:"ifNotExists,optional"`
	DropCascade *bool   `pulumi:"dropCascade,optional"`
}

// SchemaState is a Schema as it is kept.
type SchemaState struct{ SchemaArgs }

// Annotate gives the published token.
func (s *Schema) Annotate(a infer.Annotator) { a.SetToken("index/schema", "Schema") }

// Create creates the schema; one that exists is only given its owner.
func (s *Schema) Create(
	ctx context.Context, req infer.CreateRequest[SchemaArgs],
) (infer.CreateResponse[SchemaState], error) {
	state := SchemaState{SchemaArgs: req.Inputs}
	if state.Name == nil {
		state.Name = &req.Name
	}
	if req.DryRun {
		return infer.CreateResponse[SchemaState]{Output: state}, nil
	}
	database := s.server.database(value(state.Database))
	state.Database = &database
	err := s.server.write(ctx, database, func(tx pgx.Tx) error {
		there, err := exists(ctx, tx, "SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1", *state.Name)
		if err != nil {
			return err
		}
		return borrow(ctx, tx, state.owners(), func() error {
			if there {
				return state.giveTo(ctx, tx)
			}
			statement := "CREATE SCHEMA " + postgres.QuoteIdentifier(*state.Name)
			if value(state.Owner) != "" {
				statement += " AUTHORIZATION " + postgres.QuoteIdentifier(*state.Owner)
			}
			_, err := tx.Exec(ctx, statement)
			return err
		})
	})
	if err != nil {
		return infer.CreateResponse[SchemaState]{}, fmt.Errorf("creating schema %s in database %s: %w", *state.Name, database, err)
	}
	return infer.CreateResponse[SchemaState]{ID: database + "." + *state.Name, Output: state}, nil
}

func (a SchemaArgs) owners() []string {
	if a.Owner == nil {
		return nil
	}
	return []string{*a.Owner}
}

func (a SchemaArgs) giveTo(ctx context.Context, tx pgx.Tx) error {
	if value(a.Owner) == "" {
		return nil
	}
	_, err := tx.Exec(ctx, "ALTER SCHEMA "+postgres.QuoteIdentifier(*a.Name)+" OWNER TO "+postgres.QuoteIdentifier(*a.Owner))
	return err
}

// Update renames the schema or gives it to another owner.
func (s *Schema) Update(
	ctx context.Context, req infer.UpdateRequest[SchemaArgs, SchemaState],
) (infer.UpdateResponse[SchemaState], error) {
	state := SchemaState{SchemaArgs: req.Inputs}
	state.Name, state.Database = pick(req.Inputs.Name, req.State.Name), pick(req.Inputs.Database, req.State.Database)
	if req.DryRun {
		return infer.UpdateResponse[SchemaState]{Output: state}, nil
	}
	before := value(req.State.Name)
	err := s.server.write(ctx, value(state.Database), func(tx pgx.Tx) error {
		return borrow(ctx, tx, append(req.State.owners(), state.owners()...), func() error {
			if before != *state.Name {
				rename := "ALTER SCHEMA " + postgres.QuoteIdentifier(before) + " RENAME TO " + postgres.QuoteIdentifier(*state.Name)
				if _, err := tx.Exec(ctx, rename); err != nil {
					return err
				}
			}
			return state.giveTo(ctx, tx)
		})
	})
	if err != nil {
		return infer.UpdateResponse[SchemaState]{}, fmt.Errorf("changing schema %s: %w", *state.Name, err)
	}
	return infer.UpdateResponse[SchemaState]{Output: state}, nil
}

// Read finds a schema that is gone or has another owner.
func (s *Schema) Read(
	ctx context.Context, req infer.ReadRequest[SchemaArgs, SchemaState],
) (infer.ReadResponse[SchemaArgs, SchemaState], error) {
	imported := req.State.Name == nil
	if err := locate(&req.State.Database, &req.State.Name, req.ID); err != nil {
		return infer.ReadResponse[SchemaArgs, SchemaState]{}, err
	}
	database, name := *req.State.Database, *req.State.Name
	var owner string
	err := s.server.read(ctx, database, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, `SELECT pg_get_userbyid(nspowner)::text FROM pg_catalog.pg_namespace WHERE nspname = $1`, name).
			Scan(&owner)
	})
	if errors.Is(err, pgx.ErrNoRows) || isMissingDatabase(err) {
		return infer.ReadResponse[SchemaArgs, SchemaState]{}, nil
	}
	if err != nil {
		return infer.ReadResponse[SchemaArgs, SchemaState]{}, fmt.Errorf("reading schema %s of database %s: %w", name, database, err)
	}
	if imported {
		req.Inputs.Name, req.Inputs.Database, req.Inputs.Owner = &name, &database, &owner
	}
	drift(&req.Inputs.Owner, owner, owner)
	req.State.SchemaArgs = req.Inputs
	req.State.Name, req.State.Database, req.State.Owner = &name, &database, &owner
	return infer.ReadResponse[SchemaArgs, SchemaState]{ID: database + "." + name, Inputs: req.Inputs, State: req.State}, nil
}

// Delete drops the schema, and what is in it only with dropCascade.
func (s *Schema) Delete(ctx context.Context, req infer.DeleteRequest[SchemaState]) (infer.DeleteResponse, error) {
	name, database := value(req.State.Name), value(req.State.Database)
	err := s.server.write(ctx, database, func(tx pgx.Tx) error {
		return borrow(ctx, tx, req.State.owners(), func() error {
			_, err := tx.Exec(ctx, "DROP SCHEMA IF EXISTS "+postgres.QuoteIdentifier(name)+dropMode(req.State.DropCascade))
			return err
		})
	})
	if err != nil && !isMissingDatabase(err) {
		return infer.DeleteResponse{}, fmt.Errorf("dropping schema %s of database %s: %w", name, database, err)
	}
	return infer.DeleteResponse{}, nil
}

func dropMode(cascade *bool) string {
	if value(cascade) {
		return " CASCADE"
	}
	return " RESTRICT"
}

// locate fills database and name from an id of the form database.name, which is all that an import gives.
func locate(database, name **string, id string) error {
	if *name != nil && *database != nil {
		return nil
	}
	first, second, ok := strings.Cut(id, ".")
	if !ok {
		return fmt.Errorf("the id %q does not have the form database.name", id)
	}
	*database, *name = &first, &second
	return nil
}

// pick returns the first pointer that points to something.
func pick[T any](pointers ...*T) *T {
	for _, pointer := range pointers {
		if pointer != nil {
			return pointer
		}
	}
	return nil
}
