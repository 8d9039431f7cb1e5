// Package backup makes and reads backups of a database. A backup is a
// directory, complete or absent: a dump that pg_restore reads, for people the
// same as SQL, who may log in, what is set and installed, and a manifest that
// says what is in it and how to tell that it is whole.
package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Files of a backup. An encrypted one has a suffix.
const (
	ManifestFile   = "manifest.json"
	DumpFile       = "database.dump"
	SQLFile        = "database.sql"
	RolesFile      = "roles.sql"
	SettingsFile   = "settings.json"
	ExtensionsFile = "extensions.json"

	EncryptedSuffix = ".age"
)

// Formats of a dump.
const (
	Custom = "custom" // for pg_restore
	Plain  = "plain"  // SQL, for people
)

// Manifest says what is in a backup.
type Manifest struct {
	// ID is the backup's name: when it was begun, and of which database.
	ID         string    `json:"id"`
	Project    string    `json:"project"`
	Stack      string    `json:"stack"`
	Database   string    `json:"database"`
	StartedAt  time.Time `json:"startedAt"`
	FinishedAt time.Time `json:"finishedAt"`
	// ServerVersion is as the server says it; ImageDigest is of the image that it runs.
	ServerVersion string `json:"serverVersion"`
	ServerMajor   int    `json:"serverMajor"`
	ImageDigest   string `json:"imageDigest"`
	// LSN is where the write-ahead log was when the dump's snapshot was taken.
	LSN string `json:"lsn"`
	// LastMigration is Entity Framework's; empty where it has no history.
	LastMigration string `json:"lastMigration"`
	Files         []File `json:"files"`
	// Tables are those of the dump, with their rows in its snapshot.
	Tables     []Table           `json:"tables"`
	Roles      []string          `json:"roles"`
	Extensions []Extension       `json:"extensions"`
	Settings   map[string]string `json:"settings"`
	// Recipients are the public keys that the dump is encrypted for.
	Recipients []string `json:"recipients"`
	Formats    []string `json:"formats"`
	// DatabaseBytes is pg_database_size.
	DatabaseBytes int64 `json:"databaseBytes"`
}

// File is a file of a backup.
type File struct {
	Name string `json:"name"`
	// Size and SHA256 are of the file as it is stored.
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	// PlainSHA256 is of what was encrypted; the same as SHA256 where nothing is.
	PlainSHA256 string `json:"plainSha256"`
	Encrypted   bool   `json:"encrypted"`
}

// Table is a table of a dump.
type Table struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	Rows   int64  `json:"rows"`
}

// Extension is an extension of the database.
type Extension struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Schema  string `json:"schema"`
}

// File finds the stored file of one of the names above, encrypted or not.
func (m Manifest) File(name string) (File, bool) {
	at := slices.IndexFunc(m.Files, func(file File) bool { return file.Name == name || file.Name == name+EncryptedSuffix })
	if at < 0 {
		return File{}, false
	}
	return m.Files[at], true
}

// Size is that of all files.
func (m Manifest) Size() int64 {
	var size int64
	for _, file := range m.Files {
		size += file.Size
	}
	return size
}

// Duration is how long the backup took.
func (m Manifest) Duration() time.Duration { return m.FinishedAt.Sub(m.StartedAt) }

// ErrIncomplete is of a directory that is no backup, or no longer one.
var ErrIncomplete = errors.New("not a complete backup")

// Backup is a backup on disk.
type Backup struct {
	Manifest
	// Dir is where it is.
	Dir string `json:"dir"`
	// Fault is why it is not whole, as far as List or Prove have seen; empty where it is.
	Fault string `json:"fault,omitempty"`
	// Verified is when and how it was last read as a whole; nil if never.
	Verified *Verification `json:"verified,omitempty"`
}

// Open reads the manifest of the backup in a directory.
func Open(dir string) (*Backup, error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: there is no such backup; wcrdb backups lists those that there are", dir)
	}
	content, err := os.ReadFile(filepath.Join(dir, ManifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w: it has no %s; wcrdb backups lists those that there are", dir, ErrIncomplete, ManifestFile)
	}
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	opened := &Backup{Dir: dir}
	if err := json.Unmarshal(content, &opened.Manifest); err != nil {
		return nil, fmt.Errorf("%s: %w: %s: %w", dir, ErrIncomplete, ManifestFile, err)
	}
	if opened.ID == "" || opened.FinishedAt.IsZero() {
		return nil, fmt.Errorf("%s: %w: %s names no backup", dir, ErrIncomplete, ManifestFile)
	}
	return opened, nil
}
