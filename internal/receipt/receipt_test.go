package receipt_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/receipt"
)

func TestReceipts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "receipts")
	none, err := receipt.List(dir)
	require.NoError(t, err)
	assert.Empty(t, none)
	now := time.Date(2026, 11, 24, 2, 15, 0, 0, time.UTC)
	const month = 30 * 24 * time.Hour
	assert.Equal(t, "no backup has been proven by a drill yet", receipt.Stale(none, now, month))

	bad := receipt.Receipt{Backup: "a", At: now.Add(-time.Hour), Reason: "damaged"}
	assert.Equal(t, "no drill has been good yet; the last one: damaged", receipt.Stale([]receipt.Receipt{bad}, now, month))
	good := receipt.Receipt{Backup: "b", At: now.AddDate(0, 0, -31), Good: true, Checks: []receipt.Check{{Name: "rows", Found: "3 rows", Seconds: 1}}}
	for _, one := range []receipt.Receipt{bad, good, {Backup: "c", At: now.AddDate(0, 0, -40), Good: true}} {
		path, err := receipt.Keep(dir, one)
		require.NoError(t, err)
		require.FileExists(t, path)
	}
	found, err := receipt.List(dir)
	require.NoError(t, err)
	require.Len(t, found, 3)
	assert.Equal(t, bad, found[0])
	last, there := receipt.LastGood(found)
	require.True(t, there)
	assert.Equal(t, good, last)
	assert.Equal(t, "the last good drill was 31 days ago, on 2026-10-24; drill.maxAge is 30d", receipt.Stale(found, now, month))
	assert.Empty(t, receipt.Stale(found, now, month+2*24*time.Hour))

	require.NoError(t, os.WriteFile(filepath.Join(dir, "z.json"), []byte("{"), 0o600))
	_, err = receipt.List(dir)
	require.ErrorContains(t, err, "z.json")
}
