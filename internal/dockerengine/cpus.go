package dockerengine

import (
	"strconv"
	"strings"
)

// CPUs writes a number as the docker provider reads it back from Docker; any
// other form would replace the container at every run: 0.5, 2.0 and "10.".
func CPUs(number float64) string {
	text := strconv.FormatFloat(number, 'f', -1, 64)
	switch {
	case strings.Contains(text, "."):
		return text
	case strings.Contains(text, "0"):
		return text + "."
	default:
		return text + ".0"
	}
}
