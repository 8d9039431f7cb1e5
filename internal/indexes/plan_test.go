package indexes_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/witchcityrope/database/internal/indexes"
)

func key(expression string) indexes.Key { return indexes.Key{Expression: expression} }

func down(expression string) indexes.Key {
	return indexes.Key{Expression: expression, Descending: true, NullsFirst: true}
}

func btree(keys ...indexes.Key) indexes.Definition {
	return indexes.Definition{Method: "btree", Keys: keys}
}

func TestServes(t *testing.T) {
	unique := func(d indexes.Definition) indexes.Definition { d.Unique = true; return d }
	where := func(d indexes.Definition, text string) indexes.Definition { d.Where = text; return d }
	include := func(d indexes.Definition, names ...string) indexes.Definition { d.Include = names; return d }
	gin := func(keys ...indexes.Key) indexes.Definition { return indexes.Definition{Method: "gin", Keys: keys} }
	for name, c := range map[string]struct {
		has, wanted indexes.Definition
		serves      bool
	}{
		"the same":                     {btree(key("a")), btree(key("a")), true},
		"another column":               {btree(key("a")), btree(key("b")), false},
		"unique for one that need not": {unique(btree(key("a"))), btree(key("a")), true},
		"not unique for unique":        {btree(key("a")), unique(btree(key("a"))), false},
		"more columns behind":          {btree(key("a"), key("b")), btree(key("a")), true},
		"more columns before":          {btree(key("b"), key("a")), btree(key("a")), false},
		"fewer columns":                {btree(key("a")), btree(key("a"), key("b")), false},
		"unique over more columns":     {unique(btree(key("a"), key("b"))), unique(btree(key("a"))), false},
		"backwards":                    {btree(key("a")), btree(down("a")), true},
		"backwards in part":            {btree(key("a"), key("b")), btree(key("a"), down("b")), false},
		"nulls elsewhere":              {btree(key("a")), btree(indexes.Key{Expression: "a", NullsFirst: true}), false},
		"another collation":            {btree(indexes.Key{Expression: "a", Collation: "C"}), btree(key("a")), false},
		"another operator class":       {btree(indexes.Key{Expression: "a", OperatorClass: "text_pattern_ops"}), btree(key("a")), false},
		"another method":               {indexes.Definition{Method: "hash", Keys: []indexes.Key{key("a")}}, btree(key("a")), false},
		"partial for whole":            {where(btree(key("a")), "a > 0"), btree(key("a")), false},
		"whole for partial":            {btree(key("a")), where(btree(key("a")), "a > 0"), false},
		"partial for the same part":    {where(btree(key("a")), "a > 0"), where(btree(key("a")), "a > 0"), true},
		"keeps what is included":       {include(btree(key("a")), "b", "c"), include(btree(key("a")), "c"), true},
		"has it as a key":              {btree(key("a"), key("b")), include(btree(key("a")), "b"), true},
		"does not keep it":             {include(btree(key("a")), "b"), include(btree(key("a")), "c"), false},
		"gin of more columns":          {gin(key("a"), key("b")), gin(key("a")), false},
		"nulls are distinct": {unique(btree(key("a"))), indexes.Definition{
			Method: "btree", Unique: true, NullsNotDistinct: true, Keys: []indexes.Key{key("a")},
		}, false},
	} {
		assert.Equal(t, c.serves, c.has.Serves(c.wanted), name)
	}
}

func TestPlan(t *testing.T) {
	table := indexes.Relation{Schema: "public", Name: "Users", Owner: "shop_owner"}
	wanted := indexes.Wanted{Name: "idx", Table: "Users", Schemas: []string{"auth", "public"}, Definition: btree(key(`"Email"`))}
	there := func(name string, definition indexes.Definition) indexes.Index {
		return indexes.Index{Schema: "public", Table: "Users", Name: name, Definition: definition, Valid: true}
	}
	invalid := func(name string, builder int) indexes.Index {
		return indexes.Index{Schema: "public", Table: "Users", Name: name, Definition: wanted.Definition, Builder: builder}
	}
	with := func(found ...indexes.Index) indexes.Found {
		return indexes.Found{Tables: []indexes.Relation{table}, Indexes: found}
	}
	partitioned, faulty := table, wanted
	partitioned.Partitioned, faulty.Fault = true, "no such column"
	for name, c := range map[string]struct {
		wanted indexes.Wanted
		found  indexes.Found
		action indexes.Action
		reason string
		drop   []string
	}{
		"nothing there": {wanted, with(), indexes.Build, "", nil},
		"there":         {wanted, with(there("idx", wanted.Definition)), indexes.Present, "", nil},
		"there, and under another name too": {
			wanted, with(there("EmailIndex", wanted.Definition), there("idx", wanted.Definition)), indexes.Present, "", nil,
		},
		"under another name": {wanted, with(there("EmailIndex", wanted.Definition)), indexes.Covered, `"EmailIndex" is the same under another name`, nil},
		"of a key":           {wanted, with(there("PK", btree(key(`"Email"`), key("b")))), indexes.Covered, `"PK" begins with the same columns`, nil},
		"not as declared": {
			wanted, with(there("idx", btree(key("b")))), indexes.Refused,
			"there is an index of this name that is not as declared: declare what it is, choose another name, or drop it", nil,
		},
		"a leftover": {
			wanted, with(invalid("idx", 0)), indexes.Rebuild,
			"an interrupted build has left idx, which queries do not use", []string{"idx"},
		},
		"leftovers of a rebuild beside it": {wanted, with(there("idx", wanted.Definition), invalid("idx_ccnew1", 0)), indexes.Present, "", []string{"idx_ccnew1"}},
		"a leftover of another's":          {wanted, with(invalid("EmailIndex", 0)), indexes.Build, "", nil},
		"being built":                      {wanted, with(invalid("idx", 42)), indexes.Refused, "session 42 builds it at this moment: wait for its end", nil},
		"no table": {
			wanted, indexes.Found{}, indexes.Missing,
			"there is no table Users in auth or public: run the migrations that make it first", nil,
		},
		"two tables": {
			wanted, indexes.Found{Tables: []indexes.Relation{table, {Schema: "auth", Name: "Users"}}}, indexes.Refused,
			"table Users is in auth and in public: say which with schema", nil,
		},
		"partitioned": {
			wanted, indexes.Found{Tables: []indexes.Relation{partitioned}}, indexes.Refused,
			`"public"."Users" is partitioned, and PostgreSQL cannot build an index on it without keeping writers out: have a migration make it`, nil,
		},
		"refused by the server": {faulty, with(), indexes.Refused, "no such column", nil},
		"the name is a table's": {
			wanted, indexes.Found{Tables: []indexes.Relation{table}, Names: []indexes.Relation{{Schema: "public", Name: "idx"}}}, indexes.Refused,
			`"public"."idx" is something else already: choose another name`, nil,
		},
		"the name is another table's index": {
			wanted, with(indexes.Index{Schema: "public", Table: "Events", Name: "idx", Valid: true}), indexes.Refused,
			`an index of "Events" has this name already: choose another`, nil,
		},
		"the name in another schema": {
			wanted, indexes.Found{Tables: []indexes.Relation{table}, Names: []indexes.Relation{{Schema: "auth", Name: "idx"}}}, indexes.Build, "", nil,
		},
	} {
		steps := indexes.Plan([]indexes.Wanted{c.wanted}, c.found)
		assert.Len(t, steps, 1)
		assert.Equal(t, c.action, steps[0].Action, name)
		assert.Equal(t, c.reason, steps[0].Reason, name)
		assert.Equal(t, c.drop, steps[0].Drop, name)
	}
}
