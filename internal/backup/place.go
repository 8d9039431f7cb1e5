package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

const (
	lockName   = ".lock"
	partSuffix = ".part" // being made
	goneSuffix = ".gone" // being deleted
)

// idPattern is a backup's name.
var idPattern = regexp.MustCompile(`^\d{8}T\d{6}Z-.+$`)

// IsID says whether a text is the name of a backup.
func IsID(text string) bool { return idPattern.MatchString(text) }

// newID names a backup: the names of directories sort by age.
func newID(at time.Time, database string) string {
	return at.UTC().Format("20060102T150405Z") + "-" + strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|`, r) || r < ' ' {
			return '_'
		}
		return r
	}, database)
}

// place is a directory of backups, ours for now.
type place struct {
	dir  string
	lock *flock.Flock
	part string // where the backup is made
	id   string
}

// enter takes the directory, and sweeps out what somebody who was killed left behind.
func enter(dir string, say func(string)) (*place, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, onDisk(dir, err)
	}
	entered := &place{dir: dir, lock: flock.New(filepath.Join(dir, lockName), flock.SetPermissions(0o600))}
	ours, err := entered.lock.TryLock()
	if err != nil {
		return nil, onDisk(dir, err)
	}
	if !ours {
		return nil, fmt.Errorf("%w: into %s; wait for it", ErrBusy, dir)
	}
	if err := entered.sweep(say); err != nil {
		return nil, errors.Join(onDisk(dir, err), entered.leave())
	}
	return entered, nil
}

func (p *place) leave() error { return p.lock.Close() }

func (p *place) sweep(say func(string)) error {
	for _, suffix := range []string{partSuffix, goneSuffix} {
		left, err := filepath.Glob(filepath.Join(p.dir, ".*"+suffix))
		if err != nil {
			return err
		}
		for _, dir := range left {
			if err := os.RemoveAll(dir); err != nil {
				return err
			}
			if say != nil {
				say("swept out " + filepath.Base(dir) + ", which was left unfinished")
			}
		}
	}
	return nil
}

// skew is what clocks may differ by without one having moved.
const skew = 5 * time.Second

// clock refuses a time before that of the newest backup.
func (p *place) clock(now time.Time) error {
	backups, err := List(p.dir)
	if err != nil {
		return err
	}
	for _, newest := range backups {
		if newest.FinishedAt.After(now.Add(skew)) {
			return fmt.Errorf("%w: backup %s was finished at %s, and it is %s now; set the clock, or move that backup elsewhere if it was the clock then that was wrong",
				ErrClock, newest.ID, newest.FinishedAt.Format(time.RFC3339), now.Format(time.RFC3339))
		}
	}
	return nil
}

// begin makes the directory aside. Two backups of a second have different ones.
func (p *place) begin(manifest *Manifest) error {
	for at := manifest.StartedAt; ; at = at.Add(time.Second) {
		p.id = newID(at, manifest.Database)
		if _, err := os.Lstat(filepath.Join(p.dir, p.id)); errors.Is(err, os.ErrNotExist) {
			break
		} else if err != nil {
			return onDisk(p.dir, err)
		}
	}
	manifest.ID = p.id
	p.part = filepath.Join(p.dir, "."+p.id+partSuffix)
	return onDisk(p.dir, os.Mkdir(p.part, 0o700))
}

// abandon removes what was made so far.
func (p *place) abandon() error { return os.RemoveAll(p.part) }

// commit makes the backup be there, at once and for good.
func (p *place) commit(manifest *Manifest) (*Backup, error) {
	content, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := writeSynced(filepath.Join(p.part, ManifestFile), append(content, '\n')); err != nil {
		return nil, err
	}
	if err := syncDir(p.part); err != nil {
		return nil, err
	}
	dir := filepath.Join(p.dir, p.id)
	if err := os.Rename(p.part, dir); err != nil {
		return nil, err
	}
	return &Backup{Manifest: *manifest, Dir: dir}, syncDir(p.dir)
}

func writeSynced(path string, content []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	return errors.Join(err, file.Sync(), file.Close())
}

// drop deletes a backup: half deleted, it is none any more.
func (p *place) drop(backup Backup) error {
	aside := filepath.Join(p.dir, "."+filepath.Base(backup.Dir)+goneSuffix)
	if err := os.Rename(backup.Dir, aside); err != nil {
		return err
	}
	return os.RemoveAll(aside)
}
