package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/witchcityrope/database/internal/postgres"
)

func TestQuoteSetting(t *testing.T) {
	for _, test := range []struct{ name, value, want string }{
		{"work_mem", "16MB", `'16MB'`},
		{"log_line_prefix", "%t [%p]: user=%u,db=%d ", `'%t [%p]: user=%u,db=%d '`},
		{"application_name", `it's`, `'it''s'`},
		{"DateStyle", "ISO, MDY", `'ISO, MDY'`},
		{"search_path", `"$user", public`, `'$user', 'public'`},
		{"search_path", `  a ,b,, "c, d" `, `'a', 'b', 'c, d'`},
		{"search_path", `"with ""quotes"""`, `'with "quotes"'`},
		{"search_path", `""`, `''`},
		{"search_path", ``, `''`},
		{"shared_preload_libraries", "pg_stat_statements,auto_explain", `'pg_stat_statements', 'auto_explain'`},
		{"SHARED_PRELOAD_LIBRARIES", "a,b", `'a', 'b'`},
	} {
		assert.Equal(t, test.want, postgres.QuoteSetting(test.name, test.value), "%s = %s", test.name, test.value)
	}
}

func TestSameSetting(t *testing.T) {
	assert.True(t, postgres.SameSetting("work_mem", "16MB", "16MB"))
	assert.False(t, postgres.SameSetting("work_mem", "16MB", "16384kB"))
	assert.True(t, postgres.SameSetting("search_path", `"a","b"`, "a, b"))
	assert.False(t, postgres.SameSetting("search_path", "a, b", "b, a"))
}
