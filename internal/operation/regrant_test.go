package operation

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/witchcityrope/database/internal/engine"
)

// TestReplacedGrants: what ends is only forgotten where another grant says all
// that it said.
func TestReplacedGrants(t *testing.T) {
	change := func(operation, resourceType, name string, inputs map[string]any) engine.Change {
		if operation == "delete" {
			return engine.Change{Operation: operation, Type: resourceType, Name: name, Before: inputs}
		}
		return engine.Change{Operation: operation, Type: resourceType, Name: name, After: inputs}
	}
	schema := map[string]any{"role": "public", "schema": "public", "objectType": "schema"}
	tables := map[string]any{"role": "app", "schema": "public", "objectType": "table"}
	users := map[string]any{"role": "app", "schema": "public", "class": "table", "object": "Users"}
	ofSchema := change("delete", grantType, "grant-schema-public-public", schema)
	ofUsers := change("delete", objectGrantType, "grant-table-app-public.Users", users)
	ofTables := change("delete", grantType, "grant-table-app-public", tables)
	tablesBut := map[string]any{"role": "app", "schema": "public", "class": "table", "except": []any{"Events"}}
	butUsers := change("delete", schemaGrantType, ofTables.Name, tablesBut)
	made := func(name string) engine.Change {
		return change("create", objectGrantType, name, map[string]any{"role": "public", "class": "schema", "object": "public"})
	}
	for _, row := range []struct{ changes, replaced []engine.Change }{
		{[]engine.Change{ofSchema, made(ofSchema.Name)}, []engine.Change{ofSchema}},
		{[]engine.Change{ofSchema, made("grant-schema-public-auth")}, nil},
		{[]engine.Change{ofSchema}, nil},
		{[]engine.Change{ofUsers, change("create", schemaGrantType, ofTables.Name, tablesBut)}, []engine.Change{ofUsers}},
		{[]engine.Change{ofUsers, made("grant-schema-public-public")}, nil},
		{[]engine.Change{ofTables, change("create", schemaGrantType, ofTables.Name, tablesBut)}, []engine.Change{ofTables}},
		{[]engine.Change{change("delete", tablesGrantType, ofTables.Name, tables), change("create", schemaGrantType, ofTables.Name, tablesBut)},
			[]engine.Change{change("delete", tablesGrantType, ofTables.Name, tables)}},
		{[]engine.Change{ofUsers, change("update", schemaGrantType, butUsers.Name, tablesBut)}, []engine.Change{ofUsers}},
		{[]engine.Change{butUsers}, nil},
	} {
		assert.Equal(t, row.replaced, replacedGrants(row.changes))
	}
}

// TestOptionsAreGivenAgain: a role that was put right is a member with the usual options afterwards.
func TestOptionsAreGivenAgain(t *testing.T) {
	role := func(operation, name string) engine.Change {
		return engine.Change{Operation: operation, Type: roleType, Name: "role-" + name, After: map[string]any{"name": name}}
	}
	given := engine.Change{Operation: "update", Type: membershipType, Name: "membership"}
	apart := map[string]any{"member": "partner", "role": "auditors", "inherit": false, "set": true, "admin": false}
	usual := map[string]any{"member": "partner", "role": "auditors", "inherit": true, "set": true, "admin": false}
	for what, c := range map[string]struct {
		changes []engine.Change
		options map[string]any
		again   bool
	}{
		"put right":                {[]engine.Change{role("update", "partner")}, apart, true},
		"usual options":            {[]engine.Change{role("update", "partner")}, usual, false},
		"another role":             {[]engine.Change{role("update", "app")}, apart, false},
		"a new role":               {[]engine.Change{role("create", "partner")}, apart, false},
		"given by the same run":    {[]engine.Change{role("update", "partner"), given}, apart, false},
		"nothing":                  {nil, apart, false},
		"another one's were given": {[]engine.Change{role("update", "partner"), {Operation: "update", Type: membershipType, Name: "other"}}, apart, true},
	} {
		assert.Equal(t, c.again, usualAgain(c.changes, "membership", c.options), what)
	}
}
