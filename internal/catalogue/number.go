package catalogue

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

// isSpace is C's isspace.
func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func trimSpace(text string) string {
	for text != "" && isSpace(text[0]) {
		text = text[1:]
	}
	return text
}

// whole reads as strtol does with base 0: space, a sign, then decimal digits, or octal ones after 0, or
// hexadecimal ones after 0x. What follows is the rest; without digits everything is.
func whole(text string) (number float64, rest string, inRange bool) {
	unsigned := trimSpace(text)
	sign := ""
	if unsigned != "" && (unsigned[0] == '+' || unsigned[0] == '-') {
		sign, unsigned = unsigned[:1], unsigned[1:]
	}
	base, digits := 10, unsigned
	if strings.HasPrefix(unsigned, "0") {
		base = 8
		if len(unsigned) > 2 && unsigned[1]|0x20 == 'x' && isDigit(unsigned[2], 16) {
			base, digits = 16, unsigned[2:]
		}
	}
	n := 0
	for n < len(digits) && isDigit(digits[n], base) {
		n++
	}
	if n == 0 {
		return 0, text, true
	}
	value, err := strconv.ParseInt(sign+digits[:n], base, 64)
	return float64(value), digits[n:], err == nil
}

func isDigit(c byte, base int) bool {
	switch {
	case c >= '0' && c <= '9':
		return int(c-'0') < base
	case base == 16:
		return c|0x20 >= 'a' && c|0x20 <= 'f'
	default:
		return false
	}
}

// smallestNormal is the least number that strtod does not call out of range for being so small.
const smallestNormal = 0x1p-1022

// notFinite is how strtod writes what is no finite number.
var notFinite = regexp.MustCompile(`^(?i:infinity|inf|nan(\([a-z0-9_]*\))?)`)

// fractional reads as strtod does: space, a sign, then a decimal or hexadecimal fraction with an exponent,
// or infinity. What follows is the rest; without a number everything is.
func fractional(text string) (number float64, rest string, inRange bool) {
	start := trimSpace(text)
	unsigned := strings.TrimPrefix(start, "+")
	if unsigned == start {
		unsigned = strings.TrimPrefix(start, "-")
	}
	sign := start[:len(start)-len(unsigned)]
	if word := notFinite.FindString(unsigned); word != "" {
		switch {
		case word[0]|0x20 == 'n':
			number = math.NaN()
		case sign == "-":
			number = math.Inf(-1)
		default:
			number = math.Inf(1)
		}
		return number, unsigned[len(word):], true
	}
	base, exponent, prefix := 10, byte('e'), ""
	if len(unsigned) > 2 && unsigned[0] == '0' && unsigned[1]|0x20 == 'x' {
		if _, n := mantissa(unsigned[2:], 16); n > 0 {
			base, exponent, prefix = 16, 'p', unsigned[:2]
		}
	}
	zero, n := mantissa(unsigned[len(prefix):], base)
	if n == 0 {
		return 0, text, true
	}
	n += len(prefix)
	written := sign + unsigned[:n]
	if digits := exponentOf(unsigned[n:], exponent); digits > 0 {
		written, n = written+unsigned[n:n+digits], n+digits
	} else if base == 16 {
		written += "p0" // which Go wants
	}
	number, err := strconv.ParseFloat(written, 64)
	return number, unsigned[n:], err == nil && (zero || math.Abs(number) >= smallestNormal)
}

// mantissa measures digits with at most one point among them.
func mantissa(text string, base int) (zero bool, length int) {
	zero, digits, point := true, 0, 0
	for _, c := range []byte(text) {
		if c == '.' && point == 0 {
			point = 1
			continue
		}
		if !isDigit(c, base) {
			break
		}
		zero = zero && c == '0'
		digits++
	}
	if digits == 0 {
		return true, 0
	}
	return zero, digits + point
}

// exponentOf measures an exponent: its letter, a sign, and digits.
func exponentOf(text string, letter byte) int {
	if text == "" || text[0]|0x20 != letter {
		return 0
	}
	n := 1
	if n < len(text) && (text[n] == '+' || text[n] == '-') {
		n++
	}
	start := n
	for n < len(text) && isDigit(text[n], 10) {
		n++
	}
	if n == start {
		return 0
	}
	return n
}
