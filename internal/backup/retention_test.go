package backup_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/backup"
)

var now = time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

// aged is a good backup of some days ago.
func aged(days int) backup.Backup {
	at := now.Add(-time.Duration(days) * day)
	return backup.Backup{Manifest: backup.Manifest{ID: at.Format("20060102T150405Z") + "-shop", StartedAt: at, FinishedAt: at.Add(time.Minute)}}
}

func bad(of backup.Backup) backup.Backup {
	of.Fault = "truncated"
	return of
}

func ids(of []backup.Backup) []string {
	names := []string{}
	for _, each := range of {
		names = append(names, each.ID)
	}
	return names
}

func TestRetention(t *testing.T) {
	month := backup.Retention{Keep: 30 * day, Allowed: 26 * time.Hour}
	for _, one := range []struct {
		name      string
		retention backup.Retention
		backups   []backup.Backup
		expired   []backup.Backup
		stopped   string
	}{
		{"nothing there", month, nil, nil, ""},
		{"old ones go", month, []backup.Backup{aged(0), aged(1), aged(30), aged(31), aged(40)}, []backup.Backup{aged(31), aged(40)}, ""},
		{"for ever", backup.Retention{}, []backup.Backup{aged(0), aged(999)}, nil, ""},
		{"the last one stays", month, []backup.Backup{aged(99)}, nil, ""},
		{"the newest is too old", month, []backup.Backup{aged(2), aged(31)}, nil, "backups fail, none is deleted"},
		{"bad ones do not count as the newest", month, []backup.Backup{bad(aged(0)), bad(aged(1)), aged(31), aged(32)}, nil, "backups fail"},
		{"the last good one stays among bad ones", backup.Retention{Keep: 30 * day}, []backup.Backup{bad(aged(0)), aged(31), aged(32)}, []backup.Backup{aged(32)}, ""},
		{"bad ones go, too", month, []backup.Backup{aged(0), bad(aged(31))}, []backup.Backup{bad(aged(31))}, ""},
		{"none is good", month, []backup.Backup{bad(aged(0)), bad(aged(31))}, nil, "no backup is good"},
		{"the clock moved back", month, []backup.Backup{aged(-1), aged(31)}, nil, "the clock moved back"},
	} {
		expired, stopped := one.retention.Expired(one.backups, now)
		assert.Equal(t, ids(one.expired), ids(expired), one.name)
		if one.stopped == "" {
			assert.Empty(t, stopped, one.name)
		} else {
			assert.Contains(t, stopped, one.stopped, one.name)
		}
	}
}

// TestRetentionNeverTakesTheLastGoodOne whatever there is and whatever the time.
func TestRetentionNeverTakesTheLastGoodOne(t *testing.T) {
	for range 5000 {
		var backups []backup.Backup
		good := 0
		for age := rand.IntN(5) - 2; len(backups) < rand.IntN(12); age += 1 + rand.IntN(20) {
			one := aged(age)
			if rand.IntN(3) == 0 {
				one = bad(one)
			} else {
				good++
			}
			backups = append(backups, one)
		}
		retention := backup.Retention{Keep: time.Duration(1+rand.IntN(40)) * day, Allowed: time.Duration(rand.IntN(3)) * day}
		expired, stopped := retention.Expired(backups, now)
		for _, gone := range expired {
			if gone.Good() {
				good--
			}
			assert.Greater(t, now.Sub(gone.StartedAt), retention.Keep)
		}
		assert.True(t, good > 0 || len(expired) == 0)
		assert.True(t, stopped == "" || len(expired) == 0)
	}
}

// write makes a backup of a manifest alone.
func write(t *testing.T, dir string, manifest backup.Manifest) {
	t.Helper()
	content, err := json.Marshal(manifest)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, manifest.ID), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, manifest.ID, backup.ManifestFile), content, 0o600))
}

func TestRetentionOnDisk(t *testing.T) {
	dir := t.TempDir()
	for _, age := range []int{0, 1, 31, 32} {
		write(t, dir, aged(age).Manifest)
	}
	require.NoError(t, os.Mkdir(filepath.Join(dir, "somebody's"), 0o700))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "."+aged(50).ID+".gone"), 0o700))
	deleted, err := backup.Retention{Keep: 30 * day}.Apply(dir, now, nil)
	require.NoError(t, err)
	assert.Equal(t, ids([]backup.Backup{aged(31), aged(32)}), ids(deleted))
	left, err := backup.List(dir)
	require.NoError(t, err)
	assert.Equal(t, ids([]backup.Backup{aged(0), aged(1)}), ids(left))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 4, "the two, somebody's, and the lock")
}
