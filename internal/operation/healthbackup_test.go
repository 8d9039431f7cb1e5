package operation

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/backup"
	"github.com/witchcityrope/database/internal/engine"
	"github.com/witchcityrope/database/internal/health"
	"github.com/witchcityrope/database/internal/receipt"
)

func TestDrillsAreRead(t *testing.T) {
	stack := &config.Stack{Storage: config.Storage{Protect: true}, Drill: config.Drill{MaxAge: config.Duration(24 * time.Hour)}}
	look := &examination{Operation: &Operation{Project: &engine.Project{Dir: t.TempDir()}, Stack: "prod", config: stack}}
	read := func() *health.Drill {
		require.NoError(t, look.drill())
		return look.Measured.Drill
	}
	assert.Equal(t, &health.Drill{None: true, MaxAge: 24 * time.Hour}, read())

	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	keep := func(r receipt.Receipt) {
		_, err := receipt.Keep(look.receiptDir(), r)
		require.NoError(t, err)
	}
	keep(receipt.Receipt{Stack: "prod", Backup: "first", At: at, Good: true})
	assert.Equal(t, &health.Drill{Good: at, MaxAge: 24 * time.Hour}, read())

	keep(receipt.Receipt{Stack: "prod", Backup: "second", At: at.Add(time.Hour), Reason: "damaged"})
	assert.Equal(t, &health.Drill{Good: at, Failed: "damaged", MaxAge: 24 * time.Hour}, read())

	look.Measured.Drill, stack.Storage.Protect = nil, false
	assert.Nil(t, read(), "nothing asks for drills")
}

func TestTheNewestGoodBackupCounts(t *testing.T) {
	at := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	declared := config.Backup{Enabled: true, Schedule: "0 2 * * *"}
	assert.Equal(t, &health.Backup{None: true, Warning: 30 * time.Hour, Critical: 60 * time.Hour}, newest(nil, declared))
	good := backup.Backup{Manifest: backup.Manifest{ID: "good", StartedAt: at.Add(-24 * time.Hour), FinishedAt: at}}
	listed := []backup.Backup{{Manifest: backup.Manifest{ID: "truncated", StartedAt: at}, Fault: "too short"}, good, {Manifest: backup.Manifest{ID: "older", StartedAt: at.Add(-48 * time.Hour)}}}
	found := newest(listed, declared)
	assert.Equal(t, "good", found.ID)
	assert.Equal(t, good.StartedAt, found.At, "what was written while the dump was made is not in it")
	assert.False(t, found.None)
	assert.True(t, newest(listed[:1], declared).None)
}
