package inspect_test

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/witchcityrope/database/internal/privileges"
)

// graph is a random set of roles, objects, grants and default privileges, as
// the statements that make it.
type graph struct {
	*rand.Rand
	major      int
	roles      []string
	schemas    []string
	objects    []privileges.Object
	statements []string
}

func newGraph(major int, seed uint64) *graph {
	g := &graph{Rand: rand.New(rand.NewPCG(seed, uint64(major))), major: major}
	g.makeRoles()
	g.makeMemberships()
	g.makeObjects()
	for range 5 + g.IntN(40) {
		g.makeGrant()
	}
	for range g.IntN(12) {
		g.makeDefault()
	}
	return g
}

func (g *graph) do(format string, args ...any) {
	g.statements = append(g.statements, fmt.Sprintf(format, args...))
}

func (g *graph) chance(of int) bool { return g.IntN(of) == 0 }

func pick[T any](g *graph, from []T) T { return from[g.IntN(len(from))] }

func (g *graph) makeRoles() {
	for i := range 2 + g.IntN(7) {
		name := fmt.Sprintf("role %d", i) // which needs quotes
		attributes := "NOLOGIN"
		if g.chance(3) {
			attributes += " NOINHERIT"
		}
		if g.chance(12) {
			attributes += " SUPERUSER"
		}
		g.do("CREATE ROLE %q %s", name, attributes)
		g.roles = append(g.roles, name)
	}
	if g.chance(2) {
		g.do("ALTER DATABASE postgres OWNER TO %q", pick(g, g.roles))
	}
}

// makeMemberships makes later roles members of earlier ones and of predefined
// ones, so that there is no circle.
func (g *graph) makeMemberships() {
	predefined := []string{"pg_read_all_data", "pg_write_all_data", "pg_monitor", "pg_read_all_settings"}
	if g.major >= 17 {
		predefined = append(predefined, "pg_maintain")
	}
	for i, member := range g.roles {
		for _, role := range g.roles[:i] {
			if g.chance(3) {
				g.makeMember(role, member)
			}
		}
		if g.chance(6) {
			g.makeMember(pick(g, predefined), member)
		}
	}
}

func (g *graph) makeMember(role, member string) {
	if g.major < 16 {
		with := ""
		if g.chance(4) {
			with = " WITH ADMIN OPTION"
		}
		g.do("GRANT %q TO %q%s", role, member, with)
		return
	}
	g.do("GRANT %q TO %q WITH INHERIT %t, SET %t, ADMIN %t", role, member, !g.chance(3), !g.chance(3), g.chance(4))
}

func (g *graph) makeObjects() {
	add := func(class privileges.Class, schema, name string) {
		g.objects = append(g.objects, privileges.Object{Class: class, Schema: schema, Name: name})
	}
	add(privileges.Database, "", "postgres")
	for i := range 1 + g.IntN(3) {
		schema := fmt.Sprintf("Schema %d", i)
		g.schemas = append(g.schemas, schema)
		g.do("CREATE SCHEMA %q AUTHORIZATION %q", schema, pick(g, g.roles))
		add(privileges.Schema, "", schema)
		for _, made := range []struct {
			class              privileges.Class
			name, create, kind string
		}{
			{privileges.Table, "table", "CREATE TABLE %s (a int, b int, PRIMARY KEY (a)) PARTITION BY RANGE (a)", "TABLE"},
			{privileges.Table, "view", "CREATE VIEW %s AS SELECT 1 AS a, 2 AS b", "VIEW"},
			{privileges.Table, "materialized", "CREATE MATERIALIZED VIEW %s AS SELECT 1 AS a, 2 AS b", "MATERIALIZED VIEW"},
			{privileges.Sequence, "sequence", "CREATE SEQUENCE %s", "SEQUENCE"},
			{privileges.Function, "function(integer, text[])", "CREATE FUNCTION %s RETURNS int LANGUAGE sql AS 'SELECT 1'", "FUNCTION"},
			{privileges.Type, "enum", "CREATE TYPE %s AS ENUM ('a')", "TYPE"},
			{privileges.Type, "domain", "CREATE DOMAIN %s AS int", "DOMAIN"},
		} {
			if g.chance(4) {
				continue
			}
			name := fmt.Sprintf("%q.%s", schema, made.name)
			g.do(made.create, name)
			g.do("ALTER %s %s OWNER TO %q", made.kind, name, pick(g, g.roles))
			add(made.class, schema, made.name)
			if made.class == privileges.Table {
				add(privileges.Column, schema, made.name)
			}
		}
	}
	for i := range g.IntN(2) {
		oid := 900000 + i
		g.do("SELECT lo_create(%d)", oid)
		g.do("ALTER LARGE OBJECT %d OWNER TO %q", oid, pick(g, g.roles))
		add(privileges.LargeObject, "", fmt.Sprint(oid))
	}
}

func (g *graph) grantee() string {
	if g.chance(4) {
		return "PUBLIC"
	}
	return fmt.Sprintf("%q", pick(g, g.roles))
}

// verbs are some of a class's, as GRANT takes them.
func (g *graph) verbs(class privileges.Class, suffix string) string {
	all := privileges.Model{Major: g.major}.Verbs(class)
	if g.chance(4) {
		return "ALL" + suffix
	}
	chosen := map[privileges.Privilege]bool{}
	for range 1 + g.IntN(3) {
		chosen[pick(g, all)] = true
	}
	var texts []string
	for _, verb := range all {
		if chosen[verb] {
			texts = append(texts, string(verb)+suffix)
		}
	}
	return strings.Join(texts, ", ")
}

// makeGrant grants or revokes something; owners lose their own privileges, too.
func (g *graph) makeGrant() {
	object := pick(g, g.objects)
	on := map[privileges.Class]string{
		privileges.Database: "DATABASE", privileges.Schema: "SCHEMA", privileges.Table: "TABLE", privileges.Column: "TABLE", privileges.Sequence: "SEQUENCE",
		privileges.Function: "FUNCTION", privileges.Type: "TYPE", privileges.LargeObject: "LARGE OBJECT",
	}[object.Class]
	name := fmt.Sprintf("%q", object.Name)
	switch {
	case object.Class == privileges.LargeObject:
		name = object.Name
	case object.Schema != "":
		name = fmt.Sprintf("%q.%s", object.Schema, object.Name)
	}
	suffix := ""
	if object.Class == privileges.Column {
		suffix = " (a)"
	}
	verbs := g.verbs(object.Class, suffix)
	if g.chance(3) {
		g.do("REVOKE %s ON %s %s FROM %s CASCADE", verbs, on, name, g.grantee())
		return
	}
	grantee, option := g.grantee(), ""
	if grantee != "PUBLIC" && g.chance(4) {
		option = " WITH GRANT OPTION"
	}
	g.do("GRANT %s ON %s %s TO %s%s", verbs, on, name, grantee, option)
}

func (g *graph) makeDefault() {
	classes := []privileges.Class{privileges.Table, privileges.Sequence, privileges.Function, privileges.Type, privileges.Schema}
	if g.major >= 18 {
		classes = append(classes, privileges.LargeObject)
	}
	class, in := pick(g, classes), ""
	if class != privileges.Schema && class != privileges.LargeObject && g.chance(2) {
		in = fmt.Sprintf(" IN SCHEMA %q", pick(g, g.schemas))
	}
	on := map[privileges.Class]string{
		privileges.Table: "TABLES", privileges.Sequence: "SEQUENCES", privileges.Function: "FUNCTIONS", privileges.Type: "TYPES",
		privileges.Schema: "SCHEMAS", privileges.LargeObject: "LARGE OBJECTS",
	}[class]
	what := "GRANT %s ON %s TO %s"
	if g.chance(3) {
		what = "REVOKE %s ON %s FROM %s"
	}
	g.do("ALTER DEFAULT PRIVILEGES FOR ROLE %q%s "+what, pick(g, g.roles), in, g.verbs(class, ""), on, g.grantee())
}

// creations are statements by which each role makes one object of each class
// in each schema, and the objects with their owners.
func (g *graph) creations() (statements []string, objects []privileges.Object) {
	for i, role := range g.roles {
		statements = append(statements, fmt.Sprintf("GRANT CREATE ON DATABASE postgres TO %q", role))
		for _, schema := range g.schemas {
			statements = append(statements, fmt.Sprintf("GRANT USAGE, CREATE ON SCHEMA %q TO %q", schema, role))
		}
		statements = append(statements, fmt.Sprintf("SET LOCAL ROLE %q", role))
		name := fmt.Sprintf("new_%d", i)
		for _, schema := range g.schemas {
			in := fmt.Sprintf("%q.%s", schema, name)
			statements = append(statements, "CREATE TABLE "+in+" (a int)", "CREATE SEQUENCE "+in+"_seq",
				"CREATE FUNCTION "+in+"() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE TYPE "+in+"_enum AS ENUM ('a')")
			objects = append(objects, privileges.Object{Class: privileges.Table, Schema: schema, Name: name, Owner: role})
			objects = append(objects, privileges.Object{Class: privileges.Sequence, Schema: schema, Name: name + "_seq", Owner: role})
			objects = append(objects, privileges.Object{Class: privileges.Function, Schema: schema, Name: name + "()", Owner: role})
			objects = append(objects, privileges.Object{Class: privileges.Type, Schema: schema, Name: name + "_enum", Owner: role})
		}
		statements = append(statements, "CREATE SCHEMA "+name, fmt.Sprintf("SELECT lo_create(%d)", 910000+i), "RESET ROLE")
		objects = append(objects, privileges.Object{Class: privileges.Schema, Name: name, Owner: role})
		objects = append(objects, privileges.Object{Class: privileges.LargeObject, Name: fmt.Sprint(910000 + i), Owner: role})
	}
	return statements, objects
}
