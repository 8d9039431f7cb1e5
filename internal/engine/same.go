package engine

import (
	"cmp"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
)

// Same compares two values of an input as a plugin does: what it adds for
// itself, the order of lists, most of which are sets, and what is empty do not
// count.
func Same(a, b any) bool { return reflect.DeepEqual(normal(a), normal(b)) }

func normal(value any) any {
	switch typed := value.(type) {
	case map[string]any:
		kept := map[string]any{}
		for key, inner := range typed {
			if inner = normal(inner); inner != nil && !strings.HasPrefix(key, "__") {
				kept[key] = inner
			}
		}
		if len(kept) == 0 {
			return nil
		}
		return kept
	case []any:
		type element struct {
			text  string
			value any
		}
		var elements []element
		for _, inner := range typed {
			kept := normal(inner)
			text, err := json.Marshal(kept)
			if err != nil {
				return value // nothing that came from JSON
			}
			elements = append(elements, element{string(text), kept})
		}
		if len(elements) == 0 {
			return nil
		}
		slices.SortFunc(elements, func(a, b element) int { return cmp.Compare(a.text, b.text) })
		sorted := make([]any, len(elements))
		for i, element := range elements {
			sorted[i] = element.value
		}
		return sorted
	case string:
		if typed == "" {
			return nil
		}
	case bool:
		if !typed {
			return nil
		}
	case float64:
		if typed == 0 {
			return nil
		}
	}
	return value
}
