package restore

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/witchcityrope/database/internal/backup"
)

// Reason is why a backup cannot be restored, or was not what it says.
type Reason string

// The reasons.
const (
	Incomplete       Reason = "incomplete"
	WrongKey         Reason = "wrong key"
	Truncated        Reason = "truncated"
	Damaged          Reason = "damaged"
	WrongMajor       Reason = "wrong major"
	MissingRole      Reason = "missing role"
	MissingExtension Reason = "missing extension"
	Unreadable       Reason = "unreadable dump"
	NotRestored      Reason = "not restored"
	WrongContent     Reason = "wrong content"
	// What a drill finds in what was restored.
	NoLogin     Reason = "no login"
	WrongAccess Reason = "wrong access"
	Corrupt     Reason = "corrupt"
)

// statuses are the exit statuses of the reasons.
var statuses = map[Reason]int{
	Incomplete: backup.Status(backup.ErrIncomplete), WrongKey: backup.Status(backup.ErrKey),
	Truncated: 30, Damaged: 31, WrongMajor: 32, MissingRole: 33, MissingExtension: 34, Unreadable: 35, NotRestored: 36, WrongContent: 37,
	NoLogin: 38, WrongAccess: 39, Corrupt: 40,
}

// Status is the exit status of a reason; 1 for none.
func (r Reason) Status() int { return cmp.Or(statuses[r], 1) }

// Fault is an error whose reason is known.
type Fault struct {
	Reason Reason
	Err    error
}

func (f *Fault) Error() string {
	text := f.Err.Error()
	if strings.Contains(text, string(f.Reason)+": ") {
		return text
	}
	return string(f.Reason) + ": " + text
}

// Unwrap gives what happened.
func (f *Fault) Unwrap() error { return f.Err }

func fault(reason Reason, format string, args ...any) error {
	return &Fault{reason, fmt.Errorf(format, args...)}
}

// ReasonOf is an error's reason; empty if it has none, as where the network failed.
func ReasonOf(err error) Reason {
	var found *Fault
	if errors.As(err, &found) {
		return found.Reason
	}
	return ""
}

// OfBackup gives an error of reading a backup its reason.
func OfBackup(err error) error {
	for _, known := range []struct {
		is     error
		reason Reason
	}{
		{backup.ErrTruncated, Truncated}, {backup.ErrDamaged, Damaged}, {backup.ErrKey, WrongKey}, {backup.ErrIncomplete, Incomplete},
	} {
		if errors.Is(err, known.is) && ReasonOf(err) == "" {
			return &Fault{known.reason, err}
		}
	}
	return err
}
