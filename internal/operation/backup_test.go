package operation

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/backup"
	"github.com/witchcityrope/database/internal/engine"
)

const day = 24 * time.Hour

// keepsOld has backups of some days ago in a directory, the first of them damaged,
// and says which are left once it was tidied.
func (o *Operation) keepsOld(t *testing.T, dir string, days ...int) (left []int) {
	t.Helper()
	now := time.Now().UTC()
	for i, age := range days {
		at := now.Add(-time.Duration(age) * day)
		manifest := backup.Manifest{ID: at.Format("20060102T150405Z") + "-shop", StartedAt: at, FinishedAt: at}
		if i == 0 {
			manifest.Files = []backup.File{{Name: backup.DumpFile, Size: 1}} // which is not there
		}
		content, err := json.Marshal(manifest)
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Join(dir, manifest.ID), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, manifest.ID, backup.ManifestFile), content, 0o600))
	}
	_, err := o.retention(dir).Apply(dir, now, nil)
	require.NoError(t, err)
	kept, err := backup.List(dir)
	require.NoError(t, err)
	for _, each := range kept {
		left = append(left, int(now.Sub(each.StartedAt)/day))
	}
	return left
}

func TestOldBackupsOfTheStacksOwnDirectoryGo(t *testing.T) {
	for _, each := range []struct {
		what      string
		retention time.Duration
		own       bool
		ages      []int
		left      []int
	}{
		{"old ones go", 30 * day, true, []int{1, 20, 31, 40}, []int{1, 20}},
		{"the last good one stays", 30 * day, true, []int{1, 31, 40}, []int{1, 31}},
		{"for ever", 0, true, []int{1, 20, 31, 40}, []int{1, 20, 31, 40}},
		{"what --out names is its owner's", 30 * day, false, []int{1, 20, 31, 40}, []int{1, 20, 31, 40}},
	} {
		stack := &config.Stack{Name: "dev"}
		stack.Backup.Retention = config.Duration(each.retention)
		o := &Operation{Project: &engine.Project{Dir: t.TempDir()}, Stack: "dev", config: stack}
		dir := t.TempDir()
		if each.own {
			dir = o.backupDir()
		}
		assert.Equal(t, each.left, o.keepsOld(t, dir, each.ages...), each.what)
	}
}
