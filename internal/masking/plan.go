package masking

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Plan has the rules, by table (schema.table) and column.
type Plan struct {
	Tables map[string]map[string]Rule `yaml:"tables"`
}

// ReadPlan reads a plan from a file.
func ReadPlan(path string) (*Plan, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("masking plan: %w", err)
	}
	plan, err := ParsePlan(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("masking plan %s: %w", path, err)
	}
	return plan, nil
}

// ParsePlan reads a plan.
func ParsePlan(from io.Reader) (*Plan, error) {
	decoder := yaml.NewDecoder(from)
	decoder.KnownFields(true)
	plan := &Plan{}
	if err := decoder.Decode(plan); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	for table := range plan.Tables {
		if !strings.Contains(table, ".") {
			return nil, fmt.Errorf("%s: write the table's schema before it, as public.%[1]s", table)
		}
	}
	return plan, nil
}

// Rule of a column. One that needs none is kept.
func (p *Plan) Rule(c Column) (rule Rule, given bool) {
	columns, there := p.Tables[c.Of()]
	if rule, given = columns[c.Name]; there && given {
		if rule.Action == "" {
			rule.Action = Null // yaml gives a null no rule to read
		}
		return rule, true
	}
	return Rule{Action: Keep}, !c.Required()
}

// Fault is a column whose data must not be copied by the plan.
type Fault struct {
	Column string `json:"column"`
	Type   string `json:"type"`
	Reason string `json:"reason"`
	// Proposal is a rule for a column that has none.
	Proposal *Rule `json:"-"`
	column   Column
}

func (f Fault) String() string { return fmt.Sprintf("%s (%s): %s", f.Column, f.Type, f.Reason) }

// Faults refuse a plan.
type Faults []Fault

func (f Faults) Error() string {
	lines := []string{fmt.Sprintf("the masking plan does not suit the source: %d columns", len(f))}
	for _, fault := range f {
		lines = append(lines, "  "+fault.String())
	}
	if proposal := f.Proposal(); proposal != "" {
		lines = append(lines, "a proposal, made from the columns' names; judge it, and put it into the plan:", proposal)
	}
	return strings.Join(lines, "\n")
}

// Proposal has rules for the columns that have none, as a plan.
func (f Faults) Proposal() string {
	var text strings.Builder
	table := ""
	for _, fault := range f {
		if fault.Proposal == nil {
			continue
		}
		if text.Len() == 0 {
			text.WriteString("tables:\n")
		}
		if fault.column.Of() != table {
			table = fault.column.Of()
			fmt.Fprintf(&text, "  %s:\n", key(table))
		}
		rule, err := yaml.Marshal(*fault.Proposal)
		if err != nil {
			panic(err) // rules always can be written
		}
		fmt.Fprintf(&text, "    %s: %s\n", key(fault.column.Name), strings.TrimSpace(string(rule)))
	}
	return strings.TrimRight(text.String(), "\n")
}

// key writes a key of YAML.
func key(name string) string {
	text, err := yaml.Marshal(name)
	if err != nil {
		panic(err) // a string always can be written
	}
	return strings.TrimSpace(string(text))
}

// Check compares a plan with the columns that are there. Notices are what the
// plan says about columns that are not, of tables that are.
func (p *Plan) Check(columns []Column) (faults Faults, notices []string) {
	for _, column := range columns {
		rule, given := p.Rule(column)
		reason := ""
		if !given {
			reason = "no rule"
		} else if _, said := p.Tables[column.Of()][column.Name]; said {
			reason = p.fault(rule, column, columns)
		}
		if reason == "" {
			continue
		}
		fault := Fault{Column: column.String(), Type: column.Type, Reason: reason, column: column}
		if !given {
			proposal := propose(column, columns)
			fault.Proposal = &proposal
		}
		faults = append(faults, fault)
	}
	for _, table := range sorted(p.Tables) {
		if !slices.ContainsFunc(columns, func(c Column) bool { return c.Of() == table }) {
			continue // another layout's; what has its data under another name has no rule
		}
		for _, name := range sorted(p.Tables[table]) {
			if !slices.ContainsFunc(columns, func(c Column) bool { return c.Of() == table && c.Name == name }) {
				notices = append(notices, fmt.Sprintf("%s.%s is in the plan, and not in the source", table, name))
			}
		}
	}
	return faults, notices
}

// fault finds what is wrong with a rule for a column among others.
func (p *Plan) fault(rule Rule, column Column, columns []Column) string {
	if reason := rule.fault(column); reason != "" {
		return reason
	}
	if rule.Action == UpperOf {
		i := slices.IndexFunc(columns, func(c Column) bool { return c.Of() == column.Of() && c.Name == rule.Value })
		if i < 0 {
			return fmt.Sprintf("upperOf: the table has no column %s", rule.Value)
		}
		if of, _ := p.Rule(columns[i]); of.Action == UpperOf || columns[i].Kind != Text {
			return fmt.Sprintf("upperOf: %s is not a text that has a rule of its own", rule.Value)
		}
	}
	if column.References == "" {
		return ""
	}
	i := slices.IndexFunc(columns, func(c Column) bool { return c.String() == column.References })
	if i < 0 {
		return ""
	}
	if there, _ := p.Rule(columns[i]); rule.Action != Null && !same(rule, there) {
		return fmt.Sprintf("it refers to %s, whose rule is another one (%s): the rows would not find each other", column.References, there.Action)
	}
	return ""
}

func same(a, b Rule) bool {
	return a.Action == b.Action && a.Value == b.Value && slices.Equal(a.Values, b.Values) && a.Matching == b.Matching
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
