package operation

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/backup"
)

// TestADrillIsOfTheStacksOwnBackup: a receipt of another one's would let up pass.
func TestADrillIsOfTheStacksOwnBackup(t *testing.T) {
	o := &Operation{Stack: "prod", config: &config.Stack{Project: "shop", Database: config.Database{Name: "shop"}}}
	for _, each := range []struct {
		project, stack, database string
		may                      bool
	}{
		{"shop", "prod", "shop", true},
		{"shop", "dev", "shop", false},
		{"another", "prod", "shop", false},
		{"shop", "prod", "shop_before_20261124t030304", false},
	} {
		err := o.isOurs(backup.Manifest{ID: "x", Project: each.project, Stack: each.stack, Database: each.database})
		assert.Equal(t, each.may, err == nil, "%+v: %v", each, err)
	}
}

// TestOnlyWhatIsThereIsIncomplete: a directory without a manifest is, a name that was mistyped is not.
func TestOnlyWhatIsThereIsIncomplete(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "20261124T030148Z-shop")
	require.NoError(t, os.Mkdir(empty, 0o700))
	_, err := backup.Open(empty)
	assert.Equal(t, 27, backup.Status(err))
	_, err = backup.Open(filepath.Join(dir, "20261124T030149Z-shop"))
	assert.Equal(t, 1, backup.Status(err))
	assert.ErrorContains(t, err, "there is no such backup")
}
