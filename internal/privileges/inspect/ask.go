package inspect

import (
	"context"
	"fmt"

	"github.com/witchcityrope/database/internal/privileges"
)

// Answer is what the server says of one cell.
type Answer struct {
	Object privileges.Object // its class and names only
	Role   string
	Verb   privileges.Privilege
	May    bool
}

// question has the server judge every role, object and verb itself. PUBLIC owns
// nothing and is no member; before 16, who is a member may SET ROLE; before 18,
// there is no function to ask about large objects with.
const question = `
SELECT class, schema, name, column_name, role, verb, CASE
	WHEN verb = 'OWN' THEN role <> 'public' AND pg_has_role(nullif(role, 'public'), owner, 'USAGE')
	WHEN class = 'database' THEN has_database_privilege(role, oid, verb)
	WHEN class = 'schema' THEN has_schema_privilege(role, oid, verb)
	WHEN class = 'table' THEN has_table_privilege(role, oid, verb)
	WHEN class = 'column' THEN has_column_privilege(role, oid, column_name, verb)
	WHEN class = 'sequence' THEN has_sequence_privilege(role, oid, verb)
	WHEN class = 'function' THEN has_function_privilege(role, oid, verb)
	WHEN class = 'type' THEN has_type_privilege(role, oid, verb)
	%s
END
FROM (%s%s) AS objects CROSS JOIN unnest($1::text[]) AS role JOIN unnest($2::text[], $3::text[]) AS verbs (of, verb) ON of = class
WHERE class <> 'largeObject' OR verb = 'OWN' OR %t
ORDER BY class, schema, name, column_name, role, verb`

// bare are columns that nothing is granted on, though that is declared: the
// list of objects leaves those out.
const bare = `
UNION ALL
SELECT 'column', c.oid, nspname, relname, attname, relowner, attacl, NULL
FROM unnest($4::text[], $5::text[], $6::text[]) AS declared (schema, name, of) JOIN pg_namespace n ON nspname = schema
JOIN pg_class c ON c.relnamespace = n.oid AND relname = name JOIN pg_attribute ON attrelid = c.oid AND attname = of
WHERE attnum > 0 AND NOT attisdropped AND attacl IS NULL`

// Ask has the server say what roles may do with the objects of the database,
// and with columns that are told.
func Ask(ctx context.Context, session Querier, model privileges.Model, roles []string, columns ...privileges.Object) ([]Answer, error) {
	var of, verbs []string
	for _, class := range privileges.Classes {
		for _, verb := range model.Judged(class) {
			of, verbs = append(of, string(class)), append(verbs, string(verb))
		}
	}
	largeObjects := ""
	if model.Major >= 18 {
		largeObjects = "WHEN class = 'largeObject' THEN has_largeobject_privilege(role, oid, verb)"
	}
	type row struct {
		Class                privileges.Class
		Schema, Name, Column string
		Role                 string
		Verb                 privileges.Privilege
		May                  bool
	}
	schemas, tables, names := make([]string, len(columns)), make([]string, len(columns)), make([]string, len(columns))
	for i, column := range columns {
		schemas[i], tables[i], names[i] = column.Schema, column.Name, column.Column
	}
	rows, err := collect[row](ctx, session, fmt.Sprintf(question, largeObjects, objectsSQL, bare, model.Major >= 18), roles, of, verbs, schemas, tables, names)
	if err != nil {
		return nil, fmt.Errorf("asking who may do what: %w", err)
	}
	answers := make([]Answer, len(rows))
	for i, row := range rows {
		answers[i] = Answer{privileges.Object{Class: row.Class, Schema: row.Schema, Name: row.Name, Column: row.Column}, row.Role, row.Verb, row.May}
	}
	members, err := askMemberships(ctx, session, model, roles)
	return append(answers, members...), err
}

// askMemberships asks which roles have another's privileges and may become it.
func askMemberships(ctx context.Context, session Querier, model privileges.Model, roles []string) ([]Answer, error) {
	become := "SET"
	if model.Major < 16 {
		become = "MEMBER"
	}
	type row struct {
		Role, Of string
		Verb     privileges.Privilege
		May      bool
	}
	rows, err := collect[row](ctx, session, `
		SELECT role, rolname::text, verb, pg_has_role(role, oid, CASE verb WHEN 'SET' THEN $2 ELSE verb END)
		FROM unnest($1::text[]) AS role, pg_roles, unnest(ARRAY['USAGE', 'SET']) AS verb WHERE role <> 'public' ORDER BY 1, 2, 3`, roles, become)
	if err != nil {
		return nil, fmt.Errorf("asking who is a member of what: %w", err)
	}
	answers := make([]Answer, len(rows))
	for i, row := range rows {
		answers[i] = Answer{privileges.Object{Class: privileges.RoleClass, Name: row.Of}, row.Role, row.Verb, row.May}
	}
	return answers, nil
}
