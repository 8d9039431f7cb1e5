package catalogue

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// lists are the strings that are lists of certain words, by the version that first has a word.
var lists = map[string]map[string]int{
	"createrole_self_grant":            {"set": 0, "inherit": 0},
	"debug_io_direct":                  {"data": 0, "wal": 0, "wal_init": 0},
	"log_destination":                  {"stderr": 0, "csvlog": 0, "syslog": 0, "jsonlog": 15},
	"plpgsql.extra_errors":             {"shadowed_variables": 0, "strict_multi_assignment": 0, "too_many_rows": 0},
	"plpgsql.extra_warnings":           {"shadowed_variables": 0, "strict_multi_assignment": 0, "too_many_rows": 0},
	"restrict_nonsystem_relation_kind": {"view": 0, "foreign-table": 0},
	"log_connections":                  {"receipt": 0, "authentication": 0, "authorization": 0, "setup_durations": 0},
	"wal_consistency_checking": {
		"all": 0, "heap2": 0, "heap": 0, "btree": 0, "hash": 0, "gin": 0, "gist": 0, "sequence": 0, "spgist": 0, "brin": 0, "generic": 0,
	},
}

// alone are words that some of those lists take if nothing else stands beside them.
var alone = map[string][]string{
	"log_connections":        {"all", "on", "off", "true", "false", "yes", "no", "1", "0"},
	"plpgsql.extra_errors":   {"all", "none"},
	"plpgsql.extra_warnings": {"all", "none"},
}

// wordsOf lists the words that a list may have in a version.
func wordsOf(name string, major int) []string {
	var words []string
	for word, since := range lists[name] {
		if major >= since {
			words = append(words, word)
		}
	}
	slices.Sort(words)
	return words
}

// hooks are what the server demands of values beyond their type and range: its check hooks, as far as they
// look at nothing but the value (guc_hooks.c and others).
var hooks = map[string]func(Value) *Fault{
	"DateStyle":                   dateStyle,
	"TimeZone":                    timeZone,
	"backtrace_functions":         matches(`^[0-9A-Za-z_, \n\t]*$`, "is not a list of functions", "write their names with commas between"),
	"bonjour":                     bonjour,
	"client_encoding":             clientEncoding,
	"commit_timestamp_buffers":    slruBuffers,
	"default_table_access_method": matches(`.`, "is empty", "write heap, or leave it out"),
	"io_max_concurrency":          concurrency,
	"lc_messages":                 matches(`.`, "is empty", "write C, or leave it out"),
	"local_preload_libraries":     list,
	"log_timezone":                zone,
	"multixact_member_buffers":    slruBuffers,
	"multixact_offset_buffers":    slruBuffers,
	"notify_buffers":              slruBuffers,
	"primary_slot_name":           matches(`^[a-z0-9_]{0,63}$`, "is not the name of a replication slot", "use at most 63 lower-case letters, digits and underscores"),
	"recovery_target":             matches(`^(immediate)?$`, "must be immediate", "write immediate, or leave it out"),
	"recovery_target_lsn":         matches(`^([0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8})?$`, "is not a place in the write-ahead log", "write one such as 16/B374D848"),
	"recovery_target_name":        matches(`^.{0,63}$`, "is too long", "use at most 63 characters"),
	"recovery_target_time":        matches(`^$|^\d{4}-\d\d?-\d\d?( |T|$)`, "is not a moment", "write one such as 2026-01-31 12:00:00+00"),
	"recovery_target_timeline":    number(64, "latest", "current"),
	"recovery_target_xid":         number(64, ""),
	"search_path":                 list,
	"serializable_buffers":        slruBuffers,
	"session_preload_libraries":   list,
	"shared_preload_libraries":    list,
	"subtransaction_buffers":      slruBuffers,
	"synchronous_standby_names":   standbys,
	"synchronized_standby_slots":  slots,
	"temp_tablespaces":            list,
	"timezone_abbreviations":      matches(`^(Default|Australia|India)$`, "must be one of Default, Australia, India", ""),
	"transaction_buffers":         slruBuffers,
	"vacuum_buffer_usage_limit":   bufferUsage,
}

// hook applies what the server demands of this setting beyond type and range.
func (s Setting) hook(v Value) *Fault {
	if s.Words != nil {
		return s.checkWords(v.Text)
	}
	if check, ok := hooks[s.Name]; ok {
		return check(v)
	}
	return nil
}

func (s Setting) checkWords(text string) *Fault {
	if slices.Contains(alone[s.Name], lower(text)) {
		return nil
	}
	words, ok := splitIdentifiers(text)
	for _, word := range words {
		ok = ok && slices.Contains(s.Words, word)
	}
	if ok {
		return nil
	}
	known := slices.Concat(s.Words, alone[s.Name])
	fault := &Fault{"must be a list of " + strings.Join(s.Words, ", "), ""}
	if single := alone[s.Name]; single != nil {
		fault.Reason += "; or " + strings.Join(single, ", ")
	}
	if near := nearest(text, known); near != "" {
		fault.Remedy = "did you mean " + near + "?"
	}
	return fault
}

// splitIdentifiers takes a list of identifiers apart: names without quotes are folded to lower case, names
// in double quotes are not (varlena.c, SplitIdentifierString).
func splitIdentifiers(text string) (names []string, ok bool) {
	rest := trimSpace(text)
	if rest == "" {
		return nil, true
	}
	for {
		var name string
		if quoted, is := strings.CutPrefix(rest, `"`); is {
			var closed bool
			if name, rest, closed = untilQuote(quoted); !closed {
				return nil, false
			}
		} else {
			end := strings.IndexFunc(rest, func(r rune) bool { return r == ',' || r < 0x80 && isSpace(byte(r)) })
			if end < 0 {
				end = len(rest)
			}
			if end == 0 {
				return nil, false
			}
			name, rest = lower(rest[:end]), rest[end:]
		}
		names = append(names, name)
		rest = trimSpace(rest)
		if rest == "" {
			return names, true
		}
		next, more := strings.CutPrefix(rest, ",")
		if !more {
			return nil, false
		}
		rest = trimSpace(next)
	}
}

// untilQuote reads to the closing double quote; a doubled one stands for itself.
func untilQuote(text string) (name, rest string, closed bool) {
	for i := 0; i < len(text); i++ {
		if text[i] != '"' {
			continue
		}
		if i+1 < len(text) && text[i+1] == '"' {
			i++
			continue
		}
		return strings.ReplaceAll(text[:i], `""`, `"`), text[i+1:], true
	}
	return "", "", false
}

func list(v Value) *Fault {
	if _, ok := splitIdentifiers(v.Text); !ok {
		return &Fault{"is not a list of names", "write names with commas between, in double quotes where they have other characters"}
	}
	return nil
}

func matches(pattern, reason, remedy string) func(Value) *Fault {
	expression := regexp.MustCompile(pattern)
	return func(v Value) *Fault {
		if expression.MatchString(v.Text) {
			return nil
		}
		return &Fault{reason, remedy}
	}
}

func number(bits int, words ...string) func(Value) *Fault {
	return func(v Value) *Fault {
		if slices.Contains(words, v.Text) {
			return nil
		}
		if _, err := strconv.ParseUint(v.Text, 0, bits); err != nil {
			return &Fault{"is not a number", "write one, or leave it out"}
		}
		return nil
	}
}

func bonjour(v Value) *Fault {
	if v.Bool {
		return &Fault{"is of macOS only", "leave it out"}
	}
	return nil
}

func concurrency(v Value) *Fault {
	if v.Number == 0 {
		return &Fault{"must be -1 or greater than 0", "choose another value"}
	}
	return nil
}

// slruBuffers are had in banks of 16 (slru.c, check_slru_buffers).
func slruBuffers(v Value) *Fault {
	if int64(v.Number)%16 != 0 {
		return &Fault{"must be a multiple of 16 blocks (128kB)", "choose one"}
	}
	return nil
}

// bufferUsage is off at 0 (vacuum.c, check_vacuum_buffer_usage_limit).
func bufferUsage(v Value) *Fault {
	if v.Number > 0 && v.Number < 128 {
		return &Fault{"must be 0 or from 128kB to 16GB", "choose a value within"}
	}
	return nil
}

// dateStyle reads a style and an order of day, month and year, each at most one (variable.c, check_datestyle).
func dateStyle(v Value) *Fault {
	words, ok := splitIdentifiers(v.Text)
	var style, order string
	one := func(is *string, word string) {
		ok = ok && (*is == "" || *is == word)
		*is = word
	}
	for _, word := range words {
		switch word = lower(word); {
		case word == "iso", word == "sql", word == "german":
			one(&style, word)
		case strings.HasPrefix(word, "postgres"):
			one(&style, "postgres")
		case word == "ymd":
			one(&order, word)
		case word == "dmy", strings.HasPrefix(word, "euro"):
			one(&order, "dmy")
		case word == "mdy", word == "us", strings.HasPrefix(word, "noneuro"):
			one(&order, "mdy")
		case word != "default":
			ok = false
		}
	}
	if !ok {
		return &Fault{"is not a style of dates", "write one of ISO, SQL, Postgres, German, and one of DMY, MDY, YMD"}
	}
	return nil
}

// encodings are the names of encodings, without what is no letter or digit (encnames.c). MULE_INTERNAL is
// left out: nothing converts it from UTF8.
var encodings = regexp.MustCompile(`^(abc|alt|big5|euccn|eucjis2004|eucjp|euckr|euctw|gb18030|gbk|iso8859([1-9]|1[03456])|johab|koi8[ru]?|latin([1-9]|10)|` +
	`mskanji|shiftjis(2004)?|sjis|sqlascii|tcvn|tcvn5712|uhc|unicode|utf8|vscii|win|win(dows)?(125[0-8]|866|874|932|936|949|950))$`)

var unclean = regexp.MustCompile(`[^a-z0-9]`)

func clientEncoding(v Value) *Fault {
	if encodings.MatchString(unclean.ReplaceAllString(lower(v.Text), "")) {
		return nil
	}
	return &Fault{"is not an encoding that clients can have", "write UTF8, or leave it out"}
}

// timeZones are the names of time zones, in lower case.
var timeZones = sync.OnceValue(func() map[string]string {
	text, err := data.ReadFile("data/timezones.txt")
	if err != nil {
		panic(err) // the data is part of the program
	}
	zones := map[string]string{}
	for zone := range strings.Lines(string(text)) {
		zone = strings.TrimSpace(zone)
		zones[lower(zone)] = zone
	}
	return zones
})

// posixZone is a time zone by its rule instead of its name, such as EST5EDT or <+03>-3 (localtime.c, tzparse).
var posixZone = regexp.MustCompile(`^(<[^>]+>|[^<\d,+-][^\d,+-]*|)[+-]?([0-9]{1,2}|1[0-5][0-9]|16[0-7])(:[0-5]?[0-9]){0,2}((<[^>]+>|[^<\d,+-][^\d,+-]*)([+-]?\d{1,2}(:\d{1,2}){0,2})?(,[MJ0-9.,/:+-]+)?)?$`)

func zone(v Value) *Fault {
	zones := timeZones()
	if zones[lower(v.Text)] != "" || posixZone.MatchString(v.Text) {
		return nil
	}
	names := make([]string, 0, len(zones))
	for _, name := range zones {
		names = append(names, name)
	}
	slices.Sort(names)
	fault := &Fault{"is not a time zone", "write a name such as Europe/Berlin or UTC"}
	if near := nearest(v.Text, names); near != "" {
		fault.Remedy = "did you mean " + near + "?"
	}
	return fault
}

// timeZone is a zone, or its hours from Greenwich (variable.c, check_timezone).
func timeZone(v Value) *Fault {
	hours, rest, _ := fractional(v.Text)
	switch {
	case strings.HasPrefix(lower(v.Text), "interval"):
		return nil
	case v.Text != "" && rest == "" && !(math.Abs(hours) < 168):
		return &Fault{"is more than a week from Greenwich", "write hours, or a name such as Europe/Berlin"}
	case v.Text != "" && rest == "":
		return nil
	default:
		return zone(v)
	}
}

// standby is a name in synchronous_standby_names (syncrep_scanner.l).
const standby = `([A-Za-z_\x{80}-\x{10ffff}][A-Za-z_0-9$\x{80}-\x{10ffff}]*|"([^"]|"")+"|[0-9]+|\*)`

var (
	standbyNames   = fmt.Sprintf(`%[1]s(\s*,\s*%[1]s)*`, standby)
	standbyGrammar = regexp.MustCompile(`^$|^\s*(` + standbyNames + `|((?i:any|first)\s*)?0*[1-9][0-9]*\s*\(\s*` + standbyNames + `\s*\))\s*$`)
	standbyKeyword = regexp.MustCompile(`(?i)(^|[,(])\s*(any|first)\s*([,)]|$)`)
)

// standbys reads a list of standby servers, perhaps with how many of them count (syncrep_gram.y).
func standbys(v Value) *Fault {
	if standbyGrammar.MatchString(v.Text) && !standbyKeyword.MatchString(v.Text) {
		return nil
	}
	return &Fault{"is not a list of standbys", "write names with commas between, or such as FIRST 1 (a, b) or ANY 2 (a, b, c)"}
}

var slotName = regexp.MustCompile(`^[a-z0-9_]{1,63}$`)

func slots(v Value) *Fault {
	names, ok := splitIdentifiers(v.Text)
	for _, name := range names {
		ok = ok && slotName.MatchString(name)
	}
	if !ok {
		return &Fault{"is not a list of replication slots", "write their names with commas between"}
	}
	return nil
}
