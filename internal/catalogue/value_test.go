package catalogue_test

import (
	"math"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/catalogue"
)

func TestParseNumbers(t *testing.T) {
	for _, test := range []struct {
		name, value string
		want        float64
	}{
		{"work_mem", "4096", 4096},
		{"work_mem", "4MB", 4096},
		{"work_mem", "0x1000", 4096},
		{"work_mem", "010000", 4096},
		{"work_mem", "4096.4", 4096},
		{"work_mem", "4e3kB", 4000},
		{"work_mem", ".5MB", 512},
		{"work_mem", "1.5001MB", 1536},
		{"work_mem", "100000B", 98},
		{"work_mem", "+64", 64},
		{"shared_buffers", "1GB", 131072},
		{"shared_buffers", "16", 16},
		{"max_wal_size", "1TB", 1 << 20},
		{"maintenance_work_mem", "30.1GB", 30822 << 10},
		{"statement_timeout", "1.5min", 90000},
		{"statement_timeout", "2500us", 2},
		{"statement_timeout", "3500us", 4},
		{"checkpoint_timeout", "0.5 h", 1800},
		{"log_rotation_age", "1d", 1440},
		{"random_page_cost", "1.1", 1.1},
		{"random_page_cost", "0x1p3", 8},
		{"random_page_cost", "1e1", 10},
		{"vacuum_cost_delay", "1500us", 1.5},
		{"autovacuum_work_mem", "-1", -1},
	} {
		value, fault := setting(t, test.name).Parse(test.value)
		require.Nil(t, fault, "%s = %s: %v", test.name, test.value, fault)
		assert.InDelta(t, test.want, value.Number, 0, "%s = %s", test.name, test.value)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, values := range map[string][]string{
		"work_mem":         {"", " ", "MB", "16 M B", "16MBs", "16,5MB", "0x", "0b1000", "08", "1e", "nan", "inf", "infinity", "1e400", "4MB4", "--64", "99999999999999999999", "1ms"},
		"max_connections":  {"1 0", "1e", "5s", "1_000"},
		"random_page_cost": {"NaN", "inf", "1e309", "1e-320", "-1", "1.1x"},
		"fsync":            {"", " on", "on ", "o", "2", "10", "truer", "ye s", "-1"},
		"log_statement":    {"", " all", "alle"},
	} {
		for _, value := range values {
			_, fault := setting(t, name).Parse(value)
			assert.NotNil(t, fault, "%s = %q", name, value)
		}
	}
}

func TestParseWords(t *testing.T) {
	for value, want := range map[string]bool{"on": true, "ON": true, "T": true, "tru": true, "y": true, "1": true, "of": false, "OFF": false, "f": false, "n": false, "0": false} {
		parsed, fault := setting(t, "fsync").Parse(value)
		require.Nil(t, fault, value)
		assert.Equal(t, want, parsed.Bool, value)
	}
	for _, test := range [][3]string{
		{"log_statement", "DDL", "ddl"}, {"synchronous_commit", "yes", "on"}, {"wal_level", "hot_standby", "replica"},
		{"client_min_messages", "Debug", "debug2"}, {"search_path", "a, b", "a, b"}, {"default_transaction_isolation", "Read Committed", "read committed"},
	} {
		parsed, fault := setting(t, test[0]).Parse(test[1])
		require.Nil(t, fault, test)
		assert.Equal(t, test[2], parsed.Text)
	}
}

func TestAmounts(t *testing.T) {
	amount := func(name, value string) catalogue.Value {
		parsed, fault := setting(t, name).Parse(value)
		require.Nil(t, fault)
		return parsed
	}
	bytes, ok := amount("shared_buffers", "1MB").Bytes()
	assert.True(t, ok)
	assert.InDelta(t, 1<<20, bytes, 0)
	bytes, ok = amount("max_wal_size", "2GB").Bytes()
	assert.True(t, ok)
	assert.InDelta(t, 2<<30, bytes, 0)
	seconds, ok := amount("statement_timeout", "1500").Seconds()
	assert.True(t, ok)
	assert.InDelta(t, 1.5, seconds, 0)
	_, ok = amount("statement_timeout", "1500").Bytes()
	assert.False(t, ok)
	_, ok = amount("max_connections", "10").Seconds()
	assert.False(t, ok)
}

func TestSame(t *testing.T) {
	for _, test := range []struct {
		name, a, b string
		want       bool
	}{
		{"work_mem", "16MB", "16384kB", true},
		{"work_mem", "16MB", "16384", true},
		{"work_mem", "16MB", "17MB", false},
		{"fsync", "on", "true", true},
		{"fsync", "on", "off", false},
		{"synchronous_commit", "YES", "on", true},
		{"search_path", `app,public`, `"app", public`, true},
		{"search_path", "app, public", "public, app", false},
		{"log_line_prefix", "%m ", "%m", false},
		{"random_page_cost", "1.10", "1.1", true},
		{"work_mem", "plenty", "plenty", true},
		{"work_mem", "plenty", "16MB", false},
	} {
		assert.Equal(t, test.want, setting(t, test.name).Same(test.a, test.b), "%s: %s, %s", test.name, test.a, test.b)
	}
}

// FuzzParse: whatever is accepted means the same when it is written as the server shows it.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"16MB", "0x1F", "-1", "1.5e3 ms", "30.1GB", "on", "012", "inf", "1e-400", "0x.8p1", "+.5h "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range of(t, catalogue.DefaultMajor).Settings() {
			value, fault := s.Parse(text)
			if fault != nil {
				assert.NotEmpty(t, fault.Reason)
				continue
			}
			switch s.Type {
			case catalogue.Integer:
				assert.InDelta(t, math.Trunc(value.Number), value.Number, 0)
				assert.True(t, s.Same(text, strconv.FormatFloat(value.Number, 'f', 0, 64)), "%s = %q", s.Name, text)
			case catalogue.Bool:
				assert.True(t, s.Same(text, map[bool]string{true: "on", false: "off"}[value.Bool]), "%s = %q", s.Name, text)
			case catalogue.Enum:
				assert.True(t, s.Same(text, value.Text), "%s = %q", s.Name, text)
			}
		}
	})
}
