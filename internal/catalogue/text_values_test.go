package catalogue_test

import "github.com/witchcityrope/database/internal/catalogue"

// texts are good and bad values of the settings whose text the server reads.
var texts = map[string][]string{
	"DateStyle":                        {"ISO, MDY", "iso", "German", "SQL,DMY", "Postgres, YMD", "european", "US", "NonEuro", "default", "ISO, ISO", "ISO, SQL", "MDY, DMY", "foo", "ISO MDY", "postgresql", "germany", ""},
	"TimeZone":                         {"UTC", "GMT", "America/New_York", "america/new_york", "Europe/Berlin", "America/NewYork", "Mars/Phobos", "EST5EDT", "UTC+3", "<+03>-03", "-7", "3.5", "ABC", "EuropeBerlin", "PST", "zulu", ""},
	"backtrace_functions":              {"", "a,b", "palloc", "a b", "a;b", "a.b", "é", "f1, f2\tf3"},
	"client_encoding":                  {"UTF8", "utf-8", "unicode", "SQL_ASCII", "latin1", "WIN1252", "UTF16", "iso_8859_1", "big5", "utf88", "SJIS", "EUC_JP", "mule internal", ""},
	"createrole_self_grant":            {"", "set", "inherit", "set, inherit", "SET", "both", "set inherit"},
	"debug_io_direct":                  {"", "foo", "data,foo"},
	"default_table_access_method":      {"heap", "", "zheap"},
	"default_text_search_config":       {"pg_catalog.simple", "english", "pg_catalog.english"},
	"log_connections":                  {"on", "off", "", "all", "receipt", "receipt,authentication", "authorization, setup_durations", "none", "foo", "all, foo", "yes", "t", "1", "RECEIPT", "on,receipt", "o"},
	"log_destination":                  {"stderr", "csvlog", "jsonlog", "stderr,csvlog", "syslog", "eventlog", "stdout", "", "STDERR", "stderr csvlog", "stderr,", "stderr, \"csvlog\""},
	"log_timezone":                     {"UTC", "Europe/Paris", "Europe/Pariss", "GMT", "utc", "foo/bar"},
	"plpgsql.extra_errors":             {"none", "all", "shadowed_variables", "strict_multi_assignment,too_many_rows", "ALL", "foo", "none,all", "all,none", "", "shadowed_variables, foo"},
	"plpgsql.extra_warnings":           {"none", "all", "shadowed_variables", "foo", "too_many_rows", "a b"},
	"primary_slot_name":                {"", "standby_1", "Standby", "a-b", "a b", "0", "a234567890123456789012345678901234567890123456789012345678901234"},
	"recovery_target":                  {"", "immediate", "latest", "IMMEDIATE"},
	"recovery_target_lsn":              {"", "0/1", "16/B374D848", "0", "g/1", "123456789/1", "0/123456789", "0/"},
	"recovery_target_name":             {"", "before_release", "a234567890123456789012345678901234567890123456789012345678901234"},
	"recovery_target_time":             {"", "2026-01-01 12:00:00+00", "now", "today", "yesterday"},
	"recovery_target_timeline":         {"latest", "current", "1", "0x10", "foo", "-1", "", "99999999999999999999"},
	"recovery_target_xid":              {"", "1000", "0", "99999999999999999999", "0x10"},
	"restrict_nonsystem_relation_kind": {"", "view", "foreign-table", "view, foreign-table", "VIEW", "table", "view foreign-table"},
	"synchronized_standby_slots":       {"", "a", "a,b", "A-b", "a b"},
	"synchronous_standby_names": {
		"", "*", "s1", "s1, s2", "1 (s1)", "FIRST 1 (s1, s2)", "ANY 2 (s1, s2, s3)", "any 1 (*)", "2 (s1", "FIRST (s1)", "ANY s1", `"s 1"`, "s1 s2", "s1,", "0 (s1)", "s-1", "12", "1 ()", `FIRST 1 ("a""b", c$d)`, "first, any",
	},
	"timezone_abbreviations":   {"Default", "Australia", "India", "Mars"},
	"wal_consistency_checking": {"", "all", "heap", "heap, btree", "HEAP2", "foo", "all, foo", "heap btree", "xlog", "transaction"},
}

// text is a value of a string setting.
func (d *draw) text(s catalogue.Setting) string {
	if known, ok := texts[s.Name]; ok && !d.oneIn(6) {
		value := pick(d, known)
		if d.oneIn(10) {
			return d.misspell(value)
		}
		return value
	}
	if d.oneIn(2) {
		return s.Default
	}
	return pick(d, []string{"", "a", "name", "some words", "/var/log/somewhere", "a, b", `"quoted"`, "%m [%p] ", "é", "it's", `back\slash`, "$libdir", "x=y", "  padded  "})
}
