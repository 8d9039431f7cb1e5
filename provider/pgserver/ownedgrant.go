package pgserver

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/witchcityrope/database/internal/postgres"
)

var (
	_ infer.CustomResource[OwnedGrantArgs, OwnedGrantState] = (*OwnedGrant)(nil)
	_ infer.CustomCheck[OwnedGrantArgs]                     = (*OwnedGrant)(nil)
	_ infer.CustomRead[OwnedGrantArgs, OwnedGrantState]     = (*OwnedGrant)(nil)
	_ infer.CustomUpdate[OwnedGrantArgs, OwnedGrantState]   = (*OwnedGrant)(nil)
	_ infer.CustomDelete[OwnedGrantState]                   = (*OwnedGrant)(nil)
)

// OwnedGrant is who may use all functions, or types, that one role owns.
type OwnedGrant struct{ sessions *pool }

// OwnedGrantArgs are the inputs of OwnedGrant.
type OwnedGrantArgs struct {
	Database string              `pulumi:"database" provider:"replaceOnChanges"`
	Owner    string              `pulumi:"owner" provider:"replaceOnChanges"`
	Class    string              `pulumi:"class" provider:"replaceOnChanges"`
	Allowed  map[string][]string `pulumi:"allowed,optional"`
	Denied   map[string][]string `pulumi:"denied,optional"`
	Except   map[string][]string `pulumi:"except,optional"`
	Future   bool                `pulumi:"future,optional"`
}

// OwnedGrantState is the state of OwnedGrant.
type OwnedGrantState struct{ OwnedGrantArgs }

// Annotate describes the resource.
func (r *OwnedGrant) Annotate(a infer.Annotator) {
	a.Describe(&r, "Who may use all functions, or types, that a role owns and that are there: default privileges are about those to come. "+
		"What belongs to an extension is left alone. Deleting it gives everybody back what PostgreSQL gives, if it was taken away for the future too; else it changes nothing.")
}

// Annotate describes the inputs.
func (args *OwnedGrantArgs) Annotate(a infer.Annotator) {
	a.Describe(&args.Database, "Database that the objects are in.")
	a.Describe(&args.Owner, "Who owns them.")
	a.Describe(&args.Class, "function (procedures too), or type.")
	a.Describe(&args.Allowed, "Schemas by role, public for everybody: in these it may.")
	a.Describe(&args.Denied, "Schemas by role: in these it may not.")
	a.Describe(&args.Except, "Objects by role, each as schema.name, of functions with the types of their arguments: grants of their own decide about them.")
	a.Describe(&args.Future, "Everybody may not use what the owner will create either.")
	a.SetDefault(&args.Future, false)
}

// ownedClass is a class of objects that everybody may use, unless told otherwise.
type ownedClass struct {
	privilege, plural string
	letter            string // of acldefault and pg_default_acl
	// list yields oid, schema, target of GRANT, list of privileges: $1 is the owner, $2 are schemas.
	list string
}

// notOfExtension keeps what an extension has made out of a list.
const notOfExtension = ` AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = o.tableoid AND objid = o.oid AND deptype = 'e')`

var ownedClasses = map[string]ownedClass{
	"function": {"EXECUTE", "FUNCTIONS", "f", `SELECT o.oid, nspname::text, format('ROUTINE %I.%I(%s)', nspname, proname, oidvectortypes(proargtypes)), coalesce(proacl, acldefault('f', proowner))
		FROM pg_proc AS o JOIN pg_namespace AS n ON n.oid = pronamespace
		WHERE proowner = (SELECT oid FROM pg_roles WHERE rolname = $1) AND nspname = ANY($2::text[])` + notOfExtension},
	"type": {"USAGE", "TYPES", "T", `SELECT o.oid, nspname::text, format('TYPE %I.%I', nspname, typname), coalesce(typacl, acldefault('T', typowner))
		FROM pg_type AS o JOIN pg_namespace AS n ON n.oid = typnamespace LEFT JOIN pg_class AS c ON c.oid = typrelid
		WHERE typowner = (SELECT oid FROM pg_roles WHERE rolname = $1) AND nspname = ANY($2::text[]) AND typtype <> 'm'
			AND (c.oid IS NULL OR relkind = 'c') AND NOT EXISTS (SELECT FROM pg_type AS e WHERE e.typarray = o.oid)` + notOfExtension},
}

// Check reports all faults of the inputs.
func (*OwnedGrant) Check(ctx context.Context, request infer.CheckRequest) (infer.CheckResponse[OwnedGrantArgs], error) {
	args, failures, err := infer.DefaultCheck[OwnedGrantArgs](ctx, request.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[OwnedGrantArgs]{Inputs: args, Failures: failures}, err
	}
	failures = identifierFaults(map[string]string{"database": args.Database, "owner": args.Owner})
	if _, known := ownedClasses[args.Class]; !known {
		failures = append(failures, p.CheckFailure{Property: "class", Reason: fmt.Sprintf("%q is neither function nor type; choose one", args.Class)})
	}
	for role, schemas := range args.Allowed {
		for _, schema := range schemas {
			if slices.Contains(args.Denied[role], schema) {
				failures = append(failures, p.CheckFailure{Property: "denied", Reason: fmt.Sprintf("role %q is allowed in schema %q, too; take one out", role, schema)})
			}
		}
	}
	return infer.CheckResponse[OwnedGrantArgs]{Inputs: args, Failures: onlyKnown(request.NewInputs, failures)}, nil
}

// Create makes the roles have what they should.
func (r *OwnedGrant) Create(ctx context.Context, request infer.CreateRequest[OwnedGrantArgs]) (infer.CreateResponse[OwnedGrantState], error) {
	return created(request, request.Inputs.id(), OwnedGrantState{request.Inputs}, func() error { return r.apply(ctx, OwnedGrantArgs{}, request.Inputs) })
}

// Update makes the roles have what they should; who is not named any more has what PostgreSQL gives.
func (r *OwnedGrant) Update(ctx context.Context, request infer.UpdateRequest[OwnedGrantArgs, OwnedGrantState]) (infer.UpdateResponse[OwnedGrantState], error) {
	return updated(request, OwnedGrantState{request.Inputs}, func() error { return r.apply(ctx, request.State.OwnedGrantArgs, request.Inputs) })
}

// Read leaves out the schemas in which an object is not as it should be.
func (r *OwnedGrant) Read(ctx context.Context, request infer.ReadRequest[OwnedGrantArgs, OwnedGrantState]) (infer.ReadResponse[OwnedGrantArgs, OwnedGrantState], error) {
	args := request.Inputs
	if args.Owner == "" {
		return infer.ReadResponse[OwnedGrantArgs, OwnedGrantState]{}, errGrantImported
	}
	err := r.sessions.inDatabase(ctx, args.Database, func(tx pgx.Tx) error {
		wrong, err := args.wrong(ctx, tx)
		if err != nil {
			return err
		}
		args.Allowed, args.Denied = cloned(args.Allowed), cloned(args.Denied)
		for _, object := range wrong {
			here := func(schema string) bool { return schema == object.schema }
			for _, list := range []map[string][]string{args.Allowed, args.Denied} {
				if list[object.role] = slices.DeleteFunc(list[object.role], here); len(list[object.role]) == 0 {
					delete(list, object.role)
				}
			}
		}
		if args.Future {
			args.Future, err = args.deniedByDefault(ctx, tx)
		}
		return err
	})
	if isCode(err, unknownDatabase) {
		return infer.ReadResponse[OwnedGrantArgs, OwnedGrantState]{}, nil
	}
	return infer.ReadResponse[OwnedGrantArgs, OwnedGrantState]{ID: request.ID, Inputs: args, State: OwnedGrantState{args}}, err
}

// Delete gives everybody back what was taken away for the future, too.
func (r *OwnedGrant) Delete(ctx context.Context, request infer.DeleteRequest[OwnedGrantState]) (infer.DeleteResponse, error) {
	before := request.State.OwnedGrantArgs
	if !before.Future {
		return infer.DeleteResponse{}, nil
	}
	err := r.apply(ctx, before, OwnedGrantArgs{Database: before.Database, Owner: before.Owner, Class: before.Class})
	if isCode(err, unknownDatabase) {
		err = nil
	}
	return infer.DeleteResponse{}, err
}

func cloned(lists map[string][]string) map[string][]string {
	clone := map[string][]string{}
	for role, schemas := range lists {
		clone[role] = slices.Clone(schemas)
	}
	return clone
}

func (r *OwnedGrant) apply(ctx context.Context, before, args OwnedGrantArgs) error {
	return r.sessions.inDatabase(ctx, args.Database, func(tx pgx.Tx) error {
		there, err := existing(ctx, tx, []string{args.Owner})
		if err != nil || len(there) == 0 {
			return err // nobody owns anything
		}
		wrong, err := args.and(before).wrong(ctx, tx)
		if err != nil {
			return err
		}
		for _, object := range wrong {
			if _, err := tx.Exec(ctx, object.statement(ownedClasses[args.Class].privilege)); err != nil {
				return fmt.Errorf("%s: %w", args, explain(err))
			}
		}
		if before.Future || args.Future {
			if _, err := tx.Exec(ctx, args.byDefault()); err != nil {
				return fmt.Errorf("%s: %w", args, explain(err))
			}
		}
		left, err := args.wrong(ctx, tx)
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("%s: somebody other than the owner has granted it too, and so this is still to be done, as that role: %s",
				args, left[0].statement(ownedClasses[args.Class].privilege))
		}
		return err
	})
}

// and adds what is to be undone: those who were allowed are not any more, and
// everybody may again.
func (args OwnedGrantArgs) and(before OwnedGrantArgs) OwnedGrantArgs {
	allowed, denied := cloned(args.Allowed), cloned(args.Denied)
	add := func(list map[string][]string, role, schema string) {
		if !slices.Contains(allowed[role], schema) && !slices.Contains(denied[role], schema) {
			list[role] = append(list[role], schema)
		}
	}
	for role, schemas := range before.Allowed {
		for _, schema := range schemas {
			if role != everybody {
				add(denied, role, schema)
			}
		}
	}
	for _, schema := range before.Denied[everybody] {
		add(allowed, everybody, schema)
	}
	args.Allowed, args.Denied = allowed, denied
	return args
}

// ownedObject is one that a role may use and should not, or the other way round.
type ownedObject struct {
	role, schema, target string
	may                  bool // and should not
}

func (o ownedObject) statement(privilege string) string {
	who := postgres.QuoteIdentifier(o.role)
	if o.role == everybody {
		who = "PUBLIC"
	}
	if o.may {
		return "REVOKE " + privilege + " ON " + o.target + " FROM " + who
	}
	return "GRANT " + privilege + " ON " + o.target + " TO " + who
}

// wrong are the objects that are not as they should be, and whose they are. Who
// is no role any more may nothing, and needs nothing taken away.
func (args OwnedGrantArgs) wrong(ctx context.Context, tx pgx.Tx) ([]ownedObject, error) {
	class := ownedClasses[args.Class]
	wanted := map[string]map[string]bool{} // by role and schema
	var schemas []string
	for may, lists := range map[bool]map[string][]string{true: args.Allowed, false: args.Denied} {
		for role, of := range lists {
			if wanted[role] == nil {
				wanted[role] = map[string]bool{}
			}
			for _, schema := range of {
				wanted[role][schema] = may
			}
			schemas = append(schemas, of...)
		}
	}
	var wrong []ownedObject
	for _, role := range slices.Sorted(maps.Keys(wanted)) {
		except, err := args.excepted(ctx, tx, role)
		if err != nil {
			return nil, err
		}
		rows, err := tx.Query(ctx, `SELECT oid, schema, target, EXISTS (SELECT FROM aclexplode(acl) AS a
				WHERE a.privilege_type = $3 AND a.grantee = CASE WHEN $4::text = 'public' THEN 0 ELSE (SELECT r.oid FROM pg_roles AS r WHERE rolname = $4::text) END)
			FROM (`+class.list+`) AS objects (oid, schema, target, acl) ORDER BY 2, 3`, args.Owner, schemas, class.privilege, role)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", args, err)
		}
		var oid uint32
		object := ownedObject{role: role}
		if _, err := pgx.ForEachRow(rows, []any{&oid, &object.schema, &object.target, &object.may}, func() error {
			if should, known := wanted[role][object.schema]; known && should != object.may && !slices.Contains(except, oid) {
				wrong = append(wrong, object)
			}
			return nil
		}); err != nil {
			return nil, fmt.Errorf("%s: %w", args, err)
		}
	}
	return wrong, nil
}

// excepted are the numbers of the objects about which other grants decide.
func (args OwnedGrantArgs) excepted(ctx context.Context, tx pgx.Tx, role string) ([]uint32, error) {
	var numbers []uint32
	for _, name := range args.Except[role] {
		schema, object, _ := strings.Cut(name, ".")
		// What cannot be read, such as a type that is not there, must not end the transaction.
		err := pgx.BeginFunc(ctx, tx, func(inner pgx.Tx) error {
			rows, err := inner.Query(ctx, "SELECT oid FROM ("+objectClasses[args.Class].find+") AS found (oid, owner, acl)", object, schema)
			if err != nil {
				return err
			}
			found, err := pgx.CollectRows(rows, pgx.RowTo[uint32])
			numbers = append(numbers, found...)
			return err
		})
		if err != nil && !isCode(err, undefinedObject, undefinedSchema, undefinedFunction) {
			return nil, fmt.Errorf("%s: %w", args, explain(err))
		}
	}
	return numbers, nil
}

// byDefault is the statement about what the owner will create.
func (args OwnedGrantArgs) byDefault() string {
	class, verb, to := ownedClasses[args.Class], "GRANT", "TO"
	if args.Future {
		verb, to = "REVOKE", "FROM"
	}
	return fmt.Sprintf("ALTER DEFAULT PRIVILEGES FOR ROLE %s %s %s ON %s %s PUBLIC", postgres.QuoteIdentifier(args.Owner), verb, class.privilege, class.plural, to)
}

// deniedByDefault says whether everybody has nothing of what the owner will create.
func (args OwnedGrantArgs) deniedByDefault(ctx context.Context, tx pgx.Tx) (denied bool, err error) {
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_default_acl AS d WHERE defaclrole = (SELECT oid FROM pg_roles WHERE rolname = $1) AND defaclnamespace = 0
		AND defaclobjtype = $2::text::"char" AND NOT EXISTS (SELECT FROM aclexplode(defaclacl) AS a WHERE a.grantee = 0))`,
		args.Owner, ownedClasses[args.Class].letter).Scan(&denied)
	return denied, err
}

// String says for messages what the grant is about.
func (args OwnedGrantArgs) String() string {
	return fmt.Sprintf("grants on every %s of %s in database %q", args.Class, args.Owner, args.Database)
}

func (args OwnedGrantArgs) id() string {
	return strings.Join([]string{args.Database, args.Owner, args.Class}, "/")
}
