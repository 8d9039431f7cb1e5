package masking

import (
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Action is what a rule does.
type Action string

// The actions.
const (
	// Keep copies the value; with Values or Matching only such, and hashes others.
	Keep Action = "keep"
	// Null leaves nothing.
	Null Action = "null"
	// Constant puts one value in place of all but NULL.
	Constant Action = "constant"
	// Hash puts a keyed hash: equal values stay equal, within one run.
	Hash Action = "hash"
	// Name and Email put made-up ones, different for different values.
	Name  Action = "name"
	Email Action = "email"
	// UpperOf puts what another column of the row becomes, in capitals.
	UpperOf Action = "upperOf"
)

// Rule is what becomes of a column.
type Rule struct {
	Action Action
	// Value of a constant, or the column that UpperOf is of.
	Value string
	// Values that are kept, and Matching, a regular expression for others that are.
	Values   []string
	Matching string
}

// UnmarshalYAML reads a rule: a word, or an action with what it takes.
func (r *Rule) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*r = Rule{Action: Action(node.Value)}
		if node.Tag == "!!null" {
			r.Action = Null
		}
		if !slices.Contains([]Action{Keep, Null, Hash, Name, Email}, r.Action) {
			return fmt.Errorf("line %d: %q is no rule; known are keep, null, hash, name, email, and with a value constant, upperOf, keep", node.Line, node.Value)
		}
		return nil
	}
	var given struct {
		Constant *string `yaml:"constant"`
		UpperOf  string  `yaml:"upperOf"`
		Keep     *struct {
			Values   []string `yaml:"values"`
			Matching string   `yaml:"matching"`
		} `yaml:"keep"`
	}
	if err := strict(node, &given); err != nil {
		return err
	}
	switch {
	case len(node.Content) != 2:
		return fmt.Errorf("line %d: a rule is one of constant, upperOf, keep", node.Line)
	case given.Constant != nil:
		*r = Rule{Action: Constant, Value: *given.Constant}
	case given.UpperOf != "":
		*r = Rule{Action: UpperOf, Value: given.UpperOf}
	case given.Keep != nil && (len(given.Keep.Values) > 0 || given.Keep.Matching != ""):
		*r = Rule{Action: Keep, Values: given.Keep.Values, Matching: given.Keep.Matching}
	default:
		return fmt.Errorf("line %d: the rule has no value", node.Line)
	}
	return nil
}

// strict decodes a mapping whose keys are all known.
func strict(node *yaml.Node, into any) error {
	text, err := yaml.Marshal(node)
	if err != nil {
		return err
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("line %d: %w", node.Line, err)
	}
	return nil
}

// MarshalYAML writes a rule as it is read.
func (r Rule) MarshalYAML() (any, error) {
	switch {
	case r.Action == Null:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}, nil
	case r.Action == Constant:
		return flow("constant", &yaml.Node{Kind: yaml.ScalarNode, Style: yaml.DoubleQuotedStyle, Value: r.Value}), nil
	case r.Action == UpperOf:
		return flow("upperOf", &yaml.Node{Kind: yaml.ScalarNode, Value: r.Value}), nil
	case len(r.Values) > 0 || r.Matching != "":
		var kept yaml.Node
		given := map[string]any{}
		if len(r.Values) > 0 {
			given["values"] = r.Values
		}
		if r.Matching != "" {
			given["matching"] = r.Matching
		}
		err := kept.Encode(given)
		return flow("keep", &kept), err
	}
	return string(r.Action), nil
}

func flow(key string, value *yaml.Node) *yaml.Node {
	value.Style |= yaml.FlowStyle
	return &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: key}, value}}
}

// unique says whether different values stay different.
func (r Rule) unique() bool {
	return slices.Contains([]Action{Keep, Hash, Name, Email, UpperOf}, r.Action)
}

// Lengths that rules need to keep values apart.
const (
	hashLength  = 16 // of at most 64
	nameLength  = 32
	emailLength = 40
)

// fault says why a rule cannot be a column's; empty if it can.
func (r Rule) fault(c Column) string {
	fits := map[Action][]Kind{
		Hash: {Text, Bytes}, Name: {Text}, Email: {Text}, UpperOf: {Text},
	}[r.Action]
	least := map[Action]int{Hash: hashLength, Name: nameLength, Email: emailLength}[r.Action]
	switch {
	case c.Generated:
		return "the server makes it from other columns: leave it out"
	case fits != nil && !slices.Contains(fits, c.Kind):
		return fmt.Sprintf("%s is not for the type %s: use null, constant or keep", r.Action, c.Type)
	case r.Action == Null && c.NotNull:
		return "the column is NOT NULL: use constant or hash"
	case c.Unique && !r.unique() && r.Action != Null:
		return "the column is unique: use hash, name, email or null"
	case c.Length > 0 && c.Length < least && (c.Unique || r.Action != Hash):
		return fmt.Sprintf("%s needs %d characters, and %s has %d: use constant or null", r.Action, least, c.Type, c.Length)
	case c.Kind == Text && r.Action == Constant && c.Length > 0 && len([]rune(r.Value)) > c.Length:
		return fmt.Sprintf("the constant is longer than %s", c.Type)
	case len(r.Values)+len(r.Matching) > 0 && c.Unique && c.Length > 0 && c.Length < hashLength:
		return fmt.Sprintf("other values would be hashed, and %s is too short to keep those apart", c.Type)
	case len(r.Values)+len(r.Matching) > 0 && c.Kind != Text:
		return "values are kept of texts only: use null, constant or keep without values"
	}
	return ""
}
