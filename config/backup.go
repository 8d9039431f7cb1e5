package config

import (
	"time"

	"github.com/robfig/cron/v3"
)

// Backup is the scheduled backup: a container beside the server that dumps the
// database as the login backup. What it makes outlives the stack: down deletes
// the container, and no backup.
type Backup struct {
	Enabled    bool     `json:"enabled" doc:"run the container that makes backups"`
	Schedule   string   `json:"schedule" default:"0 2 * * *" doc:"when, as cron has it: minute, hour, day, month, weekday; in UTC"`
	Directory  string   `json:"directory" doc:"absolute path on the Docker host that backups are kept in; must exist"`
	Volume     string   `json:"volume" doc:"name of the Docker volume that backups are kept in, where no directory is given; \"<container name>-backups\" if empty"`
	Retention  Duration `json:"retention" default:"30d" doc:"how long a backup is kept; the last good one always is, and nothing is deleted while backups fail; 0s: for ever"`
	Formats    []string `json:"formats" default:"[\"custom\",\"plain\"]" doc:"custom, which there always is, for restore; plain: SQL, for people"`
	Recipients []string `json:"recipients" doc:"public age keys (age1…) that dumps are encrypted for; the private key stays elsewhere; not encrypted if empty"`
	MaxAge     Duration `json:"maxAge" doc:"how old the newest backup may be; the longest time between two by the schedule and a quarter more, if 0s"`
	CPUs       float64  `json:"cpus" default:"1" doc:"limit, in CPUs"`
	Memory     Size     `json:"memory" default:"512MiB" doc:"limit; swap is not used"`
}

// The formats of a dump.
const (
	CustomFormat = "custom"
	PlainFormat  = "plain"
)

// BackupContainer is the name of the container that makes backups.
func (s *Stack) BackupContainer() string { return s.Server.Name + "-backup" }

// ScheduleZone begins a schedule: it is in UTC.
const ScheduleZone = "CRON_TZ=UTC "

// ParseSchedule reads when backups are made.
func ParseSchedule(text string) (cron.Schedule, error) {
	schedule, err := cron.ParseStandard(ScheduleZone + text)
	return schedule, err
}

// OldestBackup is how old the newest backup may be.
func (b Backup) OldestBackup() time.Duration {
	if b.MaxAge > 0 {
		return time.Duration(b.MaxAge)
	}
	schedule, err := ParseSchedule(b.Schedule)
	if err != nil {
		return 0 // refused by a rule
	}
	if every, is := schedule.(cron.ConstantDelaySchedule); is {
		return every.Delay + every.Delay/4
	}
	longest := longestGap(schedule)
	return longest + longest/4
}

// longestGap is the longest time between two of a schedule's times within a year,
// or the first where that is longer; 0 where there are none. Every day that has any has the same: the
// gaps within the first such day are looked at one by one, and then only those between days.
func longestGap(schedule cron.Schedule) (longest time.Duration) {
	const day = 24 * time.Hour
	first := schedule.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(-1))
	if first.IsZero() {
		return 0 // there is no such day
	}
	last := first
	for next := schedule.Next(last); next.Truncate(day).Equal(first.Truncate(day)); next = schedule.Next(last) {
		longest, last = max(longest, next.Sub(last)), next
	}
	within := last.Sub(first)
	for at := first; at.Sub(first) < 366*day; {
		next := schedule.Next(at.Truncate(day).Add(day - 1))
		if next.IsZero() {
			return 0
		}
		longest, at = max(longest, next.Sub(at)-within), next
	}
	return longest
}
