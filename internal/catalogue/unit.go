package catalogue

import (
	"math"
	"strconv"
	"strings"
)

// unit is a unit that values are written in, and how many of the base unit it is.
type unit struct {
	name string
	size float64
}

const block = 8 // kB, of the servers' usual build

var (
	memoryUnits = []string{"TB", "GB", "MB", "kB", "B"}
	timeUnits   = []string{"d", "h", "min", "s", "ms", "us"}
)

// unitsOf lists the units of a setting that counts in base, from the largest (guc.c, unit_conversion_table).
func unitsOf(base string) []unit {
	switch base {
	case "B":
		return sized(memoryUnits, 1<<40, 1<<30, 1<<20, 1<<10, 1)
	case "kB":
		return sized(memoryUnits, 1<<30, 1<<20, 1<<10, 1, 1.0/1024)
	case "8kB":
		return sized(memoryUnits, (1<<30)/block, (1<<20)/block, (1<<10)/block, 1.0/block, 1.0/(block*1024))
	case "MB":
		return sized(memoryUnits, 1<<20, 1<<10, 1, 1.0/1024, 1.0/(1<<20))
	case "ms":
		return sized(timeUnits, 86400000, 3600000, 60000, 1000, 1, 1.0/1000)
	case "s":
		return sized(timeUnits, 86400, 3600, 60, 1, 1.0/1000, 1.0/1000000)
	case "min":
		return sized(timeUnits, 1440, 60, 1, 1.0/60, 1.0/60000, 1.0/60000000)
	default:
		return nil
	}
}

func sized(names []string, sizes ...float64) []unit {
	units := make([]unit, len(names))
	for i, name := range names {
		units[i] = unit{name, sizes[i]}
	}
	return units
}

// convert counts a number of the unit named in base units. A fraction is rounded to the next smaller unit,
// if there is one: 30.1GB are so many whole MB (guc.c, convert_to_base_unit).
func convert(number float64, name, base string) (float64, bool) {
	units := unitsOf(base)
	for i, unit := range units {
		if unit.name != name {
			continue
		}
		number *= unit.size
		if i+1 < len(units) {
			smaller := units[i+1].size
			number = math.RoundToEven(number/smaller) * smaller
		}
		return number, true
	}
	return 0, false
}

// unitNames are the units that a setting takes, the smallest first.
func unitNames(base string) string {
	switch base {
	case "ms", "s", "min":
		return "us, ms, s, min, h, d"
	default:
		return "B, kB, MB, GB, TB"
	}
}

// inUnit writes a number of base units, with the unit where there is one.
func inUnit(number float64, base string) string {
	if base == "8kB" && number > 0 {
		number, base = number*block, "kB"
	}
	text := strconv.FormatFloat(number, 'f', -1, 64)
	if math.Abs(number) >= 1e15 {
		text = strconv.FormatFloat(number, 'g', -1, 64)
	}
	if number <= 0 {
		return text // -1 and 0 mostly say something other than a size
	}
	return text + base
}

// isUnitLike reports whether text can be meant for a unit.
func isUnitLike(text string) bool {
	return text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZµ") == ""
}
