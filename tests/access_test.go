package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/components/access"
	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/privileges"
)

// TestGoldenReadmeSaysWhoCanDoWhat: the table is that of prod as it is.
func TestGoldenReadmeSaysWhoCanDoWhat(t *testing.T) {
	const begin, end = "<!-- access:begin -->\n", "<!-- access:end -->"
	readme := document(t, "README.md")
	before, rest, found := strings.Cut(readme, begin)
	require.True(t, found)
	shown, after, found := strings.Cut(rest, end)
	require.True(t, found)
	stack := configtest.Stack(t, "prod", nil)
	clients := access.Clients(stack)
	table := privileges.Markdown(clients, access.NewModel(stack).Table(clients))
	if *update {
		require.NoError(t, os.WriteFile(filepath.Join(configtest.Root(t), "README.md"), []byte(before+begin+table+end+after), 0o644))
		return
	}
	assert.Equal(t, table, shown, "make it anew with: make golden")
}
