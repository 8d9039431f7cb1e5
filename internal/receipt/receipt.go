// Package receipt keeps what drills have proven. Receipts are files of the
// machine that drills, in the stack's local folder: there an up finds them
// without reaching the backups, and a drill needs no right to write among those.
package receipt

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/witchcityrope/database/internal/wholefile"
)

// Receipt is what one drill has proven, or has not.
type Receipt struct {
	Stack  string `json:"stack"`
	Backup string `json:"backup"`
	// Image is the digest of the image that the backup was restored with.
	Image         string    `json:"image"`
	ServerVersion string    `json:"serverVersion"`
	At            time.Time `json:"at"`
	// RestoreSeconds is how long it took from an empty machine with Docker to a
	// database that can be used: the recovery time.
	RestoreSeconds float64 `json:"restoreSeconds"`
	// AgeSeconds is how old the backup was: what would have been lost.
	AgeSeconds float64 `json:"ageSeconds"`
	Good       bool    `json:"good"`
	// Reason and Fault say what was wrong.
	Reason string  `json:"reason,omitempty"`
	Fault  string  `json:"fault,omitempty"`
	Checks []Check `json:"checks"`
	Tables int     `json:"tables"`
	Rows   int64   `json:"rows"`
	Bytes  int64   `json:"bytes"`
}

// Check is one thing that was proven, and how long that took.
type Check struct {
	Name    string  `json:"name"`
	Found   string  `json:"found"`
	Seconds float64 `json:"seconds"`
}

// Restore is how long the restore took.
func (r Receipt) Restore() time.Duration {
	return time.Duration(r.RestoreSeconds * float64(time.Second))
}

// Age is how old the backup was.
func (r Receipt) Age() time.Duration { return time.Duration(r.AgeSeconds * float64(time.Second)) }

// Result in a word or two.
func (r Receipt) Result() string {
	switch {
	case r.Good:
		return "good"
	case r.Reason != "":
		return r.Reason
	}
	return "failed"
}

const suffix = ".json"

// Keep writes a receipt, and returns its file.
func Keep(dir string, receipt Receipt) (path string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("receipts: %w", err)
	}
	content, err := json.MarshalIndent(receipt, "", "  ")
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, receipt.At.UTC().Format("20060102T150405.000Z")+"-"+filepath.Base(receipt.Backup)+suffix)
	if err := wholefile.Write(path, append(content, '\n'), 0o600); err != nil {
		return "", fmt.Errorf("receipts: %w", err)
	}
	return path, nil
}

// List lists the receipts in a directory, the newest first.
func List(dir string) ([]Receipt, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return []Receipt{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("receipts: %w", err)
	}
	found := []Receipt{}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") || !strings.HasSuffix(entry.Name(), suffix) {
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, fmt.Errorf("receipts: %w", err)
		}
		var receipt Receipt
		if err := json.Unmarshal(content, &receipt); err != nil {
			return nil, fmt.Errorf("receipt %s: %w; delete it, it proves nothing", filepath.Join(dir, entry.Name()), err)
		}
		found = append(found, receipt)
	}
	slices.SortStableFunc(found, func(a, b Receipt) int { return b.At.Compare(a.At) })
	return found, nil
}

// LastGood is the newest good receipt.
func LastGood(receipts []Receipt) (Receipt, bool) {
	at := slices.IndexFunc(receipts, func(receipt Receipt) bool { return receipt.Good })
	if at < 0 {
		return Receipt{}, false
	}
	return receipts[at], true
}

// Stale says why the last good receipt does not do: there is none, or it is
// older than it may be. Empty where it does.
func Stale(receipts []Receipt, now time.Time, maxAge time.Duration) string {
	last, there := LastGood(receipts)
	switch age := now.Sub(last.At); {
	case !there && len(receipts) > 0:
		return fmt.Sprintf("no drill has been good yet; the last one: %s", receipts[0].Result())
	case !there:
		return "no backup has been proven by a drill yet"
	case age > maxAge:
		return fmt.Sprintf("the last good drill was %d days ago, on %s; drill.maxAge is %s", int(age.Hours()/24), last.At.Format(time.DateOnly), days(maxAge))
	}
	return ""
}

func days(d time.Duration) string {
	if d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	}
	return d.String()
}
