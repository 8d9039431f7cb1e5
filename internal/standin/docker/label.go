package docker

import (
	"maps"
	"slices"
)

// Label is one label of a container, network or volume.
type Label struct {
	Label string `pulumi:"label"`
	Value string `pulumi:"value"`
}

func labelMap(labels []Label) map[string]string {
	if len(labels) == 0 {
		return nil
	}
	result := make(map[string]string, len(labels))
	for _, l := range labels {
		result[l.Label] = l.Value
	}
	return result
}

func labelList(labels map[string]string) []Label {
	var result []Label
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		result = append(result, Label{Label: name, Value: labels[name]})
	}
	return result
}

// value returns what a pointer points to, or the zero value.
func value[T any](pointer *T) T {
	if pointer == nil {
		var zero T
		return zero
	}
	return *pointer
}

// or returns what a pointer points to, or the default.
func or[T any](pointer *T, otherwise T) T {
	if pointer == nil {
		return otherwise
	}
	return *pointer
}

// refresh replaces an input that was given by what is really there, when the two differ.
func refresh[T comparable](input **T, actual T) {
	if *input != nil && **input != actual {
		*input = &actual
	}
}

// adopt replaces an input by what is really there, for an import, which has no inputs, or when the two differ.
func adopt[T comparable](input **T, actual T, imported bool) {
	if imported {
		*input = &actual
		return
	}
	refresh(input, actual)
}
