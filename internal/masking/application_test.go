package masking_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/masking/maskingtest"
	"github.com/witchcityrope/database/internal/pgtest"
)

// TestTheApplicationHasRules: of all its 42 tables, every column that may hold text.
func TestTheApplicationHasRules(t *testing.T) {
	session := database(t, pgtest.Start(t), "source", "wcr-schema.sql", 2)
	rest, err := os.ReadFile(filepath.Join(configtest.Root(t), "tests", "e2e", "testdata", "schema", "wcr-schema-rest.sql"))
	require.NoError(t, err)
	_, err = session.Exec(t.Context(), string(rest))
	require.NoError(t, err)
	columns, tables := maskingtest.Columns(t, session), map[string]bool{}
	for _, column := range columns {
		tables[column.Of()] = true
	}
	assert.Len(t, tables, 42)
	faults, notices := ours(t).Check(columns)
	assert.Empty(t, faults, faults.Proposal())
	assert.Equal(t, []string{"public.Events.PricingTiers is in the plan, and not in the source"}, notices)
}
