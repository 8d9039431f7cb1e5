package restore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"filippo.io/age"

	"github.com/witchcityrope/database/internal/backup"
	"github.com/witchcityrope/database/internal/pgtools"
)

// Tools are PostgreSQL's programs, with a place for files of their own.
type Tools interface {
	pgtools.Runner
	Put(ctx context.Context, name string, content io.Reader) error
	Path(name string) string
}

// Filling is a run of pg_restore.
type Filling struct {
	Tools      Tools
	From       *backup.Backup
	Identities []age.Identity
	// Jobs work at once; more than one need the dump as a file.
	Jobs int
}

// archived is the name of the dump beside the programs.
const archived = "restore.dump"

// Stage brings the dump, decrypted, to where several jobs can read it.
func (f Filling) Stage(ctx context.Context) (err error) {
	content, err := f.From.Dump(f.Identities...)
	if err != nil {
		return OfBackup(err)
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	return OfBackup(f.Tools.Put(ctx, archived, content))
}

// Restore runs pg_restore on the staged dump.
func (f Filling) Restore(ctx context.Context, args ...string) error {
	command := append([]string{"pg_restore"}, args...)
	if f.Jobs > 1 {
		command = append(command, "--jobs="+strconv.Itoa(f.Jobs))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	heard := &listener{fail: cancel}
	err := f.Tools.Run(ctx, pgtools.Command{Args: append(command, f.Tools.Path(archived)), Stderr: heard.line})
	return heard.verdict(err)
}

// listener tells errors from one that is none: a pg_restore of 17 tells every
// server that it has no limit on transactions, and older servers do not know the setting.
type listener struct {
	fail     context.CancelCauseFunc
	error    []string // the lines of the last one
	harmless int
}

const (
	failure     = "pg_restore: error: "
	commandWas  = "Command was: "
	unknownLine = commandWas + "SET transaction_timeout = 0;"
)

func (l *listener) line(line string) {
	switch {
	case strings.HasPrefix(line, failure):
		if len(l.error) > 0 {
			l.end()
		}
		l.error = []string{strings.TrimPrefix(line, failure)}
	case line == unknownLine:
		l.error, l.harmless = nil, l.harmless+1
	case len(l.error) == 0:
	case strings.HasPrefix(line, commandWas):
		l.error = append(l.error, line)
		l.end()
	default:
		l.error = append(l.error, line)
	}
}

// end ends the program at its first error, rather than at its last.
func (l *listener) end() { l.fail(explain(strings.Join(l.error, "\n"))) }

func (l *listener) verdict(err error) error {
	var failed *pgtools.Failed
	switch {
	case ReasonOf(err) != "" || !errors.As(err, &failed):
		return err
	case len(l.error) > 0:
		return explain(strings.Join(l.error, "\n"))
	case failed.Status == 1 && l.harmless > 0:
		return nil
	}
	return explain(failed.Error())
}

var (
	noRole      = regexp.MustCompile(`role "([^"]+)" does not exist`)
	noExtension = regexp.MustCompile(`extension "([^"]+)" is not available|could not open extension control file "[^"]*/([^/"]+)\.control"`)
	noDump      = regexp.MustCompile(`(?i)input file|could not read|end of file|uncompress|unsupported version|magic string|corrupt|archive|out of range|entry ID|unrecognized data block`)
)

// explain gives what pg_restore said its reason.
func explain(said string) error {
	if name := noRole.FindStringSubmatch(said); name != nil {
		return fault(MissingRole, "the dump needs role %s, and the server has no such role: %s", name[1], said)
	}
	if name := noExtension.FindStringSubmatch(said); name != nil {
		return fault(MissingExtension, "the dump needs extension %s, which the server's image does not have: %s", name[1]+name[2], said)
	}
	if noDump.MatchString(said) && !strings.Contains(said, "could not execute query") {
		return fault(Unreadable, "pg_restore cannot read the dump: %s", said)
	}
	return &Fault{NotRestored, fmt.Errorf("pg_restore: %s", said)}
}
