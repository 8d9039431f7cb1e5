package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/robfig/cron/v3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/agent"
	"github.com/witchcityrope/database/internal/backup"
)

var now = time.Date(2026, 11, 24, 1, 0, 0, 0, time.UTC)

// newWorker has backups of some ages, and is itself as old as is said.
func newWorker(t *testing.T, own time.Duration, ages ...time.Duration) *worker {
	t.Helper()
	made := &worker{Settings: agent.Settings{Allowed: 30 * time.Hour}, dir: t.TempDir(), started: filepath.Join(t.TempDir(), "started")}
	require.NoError(t, os.WriteFile(made.started, nil, 0o600))
	require.NoError(t, os.Chtimes(made.started, now.Add(-own), now.Add(-own)))
	for _, age := range ages {
		at := now.Add(-age)
		manifest := backup.Manifest{ID: at.Format("20060102T150405Z") + "-shop", StartedAt: at, FinishedAt: at.Add(time.Minute)}
		content, err := json.Marshal(manifest)
		require.NoError(t, err)
		require.NoError(t, os.Mkdir(filepath.Join(made.dir, manifest.ID), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(made.dir, manifest.ID, backup.ManifestFile), content, 0o600))
	}
	return made
}

func TestHealth(t *testing.T) {
	for name, one := range map[string]struct {
		own   time.Duration
		ages  []time.Duration
		fault string
	}{
		"young":                    {own: 99 * time.Hour, ages: []time.Duration{23 * time.Hour, 47 * time.Hour}},
		"old":                      {own: time.Minute, ages: []time.Duration{31 * time.Hour}, fault: "20261122T180000Z-shop, is 31 hours old, and 30 hours is allowed"},
		"none, and not yet due":    {own: 29 * time.Hour},
		"none, though it was time": {own: 31 * time.Hour, fault: "there is no good backup"},
	} {
		err := newWorker(t, one.own, one.ages...).health(now)
		if one.fault == "" {
			assert.NoError(t, err, name)
		} else {
			assert.ErrorContains(t, err, one.fault, name)
		}
	}
}

func TestABadBackupIsNotHealthy(t *testing.T) {
	worker := newWorker(t, 99*time.Hour, time.Hour)
	found, err := backup.List(worker.dir)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(found[0].Dir, "verified.json"), []byte(`{"fault": "a byte was changed"}`), 0o600))
	assert.Error(t, worker.health(now))
}

// TestAMissedBackupIsMadeAtOnce, when the container starts again after its time.
func TestAMissedBackupIsMadeAtOnce(t *testing.T) {
	schedule, err := cron.ParseStandard("CRON_TZ=UTC 0 2 * * *")
	require.NoError(t, err)
	next := time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC)
	for name, one := range map[string]struct {
		ages []time.Duration
		due  time.Time
	}{
		"none yet":   {nil, next},
		"not missed": {[]time.Duration{23 * time.Hour}, next},
		"missed":     {[]time.Duration{24 * time.Hour, 48 * time.Hour}, now},
	} {
		due, err := newWorker(t, 0, one.ages...).due(schedule, now)
		require.NoError(t, err)
		assert.True(t, one.due.Equal(due), "%s: %s", name, due)
	}
}
