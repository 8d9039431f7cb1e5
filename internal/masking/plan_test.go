package masking

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func parse(t *testing.T, text string) *Plan {
	t.Helper()
	plan, err := ParsePlan(strings.NewReader(text))
	require.NoError(t, err)
	return plan
}

func text(name string, more ...func(*Column)) Column {
	column := Column{Schema: "public", Table: "Users", Name: name, Type: "text", Kind: Text}
	for _, change := range more {
		change(&column)
	}
	return column
}

func notNull(c *Column) { c.NotNull = true }
func unique(c *Column)  { c.Unique = true }
func varchar(n int) func(*Column) {
	return func(c *Column) { c.Length, c.Type = n, "character varying" }
}
func kind(k Kind) func(*Column) { return func(c *Column) { c.Kind, c.Type = k, string(k) } }

func TestRulesAreReadAndWritten(t *testing.T) {
	plan := parse(t, `tables:
  public.Users:
    A: keep
    B: null
    C: {constant: "x"}
    D: hash
    E: name
    F: email
    G: {upperOf: F}
    H: {keep: {values: [a, b], matching: '^c'}}
`)
	want := map[string]Rule{
		"A": {Action: Keep}, "B": {Action: Null}, "C": {Action: Constant, Value: "x"}, "D": {Action: Hash}, "E": {Action: Name}, "F": {Action: Email},
		"G": {Action: UpperOf, Value: "F"}, "H": {Action: Keep, Values: []string{"a", "b"}, Matching: "^c"},
	}
	var faults Faults
	for name, rule := range want {
		read, given := plan.Rule(text(name))
		assert.True(t, given)
		assert.Equal(t, rule, read, name)
		faults = append(faults, Fault{Proposal: &rule, column: text(name)})
	}
	again := parse(t, faults.Proposal())
	for name, rule := range want {
		read, _ := again.Rule(text(name))
		assert.Equal(t, rule, read, "%s in %s", name, faults.Proposal())
	}
}

func TestWhatIsNoPlan(t *testing.T) {
	for given, says := range map[string]string{
		"tables: {public.Users: {A: shuffle}}":                   `"shuffle" is no rule`,
		"tables: {Users: {A: keep}}":                             "Users: write the table's schema before it, as public.Users",
		"table: {}":                                              "field table not found",
		"tables: {public.Users: {A: {replace: x}}}":              "field replace not found",
		"tables: {public.Users: {A: {keep: {}}}}":                "the rule has no value",
		"tables: {public.Users: {A: {constant: x, upperOf: B}}}": "a rule is one of",
	} {
		_, err := ParsePlan(strings.NewReader(given))
		assert.ErrorContains(t, err, says, given)
	}
}

func TestEveryTextNeedsARule(t *testing.T) {
	columns := []Column{
		text("Email"), text("Bio", notNull), text("Data", kind(JSON)), text("Photo", kind(Bytes)), text("Tags", kind(Opaque)), text("Age", kind(Plain)),
		text("Initial", func(c *Column) { c.Generated = true }), text("NormalizedEmail"),
	}
	faults, notices := parse(t, "tables: {public.Users: {Gone: hash}}").Check(columns)
	require.Len(t, faults, 6)
	assert.Equal(t, []string{"public.Users.Gone is in the plan, and not in the source"}, notices)
	assert.ErrorContains(t, faults, "public.Users.Email (text): no rule")
	assert.Equal(t, `tables:
  public.Users:
    Email: email
    Bio: hash
    Data: {constant: "{}"}
    Photo: null
    Tags: null
    NormalizedEmail: {upperOf: Email}`, faults.Proposal())
	again, _ := parse(t, faults.Proposal()).Check(columns)
	assert.Empty(t, again, "a proposal is a plan")
}

func TestRulesThatCannotBe(t *testing.T) {
	for _, each := range []struct {
		rule   string
		column Column
		says   string
	}{
		{"null", text("A", notNull), "NOT NULL"},
		{"{constant: x}", text("A", unique), "unique"},
		{"hash", text("A", kind(JSON)), "is not for the type json"},
		{"email", text("A", kind(Bytes)), "is not for the type bytes"},
		{"email", text("A", varchar(30)), "needs 40 characters"},
		{"hash", text("A", varchar(8), unique), "needs 16 characters"},
		{"{keep: {values: [x]}}", text("A", varchar(8), unique), "too short to keep those apart"},
		{"{keep: {values: [x]}}", text("A", kind(JSON)), "of texts only"},
		{"{constant: too long}", text("A", varchar(3)), "longer"},
		{"{upperOf: B}", text("A"), "no column B"},
		{"hash", text("A", func(c *Column) { c.Generated = true }), "leave it out"},
	} {
		faults, _ := parse(t, "tables: {public.Users: {A: "+each.rule+"}}").Check([]Column{each.column})
		require.Len(t, faults, 1, each.rule)
		assert.Contains(t, faults[0].Reason, each.says)
	}
}

func TestWhatRefersToEachOtherHasTheSameRule(t *testing.T) {
	columns := []Column{text("Code", unique), {Schema: "public", Table: "Orders", Name: "UserCode", Type: "text", Kind: Text, References: "public.Users.Code"}}
	faults, _ := parse(t, "tables: {public.Users: {Code: hash}, public.Orders: {UserCode: name}}").Check(columns)
	assert.ErrorContains(t, faults, "public.Orders.UserCode (text): it refers to public.Users.Code, whose rule is another one (hash)")
	faults, _ = parse(t, "tables: {public.Users: {Code: hash}, public.Orders: {UserCode: hash}}").Check(columns)
	assert.Empty(t, faults)
}
