package catalogue_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/catalogue"
)

func of(t *testing.T, major int) *catalogue.Catalogue {
	t.Helper()
	c, err := catalogue.For(major)
	require.NoError(t, err)
	return c
}

func setting(t *testing.T, name string) catalogue.Setting {
	t.Helper()
	for _, major := range []int{catalogue.DefaultMajor, 18, 14} {
		if found, ok := of(t, major).Lookup(name); ok {
			return found
		}
	}
	require.Fail(t, "no such setting", name)
	return catalogue.Setting{}
}

func TestFor(t *testing.T) {
	for _, major := range catalogue.Majors {
		c := of(t, major)
		assert.Equal(t, major, c.Major())
		assert.Greater(t, len(c.Settings()), 350)
		assert.Contains(t, c.Libraries(), "pg_stat_statements")
		assert.Subset(t, c.Shipped(), append(c.Libraries(), "passwordcheck"))
	}
	_, err := catalogue.For(13)
	assert.EqualError(t, err, "PostgreSQL 13 has no catalogue of settings; supported are 14 15 16 17 18")
}

func TestLookup(t *testing.T) {
	c := of(t, 16)
	found, ok := c.Lookup("Work_Mem")
	require.True(t, ok)
	assert.Equal(t, catalogue.Setting{
		Name: "work_mem", Context: catalogue.User, Type: catalogue.Integer, Unit: "kB", Min: "64", Max: "2147483647", Default: "4096",
		Category: "Resource Usage / Memory", Description: "Sets the maximum memory to be used for query workspaces.",
	}, found)
	_, ok = c.Lookup("datestyle")
	assert.True(t, ok, "the server writes it DateStyle")
	_, ok = c.Lookup("wor\u212a_mem")
	assert.False(t, ok, "only ASCII is folded")
}

// fault writes a fault as the configuration does.
func fault(name, value string, verdict catalogue.Verdict) string {
	if verdict.Fault == nil {
		return ""
	}
	parts := []string{name}
	if verdict.Known {
		parts = append(parts, value)
	}
	text := strings.Join(append(parts, verdict.Fault.Reason), ": ")
	if verdict.Fault.Remedy != "" {
		text += "; " + verdict.Fault.Remedy
	}
	return text
}

func TestCheck(t *testing.T) {
	preloaded := []string{"pg_stat_statements"}
	for _, test := range []struct {
		major             int
		name, value, want string
	}{
		{16, "work_mem", "16MB", ""},
		{16, "WORK_MEM", " 16 MB ", ""},
		{16, "wrok_mem", "16MB", "wrok_mem: no such setting in PostgreSQL 16; did you mean work_mem?"},
		{16, "work_mem", "16M", "work_mem: 16M: unit must be one of B, kB, MB, GB, TB"},
		{16, "work_mem", "16mb", "work_mem: 16mb: unit must be one of B, kB, MB, GB, TB"},
		{16, "work_mem", "1kB", "work_mem: 1kB: is outside 64kB to 2147483647kB; choose a value within"},
		{16, "work_mem", "plenty", "work_mem: plenty: is not a number; write one, and a unit (B, kB, MB, GB, TB)"},
		{16, "work_mem", "", "work_mem: : is not a number; write one, and a unit (B, kB, MB, GB, TB)"},
		{16, "shared_buffers", "64kB", "shared_buffers: 64kB: is outside 128kB to 8589934584kB; choose a value within"},
		{16, "statement_timeout", "1m", "statement_timeout: 1m: unit must be one of us, ms, s, min, h, d"},
		{16, "checkpoint_timeout", "10s", "checkpoint_timeout: 10s: is outside 30s to 86400s; choose a value within"},
		{16, "log_min_duration_statement", "-2", "log_min_duration_statement: -2: is outside -1 to 2147483647ms; choose a value within"},
		{16, "max_connections", "100MB", "max_connections: 100MB: has no unit; write the number alone"},
		{16, "max_connections", "10%", "max_connections: 10%: is not a number; write one"},
		{16, "max_connections", "0", "max_connections: 0: is outside 1 to 262143; choose a value within"},
		{16, "random_page_cost", "1,1", "random_page_cost: 1,1: is not a number; write one"},
		{16, "fsync", "maybe", "fsync: maybe: is not a boolean; write on or off"},
		{16, "log_statement", "dll", "log_statement: dll: must be one of none, ddl, mod, all; did you mean ddl?"},
		{16, "ssl_max_protocol_version", "SSLv3", `ssl_max_protocol_version: SSLv3: must be one of "", TLSv1, TLSv1.1, TLSv1.2, TLSv1.3`},
		{16, "wal_compression", "zstd", ""},
		{14, "wal_compression", "zstd", "wal_compression: zstd: is not a boolean; write on or off"},
		{16, "log_line_prefix", "%m\n", "log_line_prefix: %m\n: has a line break or a zero byte; write it on one line"},

		{16, "checkpoint_segments", "32", "checkpoint_segments: no such setting in PostgreSQL 16: was removed in PostgreSQL 9.5; use max_wal_size"},
		{16, "log_login_failures", "on", "log_login_failures: no such setting in PostgreSQL 16: never existed; leave it out: failed logins are logged by default"},
		{16, "force_parallel_mode", "on", "force_parallel_mode: no such setting in PostgreSQL 16: was renamed in PostgreSQL 16; use debug_parallel_query"},
		{15, "force_parallel_mode", "on", ""},
		{18, "ssl_ecdh_curve", "prime256v1", "ssl_ecdh_curve: no such setting in PostgreSQL 18: was renamed in PostgreSQL 18; use ssl_groups"},
		{16, "io_method", "worker", "io_method: no such setting in PostgreSQL 16: came with PostgreSQL 18; leave it out, or run that version"},
		{16, "server_version", "17", "server_version: 17: is reported by the server and cannot be set; leave it out"},
		{16, "transaction_read_only", "on", "transaction_read_only: on: is of a transaction and cannot be set for the server; use default_transaction_read_only"},
		{16, "role", "app", "role: is of a session and cannot be set for the server; leave it out: SET ROLE is of a session, ALTER ROLE … SET role of a login"},
		{17, "allow_alter_system", "off", "allow_alter_system: off: cannot be changed by ALTER SYSTEM; leave it out"},

		{16, "pg_stat_statements.max", "10000", ""},
		{16, "pg_stat_statements.max", "10", "pg_stat_statements.max: 10: is outside 100 to 1073741823; choose a value within"},
		{16, "pg_stat_statements.trak", "all", "pg_stat_statements.trak: no such setting of pg_stat_statements in PostgreSQL 16; did you mean pg_stat_statements.track?"},
		{16, "auto_explain.log_analyze", "on", "auto_explain.log_analyze: on: is a setting of auto_explain, which is not preloaded; add auto_explain to shared_preload_libraries"},
		{16, "plpgsql.variable_conflict", "use_column", ""},
		{16, "shared-buffers", "1GB", "shared-buffers: is not the name of a setting; use letters, digits and underscores"},
		{16, "a.b.c", "1", "a.b.c: is not the name of a setting; use letters, digits and underscores"},
		{16, "app.", "1", "app.: is not the name of a setting; use letters, digits and underscores"},
		{16, "app.tenant", "anything", ""},
	} {
		verdict := of(t, test.major).Check(test.name, test.value, preloaded)
		assert.Equal(t, test.want, fault(test.name, test.value, verdict))
	}
}

func TestCheckPassesWithANotice(t *testing.T) {
	verdict := of(t, 16).Check("app.tenant", "1", nil)
	assert.Equal(t, catalogue.Verdict{Notice: "is a setting of something that this catalogue does not know; the server takes any value for it"}, verdict)
	assert.Equal(t, "lz4 needs a server built with it, as the official images are", of(t, 16).Check("wal_compression", "LZ4", nil).Notice)
	assert.Empty(t, of(t, 16).Check("wal_compression", "pglz", nil).Notice)
}

// TestWhatAVersionDroppedIsExplained: no name that an older version knows is merely unknown.
func TestWhatAVersionDroppedIsExplained(t *testing.T) {
	for i, major := range catalogue.Majors[1:] {
		for _, old := range of(t, catalogue.Majors[i]).Settings() {
			if _, kept := of(t, major).Lookup(old.Name); kept {
				continue
			}
			verdict := of(t, major).Check(old.Name, old.Default, nil)
			require.NotNil(t, verdict.Fault, old.Name)
			assert.Regexp(t, `: was (removed|renamed) in PostgreSQL `, verdict.Fault.Reason, old.Name)
		}
	}
}

// TestDefaultsAreValues: what the server has by itself it also takes.
func TestDefaultsAreValues(t *testing.T) {
	for _, major := range catalogue.Majors {
		for _, s := range of(t, major).Settings() {
			if s.Context != catalogue.Internal && s.Default != "" {
				_, fault := s.Parse(s.Default)
				assert.Nil(t, fault, "%s = %q", s.Name, s.Default)
			}
		}
	}
}
