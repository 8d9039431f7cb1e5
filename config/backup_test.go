package config_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/witchcityrope/database/config"
)

func TestOldestBackup(t *testing.T) {
	for schedule, oldest := range map[string]time.Duration{
		"0 2 * * *":     30 * time.Hour,
		"@hourly":       75 * time.Minute,
		"0 2 * * 1-5":   90 * time.Hour, // over the weekend
		"0 2,14 * * *":  15 * time.Hour,
		"0 2 30 2 *":    0,
		"*/5 * * * 1-5": (48*time.Hour + 5*time.Minute) * 5 / 4, // from Friday 23:55
		"0 2 29 2 *":    (4*365 + 1) * 24 * time.Hour * 5 / 4,
		"* * * * *":     75 * time.Second,
		"@every 6h":     7*time.Hour + 30*time.Minute,
	} {
		assert.Equal(t, oldest, config.Backup{Schedule: schedule}.OldestBackup(), schedule)
	}
	assert.Equal(t, time.Hour, config.Backup{Schedule: "@daily", MaxAge: config.Duration(time.Hour)}.OldestBackup())
}
