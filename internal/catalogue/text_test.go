package catalogue_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTexts: what the server demands of the text of a value, and how a fault says it.
func TestTexts(t *testing.T) {
	for _, test := range []struct {
		major             int
		name, value, want string
	}{
		{16, "log_destination", "stderr, JSONlog", ""},
		{14, "log_destination", "jsonlog", "log_destination: jsonlog: must be a list of csvlog, stderr, syslog"},
		{18, "log_connections", "receipt,authorization", ""},
		{18, "log_connections", "On", ""},
		{18, "log_connections", "receipts", "log_connections: receipts: must be a list of authentication, authorization, receipt, setup_durations; or all, on, off, true, false, yes, no, 1, 0; did you mean receipt?"},
		{17, "log_connections", "receipt", "log_connections: receipt: is not a boolean; write on or off"},
		{16, "TimeZone", "europe/berlin", ""},
		{16, "TimeZone", "EST5EDT", ""},
		{16, "TimeZone", "-3.5", ""},
		{16, "TimeZone", "NaN(1)", "TimeZone: NaN(1): is more than a week from Greenwich; write hours, or a name such as Europe/Berlin"},
		{16, "TimeZone", "America/NewYork", "TimeZone: America/NewYork: is not a time zone; did you mean America/New_York?"},
		{16, "log_timezone", "nowhere at all", "log_timezone: nowhere at all: is not a time zone; write a name such as Europe/Berlin or UTC"},
		{16, "DateStyle", "sql, dmy", ""},
		{16, "DateStyle", "DMY, US", "DateStyle: DMY, US: is not a style of dates; write one of ISO, SQL, Postgres, German, and one of DMY, MDY, YMD"},
		{16, "client_encoding", "ISO-8859-1", ""},
		{16, "client_encoding", "UTF16", "client_encoding: UTF16: is not an encoding that clients can have; write UTF8, or leave it out"},
		{16, "search_path", `"$user", public, "A ""b"""`, ""},
		{16, "search_path", `"app`, `search_path: "app: is not a list of names; write names with commas between, in double quotes where they have other characters`},
		{16, "search_path", "a b", "search_path: a b: is not a list of names; write names with commas between, in double quotes where they have other characters"},
		{16, "synchronous_standby_names", `ANY 2 (a, "b c", *)`, ""},
		{16, "synchronous_standby_names", "ANY (a)", "synchronous_standby_names: ANY (a): is not a list of standbys; write names with commas between, or such as FIRST 1 (a, b) or ANY 2 (a, b, c)"},
		{16, "primary_slot_name", "Standby", "primary_slot_name: Standby: is not the name of a replication slot; use at most 63 lower-case letters, digits and underscores"},
		{16, "vacuum_buffer_usage_limit", "64kB", "vacuum_buffer_usage_limit: 64kB: must be 0 or from 128kB to 16GB; choose a value within"},
		{17, "transaction_buffers", "100kB", "transaction_buffers: 100kB: must be a multiple of 16 blocks (128kB); choose one"},
		{16, "bonjour", "on", "bonjour: on: is of macOS only; leave it out"},
	} {
		verdict := of(t, test.major).Check(test.name, test.value, nil)
		require.True(t, verdict.Known)
		assert.Equal(t, test.want, fault(test.name, test.value, verdict))
	}
}
