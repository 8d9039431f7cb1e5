package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// Edit is one change of a stack file.
type Edit struct {
	// Path are the keys from the file's root.
	Path []string
	// Value is set; nil removes the key.
	Value any
}

// EditFile changes single values of a stack file in place: every other
// character of it, comments and order included, stays as it is.
func EditFile(content []byte, edits ...Edit) ([]byte, error) {
	for _, edit := range edits {
		at := strings.Join(edit.Path, ".")
		edited, err := edit.apply(string(content))
		if err == nil {
			err = edit.proven(content, []byte(edited))
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w; change it by hand", at, err)
		}
		content = []byte(edited)
	}
	return content, nil
}

func (e Edit) apply(text string) (string, error) {
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		return "", err
	}
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		return "", fmt.Errorf("the file is not a mapping")
	}
	lines := strings.SplitAfter(text, "\n")
	at, key := document.Content[0], (*yaml.Node)(nil)
	for i, name := range e.Path {
		nextKey, next := entry(at, name)
		switch {
		case next == nil && e.Value == nil:
			return text, nil
		case next == nil:
			return insert(lines, key, at, nested(e.Path[i:], e.Value))
		case i == len(e.Path)-1 && e.Value == nil:
			return remove(lines, at, nextKey, next)
		case i == len(e.Path)-1:
			return replace(lines, next, e.Value)
		case next.Kind != yaml.MappingNode:
			return "", fmt.Errorf("%s is not a mapping", strings.Join(e.Path[:i+1], "."))
		}
		key, at = nextKey, next
	}
	return text, nil
}

// entry finds a key of a mapping.
func entry(mapping *yaml.Node, name string) (key, value *yaml.Node) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			return mapping.Content[i], mapping.Content[i+1]
		}
	}
	return nil, nil
}

// nested is a value under its path, as YAML in one line.
func nested(path []string, value any) yamlPair {
	for i := len(path) - 1; i > 0; i-- {
		value = map[string]any{path[i]: value}
	}
	return yamlPair{path[0], value}
}

type yamlPair struct {
	key   string
	value any
}

func (p yamlPair) String() string { return p.key + ": " + flow(p.value) }

// flow writes a value in one line.
func flow(value any) string {
	var node yaml.Node
	if err := node.Encode(value); err != nil {
		panic(err) // plain values always encode
	}
	node.Style = yaml.FlowStyle
	for _, inner := range node.Content {
		if inner.Kind == yaml.MappingNode {
			inner.Style = yaml.FlowStyle
		}
	}
	text, err := yaml.Marshal(&node)
	if err != nil {
		panic(err)
	}
	return strings.TrimSpace(string(text))
}

// insert adds a key at the beginning of a mapping.
func insert(lines []string, key, mapping *yaml.Node, added yamlPair) (string, error) {
	if mapping.Style&yaml.FlowStyle != 0 {
		line := lines[mapping.Line-1]
		separator := ", "
		if len(mapping.Content) == 0 {
			separator = ""
		}
		lines[mapping.Line-1] = line[:mapping.Column] + added.String() + separator + line[mapping.Column:]
		return strings.Join(lines, ""), nil
	}
	if len(mapping.Content) == 0 {
		return "", fmt.Errorf("the mapping is empty")
	}
	after := 0
	if key != nil {
		after = key.Line // below the key's own line
	}
	line := strings.Repeat(" ", mapping.Content[0].Column-1) + added.String() + "\n"
	return strings.Join(slices.Insert(lines, after, line), ""), nil
}

// replace puts a value in the place of a plain one.
func replace(lines []string, node *yaml.Node, value any) (string, error) {
	last := lastLine(node)
	line := lines[node.Line-1]
	if last != node.Line {
		return "", fmt.Errorf("its value takes several lines")
	}
	rest := line[node.Column-1:]
	length := len(node.Value)
	switch {
	case node.Kind != yaml.ScalarNode:
		length = strings.LastIndex(rest, "}") + 1
	case node.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0:
		length += 2
	}
	if length <= 0 || length > len(rest) {
		return "", fmt.Errorf("its value cannot be told from what is around it")
	}
	lines[node.Line-1] = line[:node.Column-1] + flow(value) + rest[length:]
	return strings.Join(lines, ""), nil
}

// remove takes the lines of a key away.
func remove(lines []string, mapping, key, value *yaml.Node) (string, error) {
	if mapping.Style&yaml.FlowStyle != 0 || len(mapping.Content) == 2 {
		return "", fmt.Errorf("it shares its line with others, or is the only one of its mapping")
	}
	return strings.Join(slices.Delete(lines, key.Line-1, max(key.Line, lastLine(value))), ""), nil
}

// lastLine is where a value without texts of several lines ends.
func lastLine(node *yaml.Node) int {
	last := node.Line
	for _, inner := range node.Content {
		last = max(last, lastLine(inner))
	}
	return last
}

// proven demands that the edited file says exactly what it should.
func (e Edit) proven(before, after []byte) error {
	var want, got map[string]any
	if err := yaml.Unmarshal(before, &want); err != nil {
		return err
	}
	if err := yaml.Unmarshal(after, &got); err != nil {
		return fmt.Errorf("it cannot be edited in place: %w", err)
	}
	in := want
	for _, name := range e.Path[:len(e.Path)-1] {
		next, is := in[name].(map[string]any)
		if !is {
			if e.Value == nil {
				return nil
			}
			next = map[string]any{}
			in[name] = next
		}
		in = next
	}
	delete(in, e.Path[len(e.Path)-1])
	if e.Value != nil {
		var value any
		if err := yaml.Unmarshal([]byte(flow(e.Value)), &value); err != nil {
			return err
		}
		in[e.Path[len(e.Path)-1]] = value
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Errorf("it cannot be edited in place")
	}
	return nil
}
