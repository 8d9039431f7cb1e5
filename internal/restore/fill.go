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
	"github.com/docker/go-units"

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
	// Jobs work at once. More than one need the dump as a file; one reads it as it is decrypted.
	Jobs int
}

// archived is the name of the dump beside the programs.
const archived = "restore.dump"

// Decrypted is how many bytes of a file the programs need that no disk may have:
// the dump, where it is encrypted and has to be a file.
func (f Filling) Decrypted() int64 {
	file, _ := f.From.File(backup.DumpFile)
	if f.Jobs <= 1 || !file.Encrypted {
		return 0
	}
	return file.Size + units.MiB // encryption only adds to it
}

// Stage brings the dump, decrypted, to where several jobs can read it.
func (f Filling) Stage(ctx context.Context) (err error) {
	if f.Jobs <= 1 {
		return nil
	}
	content, err := f.From.Dump(f.Identities...)
	if err != nil {
		return OfBackup(err)
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	return OfBackup(f.Tools.Put(ctx, archived, content))
}

// Restore runs pg_restore on the dump.
func (f Filling) Restore(ctx context.Context, args ...string) (err error) {
	command := pgtools.Command{Args: append([]string{"pg_restore"}, args...)}
	if f.Jobs > 1 {
		command.Args = append(command.Args, "--jobs="+strconv.Itoa(f.Jobs), f.Tools.Path(archived))
		return f.run(ctx, command)
	}
	content, err := f.From.Dump(f.Identities...)
	if err != nil {
		return OfBackup(err)
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	// It may need only a part; all of it is held to the manifest.
	command.Args, command.Stdin = append([]string{"sh", "-c", `"$@" && exec cat >/dev/null`, "sh"}, command.Args...), content
	return OfBackup(f.run(ctx, command))
}

func (f Filling) run(ctx context.Context, command pgtools.Command) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	heard := &listener{fail: cancel}
	command.Stderr = heard.line
	return heard.verdict(f.Tools.Run(ctx, command))
}

// listener tells errors from one that is none: a pg_restore of 17 tells every
// server that it has no limit on transactions, and older servers do not know the setting.
// It writes a message piece by piece: lines of workers that speak at once take turns, and mix.
type listener struct {
	fail     context.CancelCauseFunc
	error    []string // the lines of the last one
	stray    []string // the last lines that belong to none, and to no query
	harmless int
}

const (
	failure     = "pg_restore: error: "
	workerDied  = failure + "a worker process died unexpectedly"
	queryFailed = "could not execute query"
	commandWas  = "Command was: "
	unknown     = "transaction_timeout"
)

func (l *listener) line(line string) {
	switch {
	case strings.Contains(line, unknown) && (strings.Contains(line, queryFailed) || strings.HasPrefix(line, commandWas)):
		l.harmless++
	case strings.HasPrefix(line, failure):
		if len(l.error) > 0 {
			l.end()
		}
		l.error = []string{strings.TrimPrefix(line, failure)}
		if line == workerDied { // of what, may be in lines that were mixed
			l.error = append(l.error, l.stray...)
		}
	case len(l.error) == 0 && strings.Contains(line, queryFailed): // not why a worker died
	case len(l.error) == 0:
		l.stray = append(l.stray, line)
		l.stray = l.stray[max(0, len(l.stray)-strayLines):]
	case strings.HasPrefix(line, commandWas):
		l.error = append(l.error, line)
		l.end()
	default:
		l.error = append(l.error, line)
	}
}

// strayLines are as many as matter.
const strayLines = 20

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
	if noDump.MatchString(said) && !strings.Contains(said, queryFailed) {
		return fault(Unreadable, "pg_restore cannot read the dump: %s", said)
	}
	return &Fault{NotRestored, fmt.Errorf("pg_restore: %s", said)}
}
