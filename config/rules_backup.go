package config

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
)

// leastBackupMemory is what the container and pg_dump need.
const leastBackupMemory = 64 << 20

func backups(s *Stack, faults *Faults) {
	b := s.Backup
	if b.Enabled && s.Target.Type == External {
		faults.add("backup.enabled", true, "backups are made by a container beside the server's, and target.type is external", "leave it out, and let whoever runs the server back it up")
	}
	switch _, err := ParseSchedule(b.Schedule); {
	case strings.Contains(b.Schedule, "TZ="):
		faults.add("backup.schedule", b.Schedule, "a schedule is in UTC, which has no hour twice or not at all", "leave the time zone out")
	case err != nil:
		faults.add("backup.schedule", b.Schedule, "is not a schedule: "+err.Error(), `write five fields (minute, hour, day, month, weekday), such as "0 2 * * *", or @daily`)
	case b.OldestBackup() <= 0:
		faults.add("backup.schedule", b.Schedule, "there is no such day", `write a day that comes, such as "0 2 * * *"`)
	}
	if b.Directory != "" {
		if !path.IsAbs(b.Directory) || path.Clean(b.Directory) == "/" {
			faults.add("backup.directory", b.Directory, "is not the path of a directory for backups on the Docker host", "write an absolute path, such as /mnt/backups/postgresql")
		}
		if data := s.Storage.Path; s.Storage.Type == Bind && data != "" && strings.HasPrefix(path.Clean(b.Directory)+"/", path.Clean(data)+"/") {
			faults.add("backup.directory", b.Directory, "is inside storage.path: whatever happens to the data happens to the backups", "choose a directory of another disk")
		}
		if b.Volume != s.Server.Name+"-backups" {
			faults.add("backup.volume", b.Volume, "backups are kept in backup.directory", "leave out one of the two")
		}
	} else if b.Enabled && !dockerName.MatchString(b.Volume) {
		faults.add("backup.volume", b.Volume, "is not a name that Docker accepts", "use 2 to 63 letters, digits, dots, dashes and underscores, a letter or digit first")
	} else if b.Volume == s.Storage.Volume {
		faults.add("backup.volume", b.Volume, "is the volume of the data: whatever happens to the data happens to the backups", "leave it out, or name another")
	}
	if !slices.Contains(b.Formats, CustomFormat) {
		faults.add("backup.formats", strings.Join(b.Formats, ", "), "wcrdb restore needs the format custom", "add custom")
	}
	for _, format := range b.Formats {
		oneOf(faults, "backup.formats", format, CustomFormat, PlainFormat)
	}
	for i, key := range b.Recipients {
		at := fmt.Sprintf("backup.recipients[%d]", i)
		if strings.HasPrefix(strings.ToUpper(key), "AGE-SECRET-KEY-") {
			faults.add(at, nil, "is a private key: whoever has the backups must not have it", "take it out, make a new pair with age-keygen, and write the public key (age1…)")
		} else if _, err := age.ParseX25519Recipient(key); err != nil {
			faults.add(at, key, "is not a public age key", "write the line that age-keygen calls public key (age1…)")
		}
	}
	if oldest := b.OldestBackup(); b.Retention > 0 && oldest > 0 && time.Duration(b.Retention) < oldest {
		faults.add("backup.retention", b.Retention, "is shorter than the time between two backups", "keep backups for longer, or make them more often")
	}
	cpus(faults, "backup.cpus", b.CPUs)
	atLeast(faults, "backup.memory", b.Memory, leastBackupMemory, "is too little for pg_dump")
}
