package pgserver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

var (
	_ infer.CustomResource[TablesGrantArgs, TablesGrantState] = (*TablesGrant)(nil)
	_ infer.CustomCheck[TablesGrantArgs]                      = (*TablesGrant)(nil)
	_ infer.CustomRead[TablesGrantArgs, TablesGrantState]     = (*TablesGrant)(nil)
	_ infer.CustomUpdate[TablesGrantArgs, TablesGrantState]   = (*TablesGrant)(nil)
	_ infer.CustomDelete[TablesGrantState]                    = (*TablesGrant)(nil)
)

// TablesGrant is what a role may do with all tables of a schema but for those named.
type TablesGrant struct{ server dialer }

// TablesGrantArgs are the inputs of TablesGrant.
type TablesGrantArgs struct {
	Database    string   `pulumi:"database" provider:"replaceOnChanges"`
	Role        string   `pulumi:"role" provider:"replaceOnChanges"`
	Schema      string   `pulumi:"schema" provider:"replaceOnChanges"`
	Except      []string `pulumi:"except,optional"`
	Privileges  []string `pulumi:"privileges,optional"`
	GrantOption bool     `pulumi:"grantOption,optional"`
}

// TablesGrantState is the state of TablesGrant.
type TablesGrantState struct{ TablesGrantArgs }

// Annotate describes the resource.
func (r *TablesGrant) Annotate(a infer.Annotator) {
	a.Describe(&r, "What a role may do with all tables of a schema that are there, but for those that grants of their own are about: "+
		"GRANT ON ALL TABLES IN SCHEMA knows no exception. What is as it should be is not touched.")
}

// Annotate describes the inputs.
func (args *TablesGrantArgs) Annotate(a infer.Annotator) {
	a.Describe(&args.Database, "Database that the schema is in.")
	a.Describe(&args.Role, "Who may; public for everybody.")
	a.Describe(&args.Schema, "The schema. Its views are tables, too.")
	a.Describe(&args.Except, "Tables that are left alone, whether they are there or not.")
	a.Describe(&args.Privileges, "What the role may do with each of the others.")
	a.Describe(&args.GrantOption, "Whether it may grant that to others.")
	a.SetDefault(&args.GrantOption, false)
}

// Check reports all faults of the inputs.
func (*TablesGrant) Check(ctx context.Context, request infer.CheckRequest) (infer.CheckResponse[TablesGrantArgs], error) {
	args, failures, err := infer.DefaultCheck[TablesGrantArgs](ctx, request.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[TablesGrantArgs]{Inputs: args, Failures: failures}, err
	}
	failures = append(identifierFaults(map[string]string{"database": args.Database, "role": args.Role, "schema": args.Schema}), privilegeFaults("table", args.Privileges)...)
	if args.GrantOption && args.Role == everybody {
		failures = append(failures, p.CheckFailure{Property: "grantOption", Reason: "everybody cannot be given the right to grant; name a role"})
	}
	return infer.CheckResponse[TablesGrantArgs]{Inputs: args, Failures: onlyKnown(request.NewInputs, failures)}, nil
}

// Create makes the role have these privileges.
func (r *TablesGrant) Create(ctx context.Context, request infer.CreateRequest[TablesGrantArgs]) (infer.CreateResponse[TablesGrantState], error) {
	args := request.Inputs
	return created(request, strings.Join([]string{args.Database, args.Role, "tables", args.Schema}, "/"), TablesGrantState{args}, func() error { return r.apply(ctx, args) })
}

// Update makes the role have these privileges; those that stay are not touched.
func (r *TablesGrant) Update(ctx context.Context, request infer.UpdateRequest[TablesGrantArgs, TablesGrantState]) (infer.UpdateResponse[TablesGrantState], error) {
	return updated(request, TablesGrantState{request.Inputs}, func() error { return r.apply(ctx, request.Inputs) })
}

// Read finds what the role has: of the first table that is not as it should be, if there is one.
func (r *TablesGrant) Read(ctx context.Context, request infer.ReadRequest[TablesGrantArgs, TablesGrantState]) (infer.ReadResponse[TablesGrantArgs, TablesGrantState], error) {
	args := request.Inputs
	if args.Schema == "" {
		return infer.ReadResponse[TablesGrantArgs, TablesGrantState]{}, errGrantImported
	}
	err := r.server.inDatabase(ctx, args.Database, func(tx pgx.Tx) error {
		tables, err := request.Inputs.each(ctx, tx)
		for i := 0; i < len(tables) && err == nil; i++ {
			var has privilegesOn
			if has, err = tables[i].found(ctx, tx); err == nil && len(tables[i].difference(has)) > 0 {
				args.observe(has)
				return nil
			}
		}
		return err
	})
	if nobody(err) {
		return infer.ReadResponse[TablesGrantArgs, TablesGrantState]{}, nil
	}
	return infer.ReadResponse[TablesGrantArgs, TablesGrantState]{ID: request.ID, Inputs: args, State: TablesGrantState{args}}, err
}

// Delete takes away what was granted, if there still is somebody.
func (r *TablesGrant) Delete(ctx context.Context, request infer.DeleteRequest[TablesGrantState]) (infer.DeleteResponse, error) {
	args := request.State.TablesGrantArgs
	args.Privileges, args.GrantOption = nil, false
	err := r.apply(ctx, args)
	if nobody(err) {
		err = nil
	}
	return infer.DeleteResponse{}, err
}

func (r *TablesGrant) apply(ctx context.Context, args TablesGrantArgs) error {
	return r.server.inDatabase(ctx, args.Database, func(tx pgx.Tx) error {
		tables, err := args.each(ctx, tx)
		if err != nil {
			return err
		}
		for _, table := range tables {
			if err := table.apply(ctx, tx); err != nil && !errors.Is(err, errNoObject) { // dropped meanwhile
				return err
			}
		}
		return nil
	})
}

// each is the same said of every table by itself, but for what the role owns.
func (args TablesGrantArgs) each(ctx context.Context, tx pgx.Tx) ([]ObjectGrantArgs, error) {
	rows, err := tx.Query(ctx, `SELECT relname::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
		WHERE nspname = $1 AND relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT relname = ANY(coalesce($2::text[], '{}')) AND pg_get_userbyid(relowner) <> $3 ORDER BY 1`,
		args.Schema, args.Except, args.Role)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (ObjectGrantArgs, error) {
		table := ObjectGrantArgs{
			Database: args.Database, Role: args.Role, Class: "table", Schema: &args.Schema,
			Privileges: args.Privileges, GrantOption: args.GrantOption,
		}
		return table, row.Scan(&table.Object)
	})
}

// observe takes over what the role has of one table, with what it has of columns as GRANT writes it.
func (args *TablesGrantArgs) observe(has privilegesOn) {
	var one ObjectGrantArgs
	one.observe(has)
	args.Privileges, args.GrantOption = one.Privileges, one.GrantOption
	for _, column := range slices.Sorted(maps.Keys(one.Columns)) {
		for _, privilege := range one.Columns[column] {
			args.Privileges = append(args.Privileges, fmt.Sprintf("%s (%s)", privilege, column))
		}
	}
}
