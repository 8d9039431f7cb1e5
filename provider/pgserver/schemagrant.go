package pgserver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/pulumi/pulumi-go-provider/infer"
)

var (
	_ infer.CustomResource[SchemaGrantArgs, SchemaGrantState] = (*SchemaGrant)(nil)
	_ infer.CustomCheck[SchemaGrantArgs]                      = (*SchemaGrant)(nil)
	_ infer.CustomRead[SchemaGrantArgs, SchemaGrantState]     = (*SchemaGrant)(nil)
	_ infer.CustomUpdate[SchemaGrantArgs, SchemaGrantState]   = (*SchemaGrant)(nil)
	_ infer.CustomDelete[SchemaGrantState]                    = (*SchemaGrant)(nil)
)

// SchemaGrant is what a role may do with all objects of a class in a schema.
type SchemaGrant struct{ sessions *pool }

// SchemaGrantArgs are the inputs of SchemaGrant.
type SchemaGrantArgs struct {
	Database    string   `pulumi:"database" provider:"replaceOnChanges"`
	Role        string   `pulumi:"role" provider:"replaceOnChanges"`
	Class       string   `pulumi:"class" provider:"replaceOnChanges"`
	Schema      string   `pulumi:"schema" provider:"replaceOnChanges"`
	Except      []string `pulumi:"except,optional"`
	Privileges  []string `pulumi:"privileges,optional"`
	GrantOption bool     `pulumi:"grantOption,optional"`
}

// SchemaGrantState is the state of SchemaGrant.
type SchemaGrantState struct{ SchemaGrantArgs }

// inSchema lists the names of what a schema has of a class, but for what belongs to extensions, whose
// scripts say who may use it: $1 is the schema, $2 whose own objects are left out. Functions are what
// ALL FUNCTIONS IN SCHEMA means (manual, GRANT): no procedures.
var inSchema = map[string]string{
	"table":    relationsIn(tableKinds),
	"sequence": relationsIn(sequenceKinds),
	"function": `SELECT proname || '(' || oidvectortypes(proargtypes) || ')' FROM pg_proc AS o JOIN pg_namespace AS n ON n.oid = pronamespace
		WHERE nspname = $1 AND prokind <> 'p' AND pg_get_userbyid(proowner) <> $2` + notOfExtension + ` ORDER BY 1`,
}

func relationsIn(kinds string) string {
	return `SELECT relname::text FROM pg_class AS o JOIN pg_namespace AS n ON n.oid = relnamespace
		WHERE nspname = $1 AND relkind IN (` + kinds + `) AND pg_get_userbyid(relowner) <> $2` + notOfExtension + ` ORDER BY 1`
}

// Annotate describes the resource.
func (r *SchemaGrant) Annotate(a infer.Annotator) {
	a.Describe(&r, "What a role may do with all objects of a class in a schema that are there, but for those that grants of their own are about, and those of extensions: "+
		"GRANT ON ALL TABLES IN SCHEMA knows no exception. What is as it should be is not touched.")
}

// Annotate describes the inputs.
func (args *SchemaGrantArgs) Annotate(a infer.Annotator) {
	a.Describe(&args.Database, "Database that the schema is in.")
	a.Describe(&args.Role, "Who may; public for everybody.")
	a.Describe(&args.Class, "Class of the objects: "+classNames(inSchema)+". Views are tables, too.")
	a.Describe(&args.Schema, "The schema.")
	a.Describe(&args.Except, "Objects that are left alone, whether they are there or not.")
	a.Describe(&args.Privileges, "What the role may do with each of the others.")
	a.Describe(&args.GrantOption, "Whether it may grant that to others.")
	a.SetDefault(&args.GrantOption, false)
}

// Check reports all faults of the inputs.
func (*SchemaGrant) Check(ctx context.Context, request infer.CheckRequest) (infer.CheckResponse[SchemaGrantArgs], error) {
	args, failures, err := infer.DefaultCheck[SchemaGrantArgs](ctx, request.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[SchemaGrantArgs]{Inputs: args, Failures: failures}, err
	}
	failures = identifierFaults(map[string]string{"database": args.Database, "role": args.Role, "schema": args.Schema})
	if _, known := inSchema[args.Class]; known {
		failures = append(failures, privilegeFaults(args.Class, args.Privileges)...)
	} else {
		failures = append(failures, classFault(args.Class, inSchema))
	}
	if args.GrantOption && args.Role == everybody {
		failures = append(failures, faultGrantingEverybody)
	}
	return infer.CheckResponse[SchemaGrantArgs]{Inputs: args, Failures: onlyKnown(request.NewInputs, failures)}, nil
}

// Create makes the role have these privileges.
func (r *SchemaGrant) Create(ctx context.Context, request infer.CreateRequest[SchemaGrantArgs]) (infer.CreateResponse[SchemaGrantState], error) {
	args := request.Inputs
	id := strings.Join([]string{args.Database, args.Role, args.Class, args.Schema}, "/")
	return created(request, id, SchemaGrantState{args}, func() error { return r.apply(ctx, args) })
}

// Update makes the role have these privileges; those that stay are not touched.
func (r *SchemaGrant) Update(ctx context.Context, request infer.UpdateRequest[SchemaGrantArgs, SchemaGrantState]) (infer.UpdateResponse[SchemaGrantState], error) {
	return updated(request, SchemaGrantState{request.Inputs}, func() error { return r.apply(ctx, request.Inputs) })
}

// Read finds what the role has: of all objects, and of those that are not like the others. The inputs
// may be what an earlier Read has found.
func (r *SchemaGrant) Read(ctx context.Context, request infer.ReadRequest[SchemaGrantArgs, SchemaGrantState]) (infer.ReadResponse[SchemaGrantArgs, SchemaGrantState], error) {
	args := request.Inputs
	if args.Schema == "" {
		return infer.ReadResponse[SchemaGrantArgs, SchemaGrantState]{}, errGrantImported
	}
	err := r.sessions.inDatabase(ctx, args.Database, func(tx pgx.Tx) error {
		objects, err := args.each(ctx, tx)
		if err != nil {
			return err
		}
		differs, found := false, map[string][]string{}
		for _, object := range objects {
			has, err := object.found(ctx, tx)
			if errors.Is(err, errNoObject) { // dropped meanwhile
				continue
			}
			if err != nil {
				return err
			}
			differs = differs || len(object.difference(has)) > 0
			found[object.Object] = observedOn(has)
		}
		if differs {
			args.observe(found)
		}
		return nil
	})
	if nobody(err) {
		return infer.ReadResponse[SchemaGrantArgs, SchemaGrantState]{}, nil
	}
	return infer.ReadResponse[SchemaGrantArgs, SchemaGrantState]{ID: request.ID, Inputs: args, State: SchemaGrantState{args}}, err
}

// Delete takes away what was granted, if there still is somebody.
func (r *SchemaGrant) Delete(ctx context.Context, request infer.DeleteRequest[SchemaGrantState]) (infer.DeleteResponse, error) {
	args := request.State.SchemaGrantArgs
	args.Privileges, args.GrantOption = nil, false
	err := r.apply(ctx, args)
	if nobody(err) {
		err = nil
	}
	return infer.DeleteResponse{}, err
}

func (r *SchemaGrant) apply(ctx context.Context, args SchemaGrantArgs) error {
	return r.sessions.inDatabase(ctx, args.Database, func(tx pgx.Tx) error {
		objects, err := args.each(ctx, tx)
		if err != nil {
			return err
		}
		for _, object := range objects {
			if err := object.apply(ctx, tx); err != nil && !errors.Is(err, errNoObject) { // dropped meanwhile
				return err
			}
		}
		return nil
	})
}

// each is the same said of every object by itself, but for what the role owns.
func (args SchemaGrantArgs) each(ctx context.Context, tx pgx.Tx) ([]ObjectGrantArgs, error) {
	rows, err := tx.Query(ctx, inSchema[args.Class], args.Schema, args.Role)
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	var objects []ObjectGrantArgs
	for _, name := range names {
		if !slices.Contains(args.Except, name) {
			objects = append(objects, ObjectGrantArgs{
				Database: args.Database, Role: args.Role, Class: args.Class, Schema: &args.Schema, Object: name,
				Privileges: args.Privileges, GrantOption: args.GrantOption,
			})
		}
	}
	return objects, nil
}

// observedOn is what the role has of one object and of its columns, as GRANT writes it.
func observedOn(has privilegesOn) (privileges []string) {
	var one ObjectGrantArgs
	one.observe(has)
	for _, privilege := range one.Privileges {
		if one.GrantOption {
			privilege += withOption
		}
		privileges = append(privileges, privilege)
	}
	for _, column := range slices.Sorted(maps.Keys(one.Columns)) {
		for _, privilege := range one.Columns[column] {
			privileges = append(privileges, fmt.Sprintf("%s (%s)", privilege, column))
		}
	}
	return privileges
}

const withOption = " WITH GRANT OPTION"

// observe takes over what the role has of all objects, and of which others it has what: that is never
// what can be declared.
func (args *SchemaGrantArgs) observe(found map[string][]string) {
	on := map[string][]string{} // objects by privilege
	for _, object := range slices.Sorted(maps.Keys(found)) {
		for _, privilege := range found[object] {
			on[privilege] = append(on[privilege], object)
		}
	}
	args.Privileges, args.GrantOption = []string{}, len(on) > 0
	for _, privilege := range slices.Sorted(maps.Keys(on)) {
		everywhere := len(on[privilege]) == len(found)
		args.GrantOption = args.GrantOption && everywhere && strings.HasSuffix(privilege, withOption)
		if !everywhere {
			privilege += " ON " + strings.Join(on[privilege], ", ")
		}
		args.Privileges = append(args.Privileges, privilege)
	}
	if args.GrantOption {
		for i, privilege := range args.Privileges {
			args.Privileges[i] = strings.TrimSuffix(privilege, withOption)
		}
	}
}
