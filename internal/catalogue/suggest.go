package catalogue

import (
	"strings"

	"github.com/agext/levenshtein"
)

// nearest finds the known name that is nearest, if one is near at all: a letter in four may be wrong.
func nearest(name string, known []string) string {
	best, distance := "", max(3, len(name)/4+1)
	for _, candidate := range known {
		if d := levenshtein.Distance(strings.ToLower(name), strings.ToLower(candidate), nil); d < distance {
			best, distance = candidate, d
		}
	}
	return best
}
