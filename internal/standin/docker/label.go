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
