package pgserver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/witchcityrope/database/internal/postgres"
)

var (
	_ infer.CustomResource[ObjectGrantArgs, ObjectGrantState] = (*ObjectGrant)(nil)
	_ infer.CustomCheck[ObjectGrantArgs]                      = (*ObjectGrant)(nil)
	_ infer.CustomRead[ObjectGrantArgs, ObjectGrantState]     = (*ObjectGrant)(nil)
	_ infer.CustomUpdate[ObjectGrantArgs, ObjectGrantState]   = (*ObjectGrant)(nil)
	_ infer.CustomDelete[ObjectGrantState]                    = (*ObjectGrant)(nil)
)

// everybody is the role that stands for all of them.
const everybody = "public"

// ObjectGrant is what a role may do with one object.
type ObjectGrant struct{ sessions *pool }

// ObjectGrantArgs are the inputs of ObjectGrant.
type ObjectGrantArgs struct {
	Database    string              `pulumi:"database" provider:"replaceOnChanges"`
	Role        string              `pulumi:"role" provider:"replaceOnChanges"`
	Class       string              `pulumi:"class" provider:"replaceOnChanges"`
	Schema      *string             `pulumi:"schema,optional" provider:"replaceOnChanges"`
	Object      string              `pulumi:"object" provider:"replaceOnChanges"`
	Privileges  []string            `pulumi:"privileges,optional"`
	Columns     map[string][]string `pulumi:"columns,optional"`
	GrantOption bool                `pulumi:"grantOption,optional"`
	// GrantableColumns are those of Columns that have the option.
	GrantableColumns []string `pulumi:"grantableColumns,optional"`
}

// ObjectGrantState is the state of ObjectGrant.
type ObjectGrantState struct{ ObjectGrantArgs }

// Annotate describes the resource.
func (r *ObjectGrant) Annotate(a infer.Annotator) {
	a.Describe(&r, "What a role may do with one object: neither less nor more than is said. A change grants what is new and revokes what is not wanted "+
		"any more in one transaction, and leaves the rest alone. An object that is not there yet is granted on by the first update after somebody made it.")
}

// Annotate describes the inputs.
func (args *ObjectGrantArgs) Annotate(a infer.Annotator) {
	a.Describe(&args.Database, "Database that the object is in; of one that is in none, such as a database, any.")
	a.Describe(&args.Role, "Who may; public for everybody.")
	a.Describe(&args.Class, "Class of the object: "+classNames(objectClasses)+". Views are tables, procedures are functions.")
	a.Describe(&args.Schema, "Its schema, if it is in one.")
	a.Describe(&args.Object, "Its name; of a function with the types of its arguments if there are several; of a large object its number.")
	a.Describe(&args.Privileges, "What the role may do with all of it.")
	a.Describe(&args.Columns, "What the role may do with single columns of a table, by column.")
	a.Describe(&args.GrantOption, "Whether it may grant to others what it may do with all of it.")
	a.Describe(&args.GrantableColumns, "Columns of which it may grant to others what it may do with them.")
	a.SetDefault(&args.GrantOption, false)
}

var objectNumber = regexp.MustCompile(`^[1-9][0-9]{0,9}$`)

// Check reports all faults of the inputs.
func (*ObjectGrant) Check(ctx context.Context, request infer.CheckRequest) (infer.CheckResponse[ObjectGrantArgs], error) {
	args, failures, err := infer.DefaultCheck[ObjectGrantArgs](ctx, request.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[ObjectGrantArgs]{Inputs: args, Failures: failures}, err
	}
	fault := func(property, format string, given ...any) {
		failures = append(failures, p.CheckFailure{Property: property, Reason: fmt.Sprintf(format, given...)})
	}
	class, known := objectClasses[args.Class]
	if !known {
		failures = append(failures, classFault(args.Class, objectClasses))
		return infer.CheckResponse[ObjectGrantArgs]{Inputs: args, Failures: onlyKnown(request.NewInputs, failures)}, nil
	}
	failures = append(failures, identifierFaults(map[string]string{"database": args.Database, "role": args.Role})...)
	if class.inSchema != (args.Schema != nil) {
		fault("schema", "a %s is %s; %s", args.Class, map[bool]string{true: "in a schema", false: "in no schema"}[class.inSchema],
			map[bool]string{true: "name it", false: "leave it out"}[class.inSchema])
	}
	if args.Object == "" || args.Class == "largeObject" && !objectNumber.MatchString(args.Object) {
		fault("object", "%q does not name a %s; give its name, or the number of a large object", args.Object, args.Class)
	}
	failures = append(failures, privilegeFaults(args.Class, args.Privileges)...)
	for column, privileges := range args.Columns {
		for _, privilege := range privileges {
			if args.Class != "table" || !slices.Contains(columnPrivileges, privilege) {
				fault("columns", "%q of column %q is not a privilege on columns of a %s; on columns of a table there are %s",
					privilege, column, args.Class, strings.Join(columnPrivileges, ", "))
			}
		}
	}
	for _, column := range args.GrantableColumns {
		if len(args.Columns[column]) == 0 {
			fault("grantableColumns", "the role has nothing of column %q that it could grant; leave it out", column)
		}
	}
	if (args.GrantOption || len(args.GrantableColumns) > 0) && args.Role == everybody {
		failures = append(failures, faultGrantingEverybody)
	}
	return infer.CheckResponse[ObjectGrantArgs]{Inputs: args, Failures: onlyKnown(request.NewInputs, failures)}, nil
}

// Create makes the role have these privileges.
func (r *ObjectGrant) Create(ctx context.Context, request infer.CreateRequest[ObjectGrantArgs]) (infer.CreateResponse[ObjectGrantState], error) {
	return created(request, request.Inputs.id(), ObjectGrantState{request.Inputs}, func() error { return r.apply(ctx, request.Inputs) })
}

// Update makes the role have these privileges; those that stay are not touched.
func (r *ObjectGrant) Update(ctx context.Context, request infer.UpdateRequest[ObjectGrantArgs, ObjectGrantState]) (infer.UpdateResponse[ObjectGrantState], error) {
	return updated(request, ObjectGrantState{request.Inputs}, func() error { return r.apply(ctx, request.Inputs) })
}

// Read finds what the role has. Of an object that is not there, it has all that it
// should; of a schema or database, nothing: the run makes that anew.
func (r *ObjectGrant) Read(ctx context.Context, request infer.ReadRequest[ObjectGrantArgs, ObjectGrantState]) (infer.ReadResponse[ObjectGrantArgs, ObjectGrantState], error) {
	response := infer.ReadResponse[ObjectGrantArgs, ObjectGrantState]{}
	args := request.Inputs
	if args.Object == "" {
		return response, errGrantImported
	}
	response = infer.ReadResponse[ObjectGrantArgs, ObjectGrantState]{ID: request.ID, Inputs: args, State: ObjectGrantState{args}}
	err := r.sessions.inDatabase(ctx, args.Database, func(tx pgx.Tx) error {
		has, err := args.found(ctx, tx)
		if err != nil && (!errors.Is(err, errNoObject) || !slices.Contains(containers, args.Class)) {
			return err
		}
		if statements := args.difference(has); len(statements) > 0 {
			args.observe(has)
			response.Inputs, response.State = args, ObjectGrantState{args}
		}
		return nil
	})
	switch {
	case errors.Is(err, errNoObject):
		return response, nil
	case nobody(err):
		return infer.ReadResponse[ObjectGrantArgs, ObjectGrantState]{}, nil
	}
	return response, err
}

// Delete takes away what was granted, if there still is something and somebody.
func (r *ObjectGrant) Delete(ctx context.Context, request infer.DeleteRequest[ObjectGrantState]) (infer.DeleteResponse, error) {
	args := request.State.ObjectGrantArgs
	args.Privileges, args.Columns, args.GrantOption, args.GrantableColumns = nil, nil, false, nil
	err := r.apply(ctx, args)
	if nobody(err) {
		err = nil
	}
	return infer.DeleteResponse{}, err
}

func (r *ObjectGrant) apply(ctx context.Context, args ObjectGrantArgs) error {
	return r.sessions.inDatabase(ctx, args.Database, func(tx pgx.Tx) error {
		err := args.apply(ctx, tx)
		if errors.Is(err, errNoObject) {
			if len(args.Privileges)+len(args.Columns) > 0 {
				p.GetLogger(ctx).Warningf("%s: there is no such object yet. The next up after it was made grants on it; if its name is wrong, correct it", args)
			}
			return nil
		}
		return err
	})
}

// apply makes the role have what it should, and looks whether it has.
func (args ObjectGrantArgs) apply(ctx context.Context, tx pgx.Tx) error {
	has, err := args.found(ctx, tx)
	if err != nil {
		return err
	}
	for _, statement := range args.difference(has) {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", args, explain(err))
		}
	}
	if has, err = args.found(ctx, tx); err != nil {
		return err
	}
	if left := args.difference(has); len(left) > 0 {
		return fmt.Errorf("%s: somebody other than the owner has granted it too, and so this is still to be done, as that role: %s",
			args, strings.Join(left, "; "))
	}
	return nil
}

// difference are the statements that make what is there what is wanted: first those that grant.
func (args ObjectGrantArgs) difference(has privilegesOn) []string {
	who := postgres.QuoteIdentifier(args.Role)
	if args.Role == everybody {
		who = "PUBLIC"
	}
	suffix := map[bool]string{true: withOption}
	var grants, revokes []string
	change := func(wanted []string, option bool, granted map[string]bool, of string) {
		for _, privilege := range slices.Sorted(slices.Values(wanted)) {
			if grantable, granted := granted[privilege]; !granted || option && !grantable {
				grants = append(grants, fmt.Sprintf("GRANT %s%s ON %s TO %s%s", privilege, of, args.target(), who, suffix[option]))
			} else if grantable && !option {
				revokes = append(revokes, fmt.Sprintf("REVOKE GRANT OPTION FOR %s%s ON %s FROM %s", privilege, of, args.target(), who))
			}
		}
		for _, privilege := range slices.Sorted(maps.Keys(granted)) {
			if !slices.Contains(wanted, privilege) {
				revokes = append(revokes, fmt.Sprintf("REVOKE %s%s ON %s FROM %s", privilege, of, args.target(), who))
			}
		}
	}
	optional := func(column string) bool { return slices.Contains(args.GrantableColumns, column) }
	change(args.Privileges, args.GrantOption, has.granted, "")
	tableRevokes := revokes
	revokes = nil
	for _, column := range slices.Sorted(maps.Keys(merged(args.Columns, has.columns))) {
		change(args.Columns[column], optional(column), has.columns[column], " ("+postgres.QuoteIdentifier(column)+")")
	}
	// Revoking on a table revokes on its columns, too: those are granted afterwards, again.
	if len(tableRevokes) > 0 {
		for _, column := range slices.Sorted(maps.Keys(args.Columns)) {
			for _, privilege := range args.Columns[column] {
				grants = append(grants, fmt.Sprintf("GRANT %s (%s) ON %s TO %s%s", privilege, postgres.QuoteIdentifier(column), args.target(), who, suffix[optional(column)]))
			}
		}
	}
	return slices.Concat(tableRevokes, grants, revokes)
}

func merged(wanted map[string][]string, found map[string]map[string]bool) map[string]bool {
	columns := map[string]bool{}
	for column := range wanted {
		columns[column] = true
	}
	for column := range found {
		columns[column] = true
	}
	return columns
}

// observe takes over what is there.
func (args *ObjectGrantArgs) observe(has privilegesOn) {
	args.Privileges, args.GrantOption = observed(has.granted)
	args.Columns, args.GrantableColumns = nil, nil
	for column, granted := range has.columns {
		if args.Columns == nil {
			args.Columns = map[string][]string{}
		}
		var grantable bool
		if args.Columns[column], grantable = observed(granted); grantable {
			args.GrantableColumns = slices.Sorted(slices.Values(append(args.GrantableColumns, column)))
		}
	}
}

// observed are the privileges of a list, and whether all of them may be granted to
// others; where only some may, these say so themselves.
func observed(granted map[string]bool) (privileges []string, grantable bool) {
	some := slices.Contains(slices.Collect(maps.Values(granted)), true)
	grantable = some && !slices.Contains(slices.Collect(maps.Values(granted)), false)
	for _, privilege := range slices.Sorted(maps.Keys(granted)) {
		if some && !grantable && granted[privilege] {
			privilege += withOption
		}
		privileges = append(privileges, privilege)
	}
	return privileges, grantable
}

// String says for messages what the grant is about.
func (args ObjectGrantArgs) String() string {
	name := args.Object
	if args.Schema != nil {
		name = *args.Schema + "." + name
	}
	return fmt.Sprintf("grant on %s %s to %s in database %q", args.Class, name, args.Role, args.Database)
}

func (args ObjectGrantArgs) id() string {
	return strings.Join([]string{args.Database, args.Role, args.Class, valueOf(args.Schema), args.Object}, "/")
}
