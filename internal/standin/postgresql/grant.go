package postgresql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/witchcityrope/database/internal/postgres"
)

// Grant is what one role may do with a database, a schema, or objects of one type in a schema.
type Grant struct{ server *server }

// GrantArgs are the inputs of a Grant.
type GrantArgs struct {
	Database        string   `pulumi:"database"`
	Role            string   `pulumi:"role"`
	ObjectType      string   `pulumi:"objectType"`
	Schema          *string  `pulumi:"schema,optional"`
	Objects         []string `pulumi:"objects,optional"`
	Columns         []string `pulumi:"columns,optional"`
	Privileges      []string `pulumi:"privileges,optional"`
	WithGrantOption *bool    `pulumi:"withGrantOption,optional"`
}

// GrantState is a Grant as it is kept.
type GrantState struct{ GrantArgs }

// Annotate gives the published token.
func (g *Grant) Annotate(a infer.Annotator) { a.SetToken("index/grant", "Grant") }

// Create replaces whatever the role could do with the objects by what it should be able to.
func (g *Grant) Create(ctx context.Context, req infer.CreateRequest[GrantArgs]) (infer.CreateResponse[GrantState], error) {
	response := infer.CreateResponse[GrantState]{ID: req.Inputs.id(), Output: GrantState{GrantArgs: req.Inputs}}
	if req.DryRun {
		return response, nil
	}
	return response, g.apply(ctx, req.Inputs, req.Inputs.Privileges)
}

// Update swaps the privileges in one transaction, so that the role is never without those that stay.
func (g *Grant) Update(
	ctx context.Context, req infer.UpdateRequest[GrantArgs, GrantState],
) (infer.UpdateResponse[GrantState], error) {
	response := infer.UpdateResponse[GrantState]{Output: GrantState{GrantArgs: req.Inputs}}
	if req.DryRun {
		return response, nil
	}
	return response, g.apply(ctx, req.Inputs, req.State.Privileges)
}

func (g *Grant) apply(ctx context.Context, args GrantArgs, before []string) error {
	if err := args.validate(); err != nil {
		return fmt.Errorf("granting to role %s: %w", args.Role, err)
	}
	err := g.server.write(ctx, args.Database, func(tx pgx.Tx) error {
		owners, err := args.owners(ctx, tx)
		if err != nil {
			return err
		}
		return borrow(ctx, tx, owners, func() error {
			if err := args.revoke(ctx, tx, before); err != nil || len(args.Privileges) == 0 {
				return err
			}
			statement := "GRANT " + strings.Join(args.Privileges, ", ") + " ON " + args.target() + " TO " + postgres.QuoteIdentifier(args.Role)
			if value(args.WithGrantOption) {
				statement += " WITH GRANT OPTION"
			}
			_, err := tx.Exec(ctx, statement)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("granting on %s to role %s in database %s: %w", args.target(), args.Role, args.Database, err)
	}
	return nil
}

// validate says what cannot be granted.
func (a GrantArgs) validate() error {
	inSchema := a.ObjectType != "database"
	switch {
	case inSchema && value(a.Schema) == "":
		return fmt.Errorf("schema: needed for the objectType %q", a.ObjectType)
	case len(a.Objects) > 0 && (!inSchema || a.ObjectType == "schema"):
		return fmt.Errorf("objects: not possible with the objectType %q", a.ObjectType)
	case len(a.Columns) > 0:
		return errors.New("columns: not supported by the stand-in; install the published postgresql plugin")
	}
	return validatePrivileges(a.ObjectType, a.Privileges)
}

// target is what the privileges are about, as SQL.
func (a GrantArgs) target() string {
	kind := strings.ToUpper(a.ObjectType)
	switch {
	case a.ObjectType == "database":
		return "DATABASE " + postgres.QuoteIdentifier(a.Database)
	case a.ObjectType == "schema":
		return "SCHEMA " + postgres.QuoteIdentifier(value(a.Schema))
	case len(a.Objects) == 0:
		return "ALL " + kind + "S IN SCHEMA " + postgres.QuoteIdentifier(value(a.Schema))
	default:
		schema := postgres.QuoteIdentifier(value(a.Schema)) + "."
		return kind + " " + quoteAll(a.Objects, func(name string) string { return schema + quoteRoutine(name) })
	}
}

// revoke takes everything away; of objects that are listed only what was granted, which spares grants on columns.
func (a GrantArgs) revoke(ctx context.Context, tx pgx.Tx, before []string) error {
	what := "ALL PRIVILEGES"
	if len(a.Objects) > 0 && len(before) > 0 {
		what = strings.Join(before, ", ")
	}
	_, err := tx.Exec(ctx, "REVOKE "+what+" ON "+a.target()+" FROM "+postgres.QuoteIdentifier(a.Role))
	return err
}

// owners are the roles that may grant on what is in the schema.
func (a GrantArgs) owners(ctx context.Context, tx pgx.Tx) ([]string, error) {
	if a.ObjectType == "database" {
		return nil, nil
	}
	rows, err := tx.Query(ctx, `
		SELECT pg_get_userbyid(nspowner)::text FROM pg_catalog.pg_namespace WHERE nspname = $1
		UNION SELECT pg_get_userbyid(relowner)::text FROM pg_catalog.pg_class
			WHERE relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1) AND $2
		UNION SELECT pg_get_userbyid(proowner)::text FROM pg_catalog.pg_proc
			WHERE pronamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1) AND $2`,
		value(a.Schema), a.ObjectType != "schema")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// Read finds privileges that were given or taken. They are gone with their role, schema or database.
func (g *Grant) Read(
	ctx context.Context, req infer.ReadRequest[GrantArgs, GrantState],
) (infer.ReadResponse[GrantArgs, GrantState], error) {
	args := req.Inputs
	if args.Role == "" {
		return infer.ReadResponse[GrantArgs, GrantState]{}, errNoImport
	}
	there := false
	err := g.server.read(ctx, args.Database, func(tx pgx.Tx) error {
		schema := value(args.Schema)
		if args.ObjectType == "database" {
			schema = ""
		}
		oid, found, err := place(ctx, tx, args.Role, schema)
		if there = found; err != nil || !found {
			return err
		}
		return req.Inputs.observe(ctx, tx, oid)
	})
	if isMissingDatabase(err) || err == nil && !there {
		return infer.ReadResponse[GrantArgs, GrantState]{}, nil
	}
	if err != nil {
		return infer.ReadResponse[GrantArgs, GrantState]{}, fmt.Errorf(
			"reading what role %s may do with %s in database %s: %w", args.Role, args.target(), args.Database, err)
	}
	return infer.ReadResponse[GrantArgs, GrantState]{
		ID: req.Inputs.id(), Inputs: req.Inputs, State: GrantState{GrantArgs: req.Inputs},
	}, nil
}

// aclQueries list, by type of object, what each object is called and what the role may do with it.
var aclQueries = map[string]string{
	"database": `SELECT ''::text, ARRAY (SELECT privilege_type FROM aclexplode(datacl) WHERE grantee = $1)
		FROM pg_catalog.pg_database WHERE datname = current_database() AND $2::text IS NOT NULL`,
	"schema": `SELECT ''::text, ARRAY (SELECT privilege_type FROM aclexplode(nspacl) WHERE grantee = $1)
		FROM pg_catalog.pg_namespace WHERE nspname = $2`,
	"function": `SELECT proname::text, ARRAY (SELECT privilege_type FROM aclexplode(proacl) WHERE grantee = $1)
		FROM pg_catalog.pg_proc JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = pronamespace
		WHERE nspname = $2 ORDER BY proname`,
	"table": `SELECT relname::text, ARRAY (SELECT privilege_type FROM aclexplode(relacl) WHERE grantee = $1)
		FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relnamespace
		WHERE nspname = $2 AND relkind = 'r' ORDER BY relname`,
	"sequence": `SELECT relname::text, ARRAY (SELECT privilege_type FROM aclexplode(relacl) WHERE grantee = $1)
		FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relnamespace
		WHERE nspname = $2 AND relkind = 'S' ORDER BY relname`,
}

// observe takes over the privileges on the first object that has other than the wanted ones.
func (a *GrantArgs) observe(ctx context.Context, tx pgx.Tx, grantee uint32) error {
	kind := a.ObjectType
	if kind == "procedure" || kind == "routine" {
		kind = "function"
	}
	query, ok := aclQueries[kind]
	if !ok {
		return fmt.Errorf("objectType: %q is not supported by the stand-in", a.ObjectType)
	}
	rows, err := tx.Query(ctx, query, grantee, value(a.Schema))
	if err != nil {
		return err
	}
	var object string
	var actual, found []string
	drifted := false
	_, err = pgx.ForEachRow(rows, []any{&object, &actual}, func() error {
		listed := len(a.Objects) == 0 || slices.Contains(a.Objects, object)
		if listed && !drifted && !samePrivileges(a.ObjectType, a.Privileges, actual) {
			drifted, found = true, slices.Sorted(slices.Values(actual))
		}
		return nil
	})
	if drifted {
		a.Privileges = append([]string{}, found...)
	}
	return err
}

// Delete takes the privileges away, if everything that they connect still exists.
func (g *Grant) Delete(ctx context.Context, req infer.DeleteRequest[GrantState]) (infer.DeleteResponse, error) {
	args := req.State.GrantArgs
	err := g.server.write(ctx, args.Database, func(tx pgx.Tx) error {
		schema := value(args.Schema)
		if args.ObjectType == "database" {
			schema = ""
		}
		if _, there, err := place(ctx, tx, args.Role, schema); err != nil || !there {
			return err
		}
		owners, err := args.owners(ctx, tx)
		if err != nil {
			return err
		}
		return borrow(ctx, tx, owners, func() error { return args.revoke(ctx, tx, args.Privileges) })
	})
	if err != nil && !isMissingDatabase(err) {
		return infer.DeleteResponse{}, fmt.Errorf("revoking on %s from role %s in database %s: %w", args.target(), args.Role, args.Database, err)
	}
	return infer.DeleteResponse{}, nil
}

// id is the published provider's.
func (a GrantArgs) id() string {
	parts := []string{a.Role, a.Database}
	if a.ObjectType != "database" {
		parts = append(parts, value(a.Schema))
	}
	parts = append(parts, a.ObjectType)
	return strings.Join(append(parts, slices.Sorted(slices.Values(a.Objects))...), "_")
}
