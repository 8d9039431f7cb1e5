package catalogue_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/witchcityrope/database/internal/catalogue"
)

// draw makes names and values at random, good and bad ones.
type draw struct {
	*rand.Rand
	catalogue *catalogue.Catalogue
	settings  []catalogue.Setting
}

func newDraw(t *testing.T, c *catalogue.Catalogue) *draw {
	drawn := *seed
	if drawn == 0 {
		drawn = rand.Uint64() //nolint:gosec // no secret
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the same is drawn with -seed %d", drawn)
		}
	})
	return &draw{rand.New(rand.NewPCG(drawn, uint64(c.Major()))), c, c.Settings()} //nolint:gosec // it must be repeatable
}

func pick[T any](d *draw, from []T) T { return from[d.IntN(len(from))] }

func (d *draw) oneIn(n int) bool { return d.IntN(n) == 0 }

// name is mostly that of a setting, in any case; else a misspelled one, or one of another version.
func (d *draw) name() string {
	name := pick(d, d.settings).Name
	switch d.IntN(12) {
	case 0:
		return d.misspell(name)
	case 1:
		other, err := catalogue.For(pick(d, catalogue.Majors))
		if err != nil {
			panic(err)
		}
		return pick(d, other.Settings()).Name
	case 2:
		return d.recase(name)
	case 3:
		return pick(d, []string{
			"checkpoint_segments", "log_login_failures", "wal_keep_segments", "hash_mem", "default_with_oids2", "role", "seed", "is_superuser",
			"session_authorization", "stats_temp_directory", "old_snapshot_threshold", "sslmode", "max_fsm_pages", "custom_variable_classes",
		})
	default:
		return name
	}
}

// misspell drops, doubles, swaps or changes a letter.
func (d *draw) misspell(word string) string {
	if word == "" {
		return "x"
	}
	at := d.IntN(len(word))
	switch d.IntN(4) {
	case 0:
		return word[:at] + word[at+1:]
	case 1:
		return word[:at] + word[at:at+1] + word[at:]
	case 2:
		if at+1 < len(word) {
			return word[:at] + word[at+1:at+2] + word[at:at+1] + word[at+2:]
		}
		return word + "s"
	default:
		return word[:at] + string(rune('a'+d.IntN(26))) + word[at+1:]
	}
}

func (d *draw) recase(word string) string {
	switch d.IntN(3) {
	case 0:
		return strings.ToUpper(word)
	case 1:
		return strings.ToLower(word)
	default:
		first := word[:min(1, len(word))]
		return strings.ToUpper(first) + word[len(first):]
	}
}

// value is one for the setting, right or wrong.
func (d *draw) value(s catalogue.Setting) string { return strings.ToValidUTF8(d.anyValue(s), "") }

func (d *draw) anyValue(s catalogue.Setting) string {
	if d.oneIn(20) {
		return d.rubbish()
	}
	switch s.Type {
	case catalogue.Bool:
		return d.boolean()
	case catalogue.Integer, catalogue.Real:
		return d.number(s)
	case catalogue.Enum:
		return d.member(s)
	default:
		return d.text(s)
	}
}

func (d *draw) rubbish() string {
	return pick(d, []string{
		"", " ", "-", "+", ".", "e", "E5", "0x", "on", "off", "true", "1", "-1", "0", "nan", "inf", "-infinity", "NaN(1)", "x", "1 2", "1,2", "1_000", "'",
		`"`, `\`, "$user", "a,b", "é", "16M", "5 minutes", "1GB1", "1e400", "-1e400", "1e-400", "0b11", "0o17", "0x1.8p1", "0X1F", "１", "%", ";", "--", "99999999999999999999",
	})
}

func (d *draw) boolean() string {
	word := pick(d, []string{"on", "off", "true", "false", "yes", "no", "1", "0", "t", "f", "y", "n", "o", "of", "tr", "fals", "ye", "2", "enable", "truee", "ofF"})
	switch d.IntN(8) {
	case 0:
		return d.recase(word)
	case 1:
		return pick(d, []string{" " + word, word + " ", d.misspell(word), word[:d.IntN(len(word))+1]})
	default:
		return word
	}
}

func (d *draw) member(s catalogue.Setting) string {
	word := pick(d, s.Values)
	switch d.IntN(8) {
	case 0:
		return d.recase(word)
	case 1:
		return d.misspell(word)
	case 2:
		return pick(d, []string{"true", "false", "yes", "no", "1", "0", "t", "on", "off", "debug", "archive", "hot_standby", "info", "fatal", "none", "auto", "default", "log"})
	case 3:
		return pick(d, []string{" " + word, word + " ", word + "," + word})
	default:
		return word
	}
}

func (d *draw) number(s catalogue.Setting) string {
	least, most := bound(s.Min), bound(s.Max)
	var number float64
	switch d.IntN(6) {
	case 0:
		number = least + float64(d.IntN(5)-2)
	case 1:
		number = most + float64(d.IntN(5)-2)
	case 2:
		number = float64(d.IntN(2000) - 5)
	case 3:
		number = float64(d.Uint64N(1 << d.IntN(63)))
	default:
		number = least + d.Float64()*min(most-least, float64(uint64(1)<<d.IntN(40)))
	}
	return d.pad(d.digits(number), d.unit(s))
}

func bound(text string) float64 {
	number, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic(err)
	}
	return number
}

// digits writes a number in one of the ways there are.
func (d *draw) digits(number float64) string {
	whole := int64(max(min(number, 1<<62), -1<<62))
	switch d.IntN(12) {
	case 0:
		return strconv.FormatFloat(number, 'f', d.IntN(4), 64)
	case 1:
		return strconv.FormatFloat(number, 'e', d.IntN(8), 64)
	case 2:
		return strings.Replace(fmt.Sprintf("%#x", whole), "-0x", "-0X", 1)
	case 3:
		return fmt.Sprintf("%#o", whole)
	case 4:
		return fmt.Sprintf("0%d", whole)
	case 5:
		return fmt.Sprintf("%+d", whole)
	case 6:
		return strconv.FormatFloat(d.Float64()*100, 'g', 3, 64)
	default:
		return strconv.FormatInt(whole, 10)
	}
}

// unit is mostly none or one that the setting takes.
func (d *draw) unit(s catalogue.Setting) string {
	memory, time := []string{"B", "kB", "MB", "GB", "TB"}, []string{"us", "ms", "s", "min", "h", "d"}
	switch {
	case d.oneIn(10):
		return pick(d, []string{"M", "K", "KB", "mb", "G", "m", "sec", "S", "MS", "hours", "days", "Bytes", "kBs", "b", "PB", "µs", "%", "8kB", "MB MB", "e", "E1"})
	case d.oneIn(12):
		return pick(d, append(memory, time...))
	case s.Unit == "" || d.oneIn(3):
		return ""
	case strings.HasSuffix(s.Unit, "B"):
		return pick(d, memory)
	default:
		return pick(d, time)
	}
}

func (d *draw) pad(number, unit string) string {
	spaces := []string{"", "", "", "", "", " ", "  ", "\t", "\v"}
	return pick(d, spaces) + number + pick(d, spaces) + unit + pick(d, spaces)
}
