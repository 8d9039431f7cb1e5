package operation

import (
	"context"
	"time"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/backup"
	"github.com/witchcityrope/database/internal/health"
	"github.com/witchcityrope/database/internal/receipt"
)

// drill is what the receipts of this machine say, where drills are asked for.
func (e *examination) drill() error {
	if !e.config.Storage.Protect || e.config.Drill.MaxAge == 0 {
		return nil
	}
	receipts, err := e.Drills()
	if err != nil {
		return err
	}
	found := &health.Drill{None: len(receipts) == 0, MaxAge: time.Duration(e.config.Drill.MaxAge)}
	if len(receipts) > 0 && !receipts[0].Good {
		found.Failed = receipts[0].Result()
	}
	last, _ := receipt.LastGood(receipts)
	found.Good = last.At
	e.Measured.Drill = found
	return nil
}

// backups are those where the stack keeps its own, where it makes any.
func (e *examination) backups(ctx context.Context) error {
	if !e.config.Backup.Enabled {
		return nil
	}
	ctx, cancel := e.limited(ctx)
	defer cancel()
	listed, err := e.Backups(ctx, "", false)
	if err == nil {
		e.Measured.Backup = newest(listed, e.config.Backup)
	}
	return err
}

// newest is the newest good backup. Its age is that of what is in it: from the
// beginning of the dump. One that was missed is worth a warning, two are critical.
func newest(listed []backup.Backup, declared config.Backup) *health.Backup {
	oldest := declared.OldestBackup()
	found := &health.Backup{None: true, Warning: oldest, Critical: 2 * oldest}
	for _, each := range listed {
		if each.Good() {
			found.None, found.ID, found.At = false, each.ID, each.StartedAt
			break
		}
	}
	return found
}
