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

	"github.com/witchcityrope/database/internal/postgres"
)

// objectClass is a class of objects on which privileges are granted one by one.
type objectClass struct {
	keyword    string   // between ON and the name
	inSchema   bool     // the name is one of a schema
	privileges []string // manual, table 5.2
	// find yields the oid, the owner and the privileges of the object: $1 is its name, $2 its schema.
	find string
	// owners is the letter of acldefault.
	owners string
}

// Kinds of relations: views, partitioned and foreign tables are tables to GRANT (manual, GRANT).
const tableKinds, sequenceKinds = `'r', 'p', 'v', 'm', 'f'`, `'S'`

// relations is how tables, views and sequences are found.
func relations(kinds string) string {
	return `SELECT c.oid, relowner, relacl::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
		WHERE relname = $1 AND nspname = $2 AND relkind IN (` + kinds + `)`
}

// objectClasses by their names in inputs.
var objectClasses = map[string]objectClass{
	"table": {"TABLE", true, []string{"DELETE", "INSERT", "MAINTAIN", "REFERENCES", "SELECT", "TRIGGER", "TRUNCATE", "UPDATE"},
		relations(tableKinds), "r"},
	"sequence": {"SEQUENCE", true, []string{"SELECT", "UPDATE", "USAGE"}, relations(sequenceKinds), "s"},
	"function": {"ROUTINE", true, []string{"EXECUTE"},
		`SELECT p.oid, proowner, proacl::text FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = pronamespace
		WHERE nspname = $2 AND CASE WHEN $1 LIKE '%)' THEN p.oid = to_regprocedure(format('%I.%I', nspname, split_part($1, '(', 1)) || '(' || substr($1, strpos($1, '(') + 1))
			ELSE proname = $1 END`, "f"},
	"type": {"TYPE", true, []string{"USAGE"},
		`SELECT t.oid, typowner, typacl::text FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = typnamespace WHERE typname = $1 AND nspname = $2`, "T"},
	"schema": {"SCHEMA", false, []string{"CREATE", "USAGE"},
		`SELECT oid, nspowner, nspacl::text FROM pg_namespace WHERE nspname = $1 AND $2 = ''`, "n"},
	"database": {"DATABASE", false, []string{"CONNECT", "CREATE", "TEMPORARY"},
		`SELECT oid, datdba, datacl::text FROM pg_database WHERE datname = $1 AND $2 = ''`, "d"},
	"largeObject": {"LARGE OBJECT", false, []string{"SELECT", "UPDATE"},
		`SELECT oid, lomowner, lomacl::text FROM pg_largeobject_metadata WHERE oid = $1::text::oid AND $2 = ''`, "L"},
	"language": {"LANGUAGE", false, []string{"USAGE"},
		`SELECT oid, lanowner, lanacl::text FROM pg_language WHERE lanname = $1 AND $2 = ''`, "l"},
	"tablespace": {"TABLESPACE", false, []string{"CREATE"},
		`SELECT oid, spcowner, spcacl::text FROM pg_tablespace WHERE spcname = $1 AND $2 = ''`, "t"},
	"foreignServer": {"FOREIGN SERVER", false, []string{"USAGE"},
		`SELECT oid, srvowner, srvacl::text FROM pg_foreign_server WHERE srvname = $1 AND $2 = ''`, "S"},
	"foreignDataWrapper": {"FOREIGN DATA WRAPPER", false, []string{"USAGE"},
		`SELECT oid, fdwowner, fdwacl::text FROM pg_foreign_data_wrapper WHERE fdwname = $1 AND $2 = ''`, "F"},
	"parameter": {"PARAMETER", false, []string{"ALTER SYSTEM", "SET"},
		// A parameter is in the catalogue only while something is granted on it.
		`SELECT coalesce(p.oid, 0), 10::oid, p.paracl::text FROM pg_settings AS s LEFT JOIN pg_parameter_acl AS p ON p.parname = lower(s.name)
		WHERE lower(s.name) = lower($1) AND $2 = ''`, "p"},
}

// columnPrivileges are what may be granted on columns of a table.
var columnPrivileges = []string{"INSERT", "REFERENCES", "SELECT", "UPDATE"}

// privilegesOn is what a role has of an object, and of its columns.
type privilegesOn struct {
	granted map[string]bool // by privilege: whether with the right to grant it
	columns map[string]map[string]bool
}

// containers are classes of what other objects are in: a run makes them before it
// grants on them.
var containers = []string{"database", "schema"}

// errNoObject says that there is nothing to grant on, yet or any more.
var errNoObject = errors.New("no such object")

// errNoGrantee says that there is nobody to grant to.
var errNoGrantee = errors.New("no such role")

// errGrantImported refuses the import of a grant of any kind.
var errGrantImported = errors.New("grants are not imported: declare them, and creating them takes over what is there")

// nobody says whether an error is that who was granted to is gone, or the database with all in it.
func nobody(err error) bool { return errors.Is(err, errNoGrantee) || isCode(err, unknownDatabase) }

// faultGrantingEverybody refuses a grant option for everybody.
var faultGrantingEverybody = p.CheckFailure{Property: "grantOption", Reason: "everybody cannot be given the right to grant; name a role"}

// classNames lists classes for people.
func classNames[C any](classes map[string]C) string {
	return strings.Join(slices.Sorted(maps.Keys(classes)), ", ")
}

// classFault refuses a class that there is not.
func classFault[C any](class string, classes map[string]C) p.CheckFailure {
	return p.CheckFailure{Property: "class", Reason: fmt.Sprintf("%q is none of %s; choose one", class, classNames(classes))}
}

// privilegeFaults are the privileges that there are none of on objects of a class.
func privilegeFaults(class string, privileges []string) (failures []p.CheckFailure) {
	known := objectClasses[class].privileges
	for _, privilege := range privileges {
		if !slices.Contains(known, privilege) {
			failures = append(failures, p.CheckFailure{
				Property: "privileges", Reason: fmt.Sprintf("%q is not a privilege on a %s; there are %s", privilege, class, strings.Join(known, ", ")),
			})
		}
	}
	return failures
}

// found reads what the role has of the object.
func (args ObjectGrantArgs) found(ctx context.Context, tx pgx.Tx) (privilegesOn, error) {
	has := privilegesOn{granted: map[string]bool{}, columns: map[string]map[string]bool{}}
	grantee, err := args.grantee(ctx, tx)
	if err != nil {
		return has, err
	}
	class := objectClasses[args.Class]
	rows, err := tx.Query(ctx, class.find, args.Object, valueOf(args.Schema))
	if err != nil {
		return has, fmt.Errorf("%s: %w", args, explain(err))
	}
	type object struct {
		OID, Owner uint32
		ACL        *string
	}
	objects, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (o object, err error) {
		return o, row.Scan(&o.OID, &o.Owner, &o.ACL)
	})
	switch {
	case isCode(err, undefinedObject, undefinedSchema, undefinedFunction):
		return has, errNoObject
	case err != nil:
		return has, fmt.Errorf("%s: %w", args, explain(err))
	case len(objects) == 0:
		return has, errNoObject
	case len(objects) > 1:
		return has, fmt.Errorf("%s: there are %d of this name; say the types of its arguments, as in %s(integer, text)", args, len(objects), args.Object)
	}
	if has.granted, err = exploded(ctx, tx, objects[0].ACL, class.owners, objects[0].Owner, grantee); err != nil || args.Class != "table" {
		return has, err
	}
	columns, err := tx.Query(ctx, `SELECT attname, a.privilege_type, a.is_grantable FROM pg_attribute CROSS JOIN LATERAL aclexplode(attacl) AS a
		WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND a.grantee = $2`, objects[0].OID, grantee)
	if err != nil {
		return has, err
	}
	var column, privilege string
	var grantable bool
	_, err = pgx.ForEachRow(columns, []any{&column, &privilege, &grantable}, func() error {
		if has.columns[column] == nil {
			has.columns[column] = map[string]bool{}
		}
		has.columns[column][privilege] = has.columns[column][privilege] || grantable
		return nil
	})
	return has, err
}

// exploded reads a list of privileges; one that is not there stands for the built-in one.
func exploded(ctx context.Context, tx pgx.Tx, acl *string, letter string, owner, grantee uint32) (map[string]bool, error) {
	rows, err := tx.Query(ctx, `SELECT privilege_type, is_grantable
		FROM aclexplode(coalesce($1::text::aclitem[], acldefault($2::text::"char", $3::oid))) WHERE grantee = $4::oid`,
		acl, letter, owner, grantee)
	if err != nil {
		return nil, err
	}
	granted := map[string]bool{}
	var privilege string
	var grantable bool
	_, err = pgx.ForEachRow(rows, []any{&privilege, &grantable}, func() error {
		granted[privilege] = granted[privilege] || grantable
		return nil
	})
	return granted, err
}

// grantee is the number of the role; 0 is everybody.
func (args ObjectGrantArgs) grantee(ctx context.Context, tx pgx.Tx) (oid uint32, err error) {
	if args.Role == everybody {
		return 0, nil
	}
	err = tx.QueryRow(ctx, "SELECT oid FROM pg_roles WHERE rolname = $1", args.Role).Scan(&oid)
	if errors.Is(err, pgx.ErrNoRows) {
		err = errNoGrantee
	}
	return oid, err
}

// target is the object as SQL.
func (args ObjectGrantArgs) target() string {
	class := objectClasses[args.Class]
	name := postgres.QuoteIdentifier(args.Object)
	switch args.Class {
	case "largeObject":
		name = args.Object
	case "parameter":
		name = quoteSettingName(args.Object)
	case "function":
		function, arguments, typed := strings.Cut(args.Object, "(")
		if name = postgres.QuoteIdentifier(function); typed {
			name += "(" + arguments
		}
	}
	if class.inSchema {
		name = postgres.QuoteIdentifier(valueOf(args.Schema)) + "." + name
	}
	return class.keyword + " " + name
}

func valueOf(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
