package consequence

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/witchcityrope/database/internal/engine"
)

// unknown is what the engine shows for a value that only the run itself makes.
const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

func isUnknown(value any) bool { return value == unknown }

// either are the inputs that a change leads to, or those of what goes.
func either(change engine.Change) map[string]any {
	if change.After != nil {
		return change.After
	}
	return change.Before
}

// text is a plain value as people read it; empty for nothing.
func text(value any) string {
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}

// topLevel is the input that a path leads into.
func topLevel(path string) string {
	if end := strings.IndexAny(path, ".["); end >= 0 {
		return path[:end]
	}
	return path
}

// names are the inputs that paths lead into, sorted, each once.
func names(paths []string) []string {
	tops := map[string]bool{}
	for _, path := range paths {
		tops[topLevel(path)] = true
	}
	return slices.Sorted(maps.Keys(tops))
}

// properties are the inputs that differ, whether the plugin says so or not. It
// is not asked where there are both: the docker plugin takes the order of sets
// for a difference. Secrets are masked, and only it can tell those apart.
func properties(change engine.Change) []string {
	if change.Before == nil || change.After == nil {
		return names(change.Properties)
	}
	found := map[string]bool{}
	for _, inputs := range []map[string]any{change.Before, change.After} {
		for name := range inputs {
			if !strings.HasPrefix(name, "__") && !engine.Same(change.Before[name], change.After[name]) {
				found[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// differs says whether an input is among those that a plugin says to differ.
func differs(change engine.Change, name string) bool {
	return slices.Contains(names(change.Properties), name)
}

// differences tells inputs with their values before and after.
func differences(change engine.Change, paths []string) string {
	var told []string
	for _, name := range names(paths) {
		told = append(told, strings.TrimSpace(name+" "+fromTo(change.Before[name], change.After[name])))
	}
	return strings.Join(told, ", ")
}

// fromTo writes two plain values; nothing where they are not plain, or secret.
func fromTo(before, after any) string {
	if !isPlain(before) || !isPlain(after) || isUnknown(after) {
		return ""
	}
	return fmt.Sprintf("%v → %v", before, after)
}

func isPlain(value any) bool {
	switch value.(type) {
	case string, bool, float64, int:
		return true
	default:
		return false
	}
}

// settingChange tells a setting that changes, comes or goes.
func settingChange(name string, before, after any) string {
	switch {
	case after == nil:
		return name + " no longer set"
	case before == nil:
		return fmt.Sprintf("%s = %v", name, after)
	default:
		return fmt.Sprintf("%s %v → %v", name, before, after)
	}
}
