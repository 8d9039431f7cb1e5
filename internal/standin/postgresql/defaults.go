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

// DefaultPrivileges are what one role will be able to do with objects that another one creates.
type DefaultPrivileges struct{ server *server }

// DefaultPrivilegesArgs are the inputs of DefaultPrivileges.
type DefaultPrivilegesArgs struct {
	Database        string   `pulumi:"database"`
	Role            string   `pulumi:"role"`
	Owner           string   `pulumi:"owner"`
	ObjectType      string   `pulumi:"objectType"`
	Schema          *string  `pulumi:"schema,optional"`
	Privileges      []string `pulumi:"privileges,optional"`
	WithGrantOption *bool    `pulumi:"withGrantOption,optional"`
}

// DefaultPrivilegesState are DefaultPrivileges as they are kept.
type DefaultPrivilegesState struct{ DefaultPrivilegesArgs }

// Annotate gives the published token.
func (d *DefaultPrivileges) Annotate(a infer.Annotator) {
	a.SetToken("index/defaultPrivileges", "DefaultPrivileges")
}

// Create replaces whatever the defaults were.
func (d *DefaultPrivileges) Create(
	ctx context.Context, req infer.CreateRequest[DefaultPrivilegesArgs],
) (infer.CreateResponse[DefaultPrivilegesState], error) {
	response := infer.CreateResponse[DefaultPrivilegesState]{
		ID: req.Inputs.id(), Output: DefaultPrivilegesState{DefaultPrivilegesArgs: req.Inputs},
	}
	if req.DryRun {
		return response, nil
	}
	return response, d.apply(ctx, req.Inputs)
}

// Update swaps the defaults in one transaction.
func (d *DefaultPrivileges) Update(
	ctx context.Context, req infer.UpdateRequest[DefaultPrivilegesArgs, DefaultPrivilegesState],
) (infer.UpdateResponse[DefaultPrivilegesState], error) {
	response := infer.UpdateResponse[DefaultPrivilegesState]{Output: DefaultPrivilegesState{DefaultPrivilegesArgs: req.Inputs}}
	if req.DryRun {
		return response, nil
	}
	return response, d.apply(ctx, req.Inputs)
}

func (d *DefaultPrivileges) apply(ctx context.Context, args DefaultPrivilegesArgs) error {
	err := args.validate()
	if err == nil {
		err = d.server.write(ctx, args.Database, func(tx pgx.Tx) error {
			return borrow(ctx, tx, []string{args.Owner}, func() error {
				if err := args.revoke(ctx, tx); err != nil || len(args.Privileges) == 0 {
					return err
				}
				statement := args.alter() + "GRANT " + strings.Join(args.Privileges, ", ") + args.target() + " TO " + postgres.QuoteIdentifier(args.Role)
				if value(args.WithGrantOption) {
					statement += " WITH GRANT OPTION"
				}
				_, err := tx.Exec(ctx, statement)
				return err
			})
		})
	}
	if err != nil {
		return fmt.Errorf("setting default privileges of role %s on what %s creates in database %s: %w",
			args.Role, args.Owner, args.Database, err)
	}
	return nil
}

// validate says what cannot be a default.
func (a DefaultPrivilegesArgs) validate() error {
	switch {
	case a.ObjectType == "schema" && value(a.Schema) != "":
		return errors.New("schema: not possible with the objectType schema: schemas are not in schemas")
	case a.Role == public && value(a.WithGrantOption):
		return errors.New("withGrantOption: not possible with the role public")
	case objectLetters[a.ObjectType] == "":
		return fmt.Errorf("objectType: %q has no default privileges", a.ObjectType)
	}
	return validatePrivileges(a.ObjectType, a.Privileges)
}

func (a DefaultPrivilegesArgs) alter() string {
	statement := "ALTER DEFAULT PRIVILEGES FOR ROLE " + postgres.QuoteIdentifier(a.Owner) + " "
	if value(a.Schema) != "" {
		statement += "IN SCHEMA " + postgres.QuoteIdentifier(*a.Schema) + " "
	}
	return statement
}

func (a DefaultPrivilegesArgs) target() string { return " ON " + strings.ToUpper(a.ObjectType) + "S" }

func (a DefaultPrivilegesArgs) revoke(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, a.alter()+"REVOKE ALL"+a.target()+" FROM "+postgres.QuoteIdentifier(a.Role))
	return err
}

// defaultsQuery lists the default privileges of a role. Where nothing differs from what PostgreSQL has built in, among it
// that everybody may execute functions, the catalogue has no row; the built-in ones are for the whole database only.
const defaultsQuery = `
	SELECT privilege.privilege_type
	FROM pg_catalog.pg_roles AS owner
	CROSS JOIN COALESCE((SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $4), 0) AS namespace (oid)
	LEFT JOIN pg_catalog.pg_default_acl AS defaults ON defaults.defaclrole = owner.oid
		AND defaults.defaclnamespace = namespace.oid AND defaults.defaclobjtype = $2::"char"
	CROSS JOIN LATERAL aclexplode(COALESCE(defaults.defaclacl,
		CASE namespace.oid WHEN 0 THEN acldefault(replace($2, 'S', 's')::"char", owner.oid) END)) AS privilege
	WHERE privilege.grantee = $1 AND owner.rolname = $3
	ORDER BY 1`

// Read finds defaults that were changed; those that were taken away altogether are gone.
func (d *DefaultPrivileges) Read(
	ctx context.Context, req infer.ReadRequest[DefaultPrivilegesArgs, DefaultPrivilegesState],
) (infer.ReadResponse[DefaultPrivilegesArgs, DefaultPrivilegesState], error) {
	args := &req.Inputs
	if args.Role == "" {
		return infer.ReadResponse[DefaultPrivilegesArgs, DefaultPrivilegesState]{}, errNoImport
	}
	there := false
	var actual []string
	err := d.server.read(ctx, args.Database, func(tx pgx.Tx) error {
		oid, found, err := place(ctx, tx, args.Role, value(args.Schema))
		if there = found; err != nil || !found {
			return err
		}
		rows, err := tx.Query(ctx, defaultsQuery, oid, objectLetters[args.ObjectType], args.Owner, value(args.Schema))
		if err != nil {
			return err
		}
		actual, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	gone := !there || len(actual) == 0 && len(args.Privileges) > 0
	if isMissingDatabase(err) || err == nil && gone {
		return infer.ReadResponse[DefaultPrivilegesArgs, DefaultPrivilegesState]{}, nil
	}
	if err != nil {
		return infer.ReadResponse[DefaultPrivilegesArgs, DefaultPrivilegesState]{}, fmt.Errorf(
			"reading default privileges of role %s on what %s creates in database %s: %w", args.Role, args.Owner, args.Database, err)
	}
	if !samePrivileges(args.ObjectType, args.Privileges, actual) {
		args.Privileges = slices.Compact(actual)
	}
	return infer.ReadResponse[DefaultPrivilegesArgs, DefaultPrivilegesState]{
		ID: args.id(), Inputs: *args, State: DefaultPrivilegesState{DefaultPrivilegesArgs: *args},
	}, nil
}

// Delete takes the defaults away, if everything that they connect still exists.
func (d *DefaultPrivileges) Delete(
	ctx context.Context, req infer.DeleteRequest[DefaultPrivilegesState],
) (infer.DeleteResponse, error) {
	args := req.State.DefaultPrivilegesArgs
	err := d.server.write(ctx, args.Database, func(tx pgx.Tx) error {
		for _, role := range []string{args.Role, args.Owner} {
			if _, there, err := place(ctx, tx, role, value(args.Schema)); err != nil || !there {
				return err
			}
		}
		return borrow(ctx, tx, []string{args.Owner}, func() error { return args.revoke(ctx, tx) })
	})
	if err != nil && !isMissingDatabase(err) {
		return infer.DeleteResponse{}, fmt.Errorf("revoking default privileges of role %s on what %s creates in database %s: %w",
			args.Role, args.Owner, args.Database, err)
	}
	return infer.DeleteResponse{}, nil
}

// id is the published provider's.
func (a DefaultPrivilegesArgs) id() string {
	schema := value(a.Schema)
	if schema == "" {
		schema = "noschema"
	}
	return strings.Join([]string{a.Role, a.Database, schema, a.Owner, a.ObjectType}, "_")
}
