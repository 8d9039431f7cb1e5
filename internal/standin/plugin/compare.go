package plugin

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// unknown stands for a value that a preview does not know: it differs from every known value.
type unknown struct{}

// compare tells which inputs differ, and how. Whether a value is secret makes no difference, nor does
// an input that is absent differ from one that is empty or has the default value.
func compare(olds, news property.Map, unordered []string, defaults map[string]any) map[string]p.DiffKind {
	changes := map[string]p.DiffKind{}
	plainOf := func(inputs property.Map, name string) (any, bool) {
		value := plain(inputs.Get(name), slices.Contains(unordered, name))
		given := value != nil
		if !given {
			value = defaults[name]
		}
		return value, given
	}
	for name := range union(olds, news) {
		if strings.HasPrefix(name, "__") { // the engine's and the published plugins' bookkeeping
			continue
		}
		oldValue, hadValue := plainOf(olds, name)
		newValue, hasValue := plainOf(news, name)
		switch {
		case reflect.DeepEqual(oldValue, newValue):
		case !hadValue:
			changes[name] = p.Add
		case !hasValue:
			changes[name] = p.Delete
		default:
			changes[name] = p.Update
		}
	}
	return changes
}

func union(a, b property.Map) map[string]struct{} {
	names := make(map[string]struct{}, a.Len()+b.Len())
	for name := range a.All {
		names[name] = struct{}{}
	}
	for name := range b.All {
		names[name] = struct{}{}
	}
	return names
}

// plain reduces a value to what it says: no secrecy, no dependencies, nil for everything empty, and
// lists sorted where order has no meaning.
func plain(value property.Value, unordered bool) any {
	switch {
	case value.IsComputed():
		return unknown{}
	case value.IsArray():
		var list []any
		for _, element := range value.AsArray().All {
			list = append(list, plain(element, unordered))
		}
		if len(list) == 0 {
			return nil
		}
		if unordered {
			slices.SortFunc(list, func(a, b any) int { return strings.Compare(sortKey(a), sortKey(b)) })
		}
		return list
	case value.IsMap():
		object := map[string]any{}
		for name, element := range value.AsMap().All {
			if inner := plain(element, unordered); inner != nil {
				object[name] = inner
			}
		}
		if len(object) == 0 {
			return nil
		}
		return object
	case value.IsString():
		if value.AsString() == "" {
			return nil
		}
		return value.AsString()
	case value.IsNumber():
		return value.AsNumber()
	case value.IsBool():
		return value.AsBool()
	case value.IsNull():
		return nil
	default:
		return value.WithSecret(false).WithDependencies(nil)
	}
}

// sortKey orders plain values; JSON objects have sorted keys, so equal values have equal keys.
func sortKey(value any) string {
	key, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(key)
}
