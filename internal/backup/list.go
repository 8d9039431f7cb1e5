package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// verifiedFile is beside a backup's own files: when they were last read and held to the manifest.
const verifiedFile = "verified.json"

// Verification is the outcome of reading a whole backup.
type Verification struct {
	At time.Time `json:"at"`
	// Fault is empty where all was as the manifest says.
	Fault string `json:"fault,omitempty"`
}

// List lists the backups in a directory, the newest first. Those that are not
// whole have a Fault; what is being made or deleted is none. A directory that
// is not there has none.
func List(dir string) ([]Backup, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, onDisk(dir, err)
	}
	var found []Backup
	for _, entry := range entries {
		if entry.IsDir() && idPattern.MatchString(entry.Name()) {
			found = append(found, look(filepath.Join(dir, entry.Name())))
		}
	}
	slices.SortStableFunc(found, func(a, b Backup) int {
		if order := b.StartedAt.Compare(a.StartedAt); order != 0 {
			return order
		}
		return strings.Compare(b.ID, a.ID)
	})
	return found, nil
}

// look sees whether all files are there with their sizes.
func look(dir string) Backup {
	opened, err := Open(dir)
	if err != nil {
		return Backup{Manifest: Manifest{ID: filepath.Base(dir)}, Dir: dir, Fault: err.Error()}
	}
	for _, file := range opened.Files {
		info, err := os.Stat(filepath.Join(dir, filepath.Base(file.Name)))
		switch {
		case err != nil:
			opened.Fault = err.Error()
		case info.Size() != file.Size:
			opened.Fault = fmt.Sprintf("%s has %d bytes, the manifest says %d", file.Name, info.Size(), file.Size)
		}
	}
	content, err := os.ReadFile(filepath.Join(dir, verifiedFile))
	var verified Verification
	if err != nil || json.Unmarshal(content, &verified) != nil {
		return *opened // whoever noted it did not come to the end
	}
	opened.Verified = &verified
	if opened.Fault == "" {
		opened.Fault = verified.Fault
	}
	return *opened
}

// Prove verifies the backup and keeps the outcome beside it.
func (b *Backup) Prove(ctx context.Context) error {
	err := b.Verify(ctx)
	if ctx.Err() != nil {
		return err
	}
	b.Verified = &Verification{At: time.Now().UTC()}
	if err != nil {
		b.Verified.Fault, b.Fault = err.Error(), err.Error()
	}
	return errors.Join(err, b.note())
}

// note keeps the outcome, or the previous one where it cannot be written.
func (b *Backup) note() error {
	content, err := json.Marshal(b.Verified)
	if err != nil {
		return err
	}
	aside := filepath.Join(b.Dir, "."+verifiedFile+partSuffix)
	if err = writeSynced(aside, append(content, '\n')); err == nil {
		err = os.Rename(aside, filepath.Join(b.Dir, verifiedFile))
	}
	if err == nil {
		return syncDir(b.Dir)
	}
	err = errors.Join(err, os.RemoveAll(aside))
	if full(err) {
		return fmt.Errorf("%w: %s: %w; the backup is there, but that it was read as a whole is not noted; %s", ErrDiskFull, b.Dir, err, makeRoom)
	}
	return onDisk(b.Dir, err)
}

// ProveAll proves each of a list that has a manifest. What is wrong with one
// is said by its Fault.
func ProveAll(ctx context.Context, found []Backup) error {
	for i := range found {
		if found[i].FinishedAt.IsZero() {
			continue
		}
		if err := found[i].Prove(ctx); err != nil && !errors.Is(err, ErrIncomplete) {
			return err
		}
	}
	return nil
}

// Good says whether the backup is whole, as far as is known.
func (b Backup) Good() bool { return b.Fault == "" }

// Find opens the backup of an ID in dir.
func Find(dir, id string) (*Backup, error) { return Open(filepath.Join(dir, id)) }
