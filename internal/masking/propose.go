package masking

import (
	"regexp"
	"slices"
	"strings"
)

// proposals by a column's name, the first that fits and can be.
var proposals = []struct {
	name *regexp.Regexp
	rule Rule
}{
	{regexp.MustCompile(`(?i)^(MigrationId|ProductVersion)$`), Rule{Action: Keep, Matching: `^[0-9]+(_[A-Za-z]+|[.][0-9.]+)$`}},
	{regexp.MustCompile(`(?i)(password|secret|token|stamp|hash|api_?key|encrypted)`), Rule{Action: Null}},
	{regexp.MustCompile(`(?i)(password|secret|token|stamp|hash|api_?key|encrypted)`), Rule{Action: Hash}},
	{regexp.MustCompile(`(?i)e_?mail`), Rule{Action: Email}},
	{regexp.MustCompile(`(?i)(first|last|full|real|scene|user|legal|nick|pronounced|other|contact|discord|fetlife|display)_?(name|handle)`), Rule{Action: Name}},
	{regexp.MustCompile(`(?i)(phone|address|agent|url|bio|notes?|description|content|reason|comment|about|references?)`), Rule{Action: Null}},
}

// propose makes a rule for a column from its name and type: one that can be, and
// that rather loses something than tells it.
func propose(column Column, columns []Column) Rule {
	if of, normalized := strings.CutPrefix(column.Name, "Normalized"); normalized && slices.ContainsFunc(columns, func(c Column) bool {
		return c.Of() == column.Of() && c.Name == of && c.Kind == Text
	}) {
		return Rule{Action: UpperOf, Value: of}
	}
	candidates := []Rule{}
	for _, proposal := range proposals {
		if proposal.name.MatchString(column.Name) {
			candidates = append(candidates, proposal.rule)
		}
	}
	if column.Kind == JSON {
		candidates = append(candidates, Rule{Action: Constant, Value: "{}"})
	}
	candidates = append(candidates, Rule{Action: Null}, Rule{Action: Hash})
	if column.Kind == Text {
		candidates = append(candidates, Rule{Action: Constant, Value: "masked"}, Rule{Action: Constant})
	}
	if column.Unique {
		slices.SortStableFunc(candidates, func(a, b Rule) int { return order(a) - order(b) })
	}
	for _, candidate := range candidates {
		if candidate.fault(column) == "" {
			return candidate
		}
	}
	return Rule{Action: Constant, Value: "{}"} // of an opaque type: somebody has to look
}

// order puts what tells values apart before what does not.
func order(rule Rule) int {
	if rule.unique() {
		return 0
	}
	return 1
}
