package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/creasty/defaults"
	"gopkg.in/yaml.v3"
)

// Declaration is what WithAccess puts into a stack file.
type Declaration struct {
	Schemas           []Schema
	Extensions        []Extension
	Roles             []Role
	Grants            []Grant
	DefaultPrivileges []DefaultPrivileges
}

// WithAccess writes a stack's keys database and access as its file has to have
// them to declare more: values are those that it has, in the form of ReadFile.
// Schemas and extensions take the place of those that are there, if there are
// any; of the others, those about the same do.
func (s *Stack) WithAccess(values map[string]string, more Declaration) (string, error) {
	names := s.Access.Names()
	roles := replaced(s.Access.Roles, more.Roles, func(r Role) string { return names.Named(r.Name)[0] })
	grants := replaced(s.Access.Grants, more.Grants, func(g Grant) string {
		return strings.Join(grantKeys(g, names.Named(g.Role)[0], s.Database.Name), "\x01")
	})
	privileges := replaced(s.Access.DefaultPrivileges, more.DefaultPrivileges, func(d DefaultPrivileges) string {
		return strings.Join([]string{names.Named(d.Owner)[0], names.Named(d.Role)[0], d.On, d.Schema}, "\x00")
	})
	document := &yaml.Node{Kind: yaml.MappingNode}
	for _, object := range []struct {
		key  string
		more []said
	}{
		{"database", []said{{"schemas", sequence(more.Schemas)}, {"extensions", sequence(more.Extensions)}}},
		{"access", []said{{"roles", sequence(roles)}, {"grants", sequence(grants)}, {"defaultPrivileges", sequence(privileges)}}},
	} {
		node, err := objectOf(values[object.key], object.more)
		if err != nil {
			return "", fmt.Errorf("%s: %w", object.key, err)
		}
		document.Content = append(document.Content, scalar(s.Project+":"+object.key), node)
	}
	var written strings.Builder
	encoder := yaml.NewEncoder(&written)
	encoder.SetIndent(2)
	if err := encoder.Encode(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{scalar("config"), document}}); err != nil {
		return "", err
	}
	return written.String(), encoder.Close()
}

// replaced are elements, those about the same as another in more replaced by it.
func replaced[T any](elements, more []T, about func(T) string) []T {
	result := slices.Clone(elements)
	for _, element := range more {
		at := slices.IndexFunc(result, func(other T) bool { return about(other) == about(element) })
		if at < 0 {
			result = append(result, element)
		} else {
			result[at] = element
		}
	}
	return result
}

// said is a key of an object.
type said struct {
	key   string
	value *yaml.Node
}

// objectOf is an object of a stack file with some keys replaced.
func objectOf(raw string, more []said) (*yaml.Node, error) {
	object := map[string]any{}
	if raw != "" {
		if err := json.Unmarshal([]byte(raw), &object); err != nil {
			return nil, err
		}
	}
	node := &yaml.Node{Kind: yaml.MappingNode}
	for _, key := range sortedKeys(object) {
		if slices.ContainsFunc(more, func(e said) bool { return e.key == key && len(e.value.Content) > 0 }) {
			continue
		}
		var value yaml.Node
		if err := value.Encode(object[key]); err != nil {
			return nil, err
		}
		node.Content = append(node.Content, scalar(key), &value)
	}
	for _, said := range more {
		if len(said.value.Content) > 0 {
			node.Content = append(node.Content, scalar(said.key), said.value)
		}
	}
	return node, nil
}

func scalar(value string) *yaml.Node {
	var node yaml.Node
	node.SetString(value)
	return &node
}

// sequence writes objects, each on one line, without what they have anyway.
func sequence[T any](elements []T) *yaml.Node {
	node := &yaml.Node{Kind: yaml.SequenceNode}
	for _, element := range elements {
		node.Content = append(node.Content, written(reflect.ValueOf(element)))
	}
	return node
}

// written is a value as a stack file has it: an object of which only the first
// key is said, and that can be written as a text, is one.
func written(value reflect.Value) *yaml.Node {
	switch value.Kind() {
	case reflect.Struct:
		usual := reflect.New(value.Type())
		if err := defaults.Set(usual.Interface()); err != nil {
			panic(err) // the tags are wrong
		}
		node := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
		for i := range value.NumField() {
			field := value.Field(i)
			key := value.Type().Field(i).Tag.Get("json")
			if key == "privileges" || !reflect.DeepEqual(field.Interface(), usual.Elem().Field(i).Interface()) {
				node.Content = append(node.Content, scalar(key), written(field))
			}
		}
		if _, short := usual.Interface().(interface{ UnmarshalText([]byte) error }); short && len(node.Content) == 2 {
			return node.Content[1]
		}
		return node
	case reflect.Slice:
		node := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for i := range value.Len() {
			node.Content = append(node.Content, written(value.Index(i)))
		}
		return node
	case reflect.Map:
		node := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
		for _, key := range sortedKeys(value.Interface().(Settings)) {
			node.Content = append(node.Content, scalar(key), scalar(string(value.Interface().(Settings)[key])))
		}
		return node
	default:
		var node yaml.Node
		if err := node.Encode(value.Interface()); err != nil {
			panic(err) // texts, numbers and booleans
		}
		return &node
	}
}
