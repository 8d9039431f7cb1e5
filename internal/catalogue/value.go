package catalogue

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/witchcityrope/database/internal/postgres"
)

// Value is what the server makes of the text of a value.
type Value struct {
	Bool   bool    // of a boolean
	Number float64 // of an integer or a real, in the setting's unit
	Text   string  // of an enumeration, as the server spells it, or of a string
	Unit   string  // the setting's
}

// Bytes is an amount of memory.
func (v Value) Bytes() (float64, bool) {
	size, ok := map[string]float64{"B": 1, "kB": 1 << 10, "8kB": block << 10, "MB": 1 << 20}[v.Unit]
	return v.Number * size, ok
}

// Seconds is a span of time.
func (v Value) Seconds() (float64, bool) {
	size, ok := map[string]float64{"ms": 0.001, "s": 1, "min": 60}[v.Unit]
	return v.Number * size, ok
}

// Fault is why a setting cannot be what was asked for, and what to do. Who asked knows where, and adds
// path and value.
type Fault struct{ Reason, Remedy string }

// Parse reads a value as the server does, and refuses what it would refuse.
func (s Setting) Parse(value string) (Value, *Fault) {
	parsed, fault := s.read(value)
	if fault == nil {
		fault = s.hook(parsed)
	}
	if fault != nil {
		return Value{}, fault
	}
	return parsed, nil
}

// read reads a value of the setting's type within its range.
func (s Setting) read(value string) (Value, *Fault) {
	switch s.Type {
	case Bool:
		on, ok := parseBool(value)
		if !ok {
			return Value{}, &Fault{"is not a boolean", "write on or off"}
		}
		return Value{Bool: on}, nil
	case Integer, Real:
		return s.parseNumber(value)
	case Enum:
		return s.parseEnum(value)
	default:
		return Value{Text: value}, nil
	}
}

// parseBool reads on, off, and beginnings of true, false, yes and no that are unambiguous (bool.c).
func parseBool(value string) (on, ok bool) {
	text := lower(value)
	switch {
	case text == "":
		return false, false
	case text == "1" || text == "on" || strings.HasPrefix("true", text) || strings.HasPrefix("yes", text):
		return true, true
	case text == "0" || text == "of" || text == "off" || strings.HasPrefix("false", text) || strings.HasPrefix("no", text):
		return false, true
	default:
		return false, false
	}
}

// parseNumber reads a number, and a unit where the setting has one (guc.c, parse_int and parse_real).
func (s Setting) parseNumber(value string) (Value, *Fault) {
	number, rest, inRange := s.number(value)
	if len(rest) == len(value) || !inRange || math.IsNaN(number) {
		return Value{}, &Fault{"is not a number", s.example()}
	}
	if rest = trimSpace(rest); rest != "" {
		fault := s.unitFault(rest)
		if s.Unit == "" {
			return Value{}, fault
		}
		name := strings.TrimRightFunc(rest, func(r rune) bool { return r < 0x80 && isSpace(byte(r)) })
		var known bool
		if number, known = convert(number, name, s.Unit); !known {
			return Value{}, fault
		}
	}
	if s.Type == Integer {
		number = math.RoundToEven(number)
	}
	if least, most := s.limits(); number < least || number > most {
		return Value{}, &Fault{"is outside " + inUnit(least, s.Unit) + " to " + inUnit(most, s.Unit), "choose a value within"}
	}
	return Value{Number: number, Unit: s.Unit}, nil
}

// number reads the number that a value begins with.
func (s Setting) number(value string) (number float64, rest string, inRange bool) {
	if s.Type == Real {
		return fractional(value)
	}
	number, rest, inRange = whole(value)
	if !inRange || rest != "" && (rest[0] == '.' || rest[0]|0x20 == 'e') {
		return fractional(value)
	}
	return number, rest, true
}

// unitFault says what is wrong with what follows a number.
func (s Setting) unitFault(rest string) *Fault {
	switch {
	case s.Unit != "":
		return &Fault{"unit must be one of " + unitNames(s.Unit), ""}
	case isUnitLike(rest):
		return &Fault{"has no unit", "write the number alone"}
	default:
		return &Fault{"is not a number", s.example()}
	}
}

// example says how a value of the setting is written.
func (s Setting) example() string {
	if s.Unit == "" {
		return "write one"
	}
	return "write one, and a unit (" + unitNames(s.Unit) + ")"
}

// limits are the setting's least and greatest value.
func (s Setting) limits() (least, most float64) {
	limit := func(text string, otherwise float64) float64 {
		number, err := strconv.ParseFloat(text, 64)
		if err != nil || math.Abs(number) > 1.797e308 { // pg_settings rounds the greatest number there is
			return otherwise
		}
		return number
	}
	return limit(s.Min, -math.MaxFloat64), limit(s.Max, math.MaxFloat64)
}

// parseEnum finds the value; case does not matter.
func (s Setting) parseEnum(value string) (Value, *Fault) {
	for _, known := range slices.Concat(s.Values, s.BuildValues) {
		if lower(known) == lower(value) {
			return Value{Text: known}, nil
		}
	}
	if known, ok := s.Synonyms[lower(value)]; ok {
		return Value{Text: known}, nil
	}
	fault := &Fault{"must be one of " + strings.Join(s.shown(), ", "), ""}
	if near := nearest(value, s.Values); near != "" {
		fault.Remedy = "did you mean " + near + "?"
	}
	return Value{}, fault
}

// shown are the values of an enumeration, for people.
func (s Setting) shown() []string {
	shown := slices.Concat(s.Values, s.BuildValues)
	for i, value := range shown {
		if value == "" {
			shown[i] = `""`
		}
	}
	return shown
}

// Same reports whether two values mean the same to the server, as 16MB and 16384kB do.
func (s Setting) Same(a, b string) bool {
	if a == b {
		return true
	}
	if s.Type == String {
		return postgres.SameSetting(s.Name, a, b)
	}
	left, faultA := s.Parse(a)
	right, faultB := s.Parse(b)
	return faultA == nil && faultB == nil && left == right
}
