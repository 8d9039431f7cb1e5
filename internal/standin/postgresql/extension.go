package postgresql

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/witchcityrope/database/internal/postgres"
)

// Extension is an extension of a database.
type Extension struct{ server *server }

// ExtensionArgs are the inputs of an Extension.
type ExtensionArgs struct {
	Name          *string `pulumi:"name,optional"`
	Schema        *string `pulumi:"schema,optional"`
	Database      *string `pulumi:"database,optional"`
	Version       *string `pulumi:"version,optional"`
	CreateCascade *bool   `pulumi:"createCascade,optional"`
	DropCascade   *bool   `pulumi:"dropCascade,optional"`
}

// ExtensionState is an Extension as it is kept.
type ExtensionState struct{ ExtensionArgs }

// Annotate gives the published token.
func (e *Extension) Annotate(a infer.Annotator) { a.SetToken("index/extension", "Extension") }

// Create installs the extension unless it is there.
func (e *Extension) Create(
	ctx context.Context, req infer.CreateRequest[ExtensionArgs],
) (infer.CreateResponse[ExtensionState], error) {
	state := ExtensionState{ExtensionArgs: req.Inputs}
	if state.Name == nil {
		state.Name = &req.Name
	}
	if req.DryRun {
		return infer.CreateResponse[ExtensionState]{Output: state}, nil
	}
	database := e.server.database(value(state.Database))
	state.Database = &database
	err := e.server.write(ctx, database, func(tx pgx.Tx) error {
		statement := "CREATE EXTENSION IF NOT EXISTS " + postgres.QuoteIdentifier(*state.Name)
		if value(state.Schema) != "" {
			statement += " SCHEMA " + postgres.QuoteIdentifier(*state.Schema)
		}
		if value(state.Version) != "" {
			statement += " VERSION " + postgres.QuoteIdentifier(*state.Version)
		}
		if value(state.CreateCascade) {
			statement += " CASCADE"
		}
		if _, err := tx.Exec(ctx, statement); err != nil {
			return err
		}
		return state.observe(ctx, tx)
	})
	if err != nil {
		return infer.CreateResponse[ExtensionState]{}, fmt.Errorf(
			"creating extension %s in database %s: %w", *state.Name, database, err)
	}
	return infer.CreateResponse[ExtensionState]{ID: database + "." + *state.Name, Output: state}, nil
}

// observe fills in schema and version as they really are. With no such extension the error is pgx.ErrNoRows.
func (s *ExtensionState) observe(ctx context.Context, tx pgx.Tx) error {
	return tx.QueryRow(ctx, `
		SELECT namespace.nspname, extension.extversion
		FROM pg_catalog.pg_extension AS extension JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = extension.extnamespace
		WHERE extension.extname = $1`, *s.Name).Scan(&s.Schema, &s.Version)
}

// Update moves the extension to another schema or another version.
func (e *Extension) Update(
	ctx context.Context, req infer.UpdateRequest[ExtensionArgs, ExtensionState],
) (infer.UpdateResponse[ExtensionState], error) {
	state := ExtensionState{ExtensionArgs: req.Inputs}
	state.Name, state.Database = pick(req.Inputs.Name, req.State.Name), pick(req.Inputs.Database, req.State.Database)
	if req.DryRun {
		state.Schema, state.Version = pick(req.Inputs.Schema, req.State.Schema), pick(req.Inputs.Version, req.State.Version)
		return infer.UpdateResponse[ExtensionState]{Output: state}, nil
	}
	extension := "ALTER EXTENSION " + postgres.QuoteIdentifier(*state.Name)
	err := e.server.write(ctx, value(state.Database), func(tx pgx.Tx) error {
		if schema := value(state.Schema); schema != "" && schema != value(req.State.Schema) {
			if _, err := tx.Exec(ctx, extension+" SET SCHEMA "+postgres.QuoteIdentifier(schema)); err != nil {
				return err
			}
		}
		if version := value(state.Version); version != "" && version != value(req.State.Version) {
			if _, err := tx.Exec(ctx, extension+" UPDATE TO "+postgres.QuoteIdentifier(version)); err != nil {
				return err
			}
		}
		return state.observe(ctx, tx)
	})
	if err != nil {
		return infer.UpdateResponse[ExtensionState]{}, fmt.Errorf("changing extension %s: %w", *state.Name, err)
	}
	return infer.UpdateResponse[ExtensionState]{Output: state}, nil
}

// Read finds an extension that is gone, was moved, or was updated.
func (e *Extension) Read(
	ctx context.Context, req infer.ReadRequest[ExtensionArgs, ExtensionState],
) (infer.ReadResponse[ExtensionArgs, ExtensionState], error) {
	imported := req.State.Name == nil
	if err := locate(&req.State.Database, &req.State.Name, req.ID); err != nil {
		return infer.ReadResponse[ExtensionArgs, ExtensionState]{}, err
	}
	name, database := req.State.Name, req.State.Database
	err := e.server.read(ctx, *database, func(tx pgx.Tx) error { return req.State.observe(ctx, tx) })
	if errors.Is(err, pgx.ErrNoRows) || isMissingDatabase(err) {
		return infer.ReadResponse[ExtensionArgs, ExtensionState]{}, nil
	}
	if err != nil {
		return infer.ReadResponse[ExtensionArgs, ExtensionState]{}, fmt.Errorf(
			"reading extension %s of database %s: %w", *name, *database, err)
	}
	if imported {
		req.Inputs.Name, req.Inputs.Database = name, database
	}
	drift(&req.Inputs.Schema, *req.State.Schema, *req.State.Schema)
	drift(&req.Inputs.Version, *req.State.Version, *req.State.Version)
	return infer.ReadResponse[ExtensionArgs, ExtensionState]{
		ID: *database + "." + *name, Inputs: req.Inputs, State: req.State,
	}, nil
}

// Delete drops the extension, and what needs it only with dropCascade.
func (e *Extension) Delete(ctx context.Context, req infer.DeleteRequest[ExtensionState]) (infer.DeleteResponse, error) {
	name, database := value(req.State.Name), value(req.State.Database)
	err := e.server.write(ctx, database, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "DROP EXTENSION IF EXISTS "+postgres.QuoteIdentifier(name)+dropMode(req.State.DropCascade))
		return err
	})
	if err != nil && !isMissingDatabase(err) {
		return infer.DeleteResponse{}, fmt.Errorf("dropping extension %s of database %s: %w", name, database, err)
	}
	return infer.DeleteResponse{}, nil
}

// isMissingDatabase tells whether an error says that the database does not exist, and with it all that was in it.
func isMissingDatabase(err error) bool {
	const invalidCatalogName = "3D000"
	var server *pgconn.PgError
	return errors.As(err, &server) && server.Code == invalidCatalogName
}
