// Package agent is the program that makes backups in a container of its own:
// what it is told, which version it has, and how it is built.
package agent

import "time"

// Where the agent finds things in its container, and keeps the backups.
const (
	Program      = "/usr/local/bin/wcrdb-backup"
	SettingsFile = "/etc/wcrdb/backup.json"
	PasswordFile = "/etc/wcrdb/password" //nolint:gosec // the name of a file
	CAFile       = "/etc/wcrdb/ca.crt"
	BackupsDir   = "/backups"
)

// Settings are what the agent is told; nothing in them is secret.
type Settings struct {
	Project  string `json:"project"`
	Stack    string `json:"stack"`
	Database string `json:"database"`
	Image    string `json:"image"`

	Host  string `json:"host"`
	Port  int    `json:"port"`
	Login string `json:"login"`
	TLS   bool   `json:"tls"`

	// Schedule is cron's, with its time zone.
	Schedule string `json:"schedule"`
	// Keep is how long backups are kept; Allowed how old the newest may be.
	Keep       time.Duration `json:"keep"`
	Allowed    time.Duration `json:"allowed"`
	Formats    []string      `json:"formats"`
	Recipients []string      `json:"recipients"`
}
