package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/docker/go-units"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/backup"
	"github.com/witchcityrope/database/internal/indexes"
	"github.com/witchcityrope/database/internal/masking/maskingtest"
	"github.com/witchcityrope/database/internal/operation"
	"github.com/witchcityrope/database/internal/pgtools"
	"github.com/witchcityrope/database/internal/receipt"
)

const (
	// enough rows of UserNotes make 1 GiB.
	enough = 900_000
	// demanded of a backup is this part of the rate of pg_dump alone.
	demanded = 0.9
	// rounds are measured: an odd number.
	rounds = 3
)

// notesIndex is declared beside the delivered ones.
const notesIndex = "idx_user_notes_created"

var (
	recordOperations = flag.String("record-operations", "", "file to write what backup, drill, restore, refresh and indexes of a large database were measured to take, as Markdown")
	largeNotes       = flag.Int("notes", enough, "rows of UserNotes in the large database; with fewer, the report is of a trial")
)

// notes are of random text, which hardly compresses.
const notes = `INSERT INTO public."UserNotes" ("Id", "UserId", "Content", "NoteType", "CreatedAt")
	SELECT gen_random_uuid(), "Id", (SELECT string_agg(md5(random()::text || n || k), '') FROM generate_series(1, 32) k), 'note', now()
	FROM (SELECT "Id" FROM public."Users" LIMIT 1) AS users, generate_series(1, $1) AS n`

// large are prod with a large database, and dev, which it is refreshed into.
type large struct {
	*keeper
	dev *project
	key string // the file of the private key
	// dumped and backed are what pg_dump alone, and a backup of the same format, took in turns.
	dumped, backed []time.Duration
	made           backup.Backup
	rows           []string
}

// TestEndToEndLarge measures what operations on a large database take, and
// demands of a backup that it is hardly slower than pg_dump.
func TestEndToEndLarge(t *testing.T) {
	if *recordOperations == "" {
		t.Skip("NOT RUN: it takes minutes; make record-operations")
	}
	began := time.Now()
	l := newLarge(t)
	trial := *largeNotes < enough
	for i := range rounds {
		l.pair(t, i%2 == 0)
	}
	bytes := l.made.DatabaseBytes
	ratio := l.ratio()
	l.row("pg_dump alone, to nowhere: format custom, 1 CPU", middle(l.dumped), "")
	l.row("`wcrdb backup --out`: format custom, 1 CPU; encrypted, with checksums and the rows of each table", middle(l.backed), fmt.Sprintf("%.2f of pg_dump alone", ratio))
	l.agent(t)
	l.restores(t)
	l.indexes(t)
	l.refreshes(t)

	title := "# Operations on a large database"
	if trial {
		title += ": a trial with a small one, where nothing is demanded of rates"
	}
	text := fmt.Sprintf(`%s

Written by %s; not to be edited. The stack prod with the application's tables and %d rows of random text: %s in the server, %s in the backup.
On a machine that did other things, too.

The backup was compared with pg_dump in %d pairs, by turns in this order and the other; the times below are medians, the ratio is the median of the pairs', and
the test demands %.1f of it. Both programs ran in a container with 1 CPU, over TLS, and the time is that of the dump: without the start of containers and
of wcrdb, and without the reading of all of the backup that follows, by which it is verified.

| what | took | rate of the database's size |
|---|---|---|
%s
`, title, "`make record-operations`", *largeNotes, units.BytesSize(float64(bytes)), units.BytesSize(float64(l.made.Size())), rounds, demanded, strings.Join(l.rows, "\n"))
	require.NoError(t, os.WriteFile(*recordOperations, []byte(text), 0o644))
	t.Logf("it took %s", time.Since(began).Round(time.Second))
	if trial {
		t.Logf("NOT DEMANDED of %d rows: 1 GiB, and %.1f of pg_dump's rate; it was %.2f", *largeNotes, demanded, ratio)
		return
	}
	assert.GreaterOrEqual(t, bytes, int64(units.GiB), "1 GiB are to be measured")
	assert.GreaterOrEqual(t, ratio, demanded, "backups %v, pg_dump alone %v", l.backed, l.dumped)
}

func newLarge(t *testing.T) *large {
	t.Helper()
	p, dev := twoStacks(t, operation.StandIns)
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	l := &large{dev: dev, key: filepath.Join(t.TempDir(), "key")}
	require.NoError(t, os.WriteFile(l.key, []byte(identity.String()+"\n"), 0o600))
	declared := p.read("Pulumi.prod.yaml")["config"].(map[string]any)[projectName+":indexes"].([]any)
	p.configure(values{
		"backup":   values{"recipients": []any{identity.Recipient().String()}},
		"settings": values{"statement_timeout": nil},
		"indexes":  append(declared, values{"name": notesIndex, "table": "UserNotes", "columns": []any{"CreatedAt", "UserId", "NoteType"}}),
	})
	p.up()
	dev.configure(values{"settings": values{"statement_timeout": nil}})
	dev.up()
	superuser := p.superuser(t, p.config().Database.Name)
	maskingtest.Fill(t, superuser, maskingtest.Columns(t, superuser), 100)
	_, err = superuser.Exec(t.Context(), `SELECT setval(pg_get_serial_sequence('"RoleClaims"', 'Id'), 100)`)
	require.NoError(t, err)
	_, err = superuser.Exec(t.Context(), notes, *largeNotes)
	require.NoError(t, err)
	_, err = superuser.Exec(t.Context(), "VACUUM ANALYZE")
	require.NoError(t, err)
	_, err = superuser.Exec(t.Context(), "CHECKPOINT")
	require.NoError(t, err)
	l.keeper = &keeper{project: p, logins: p.connections(), tables: tables(t, p.session(t, p.connections()["migrator"]))}
	l.privies = l.privileges(t)
	return l
}

// row of the report.
func (l *large) row(what string, took time.Duration, more string) {
	rate := units.BytesSize(float64(l.made.DatabaseBytes)/took.Seconds()) + "/s"
	if more != "" {
		rate += ", " + more
	}
	l.rows = append(l.rows, fmt.Sprintf("| %s | %.1f s | %s |", what, took.Seconds(), rate))
}

// pair measures pg_dump and a backup of one format, one after the other.
func (l *large) pair(t *testing.T, dumpFirst bool) {
	t.Helper()
	plain := func() { l.dumped = append(l.dumped, l.dump(t, backup.Custom)) }
	if dumpFirst {
		plain()
	}
	l.configure(values{"backup": values{"formats": []any{backup.Custom}}})
	l.made = told[backup.Backup](l.project, "backup", "--out", filepath.Join(l.dir, "backups"))
	l.configure(values{"backup": values{"formats": nil}})
	l.backed = append(l.backed, l.made.Duration())
	if !dumpFirst {
		plain()
	}
}

// ratio is what part of pg_dump's rate backups have: the median of the pairs'.
func (l *large) ratio() float64 {
	var ratios []float64
	for i := range l.dumped {
		ratios = append(ratios, l.dumped[i].Seconds()/l.backed[i].Seconds())
	}
	return middle(ratios)
}

// middle of an odd number of values.
func middle[T int | float64 | time.Duration](values []T) T {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// dump is how long pg_dump takes by itself, in a container as backups have one.
func (l *large) dump(t *testing.T, format string) time.Duration {
	t.Helper()
	authorities, err := os.ReadFile(l.local("ca.crt"))
	require.NoError(t, err)
	login := l.names().Backup
	tools, err := pgtools.Start(t.Context(), pgtools.Options{
		Engine: l.docker, Image: l.container().Image, Network: l.config().Network.Name, Host: l.config().Network.Alias, CAPEM: authorities,
		Login: login, Password: l.derivation().Password(login, l.names().Generation(login)), Name: l.config().Server.Name, CPUs: 1,
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, tools.Close(context.WithoutCancel(t.Context()))) }()
	began := time.Now()
	require.NoError(t, tools.Run(t.Context(), pgtools.Command{Args: []string{"pg_dump", "--format=" + format, "--dbname=" + l.config().Database.Name}}))
	return time.Since(began)
}

// agent makes a backup as prod makes its own: in its container, in both formats.
func (l *large) agent(t *testing.T) {
	t.Helper()
	both := l.dump(t, backup.Custom) + l.dump(t, backup.Plain)
	made := told[backup.Backup](l.project, "backup")
	require.Equal(t, []string{backup.Custom, backup.Plain}, made.Formats, "prod's")
	l.row("pg_dump alone, to nowhere: format custom, and then plain, 1 CPU", both, "")
	l.row("`wcrdb backup`, in the container that makes backups by the schedule: both formats, 1 CPU with encryption", made.Duration(),
		fmt.Sprintf("%.2f of the two", both.Seconds()/made.Duration().Seconds()))
}

func (l *large) restores(t *testing.T) {
	t.Helper()
	proven := told[receipt.Receipt](l.project, "drill", "--from", l.made.Dir, "--identity", l.key)
	require.True(t, proven.Good, proven.Fault)
	l.row("`wcrdb drill`: an empty machine with Docker to a database that can be used", proven.Restore(), "")
	for _, check := range proven.Checks {
		l.rows = append(l.rows, fmt.Sprintf("| ‑ %s: %s | %.1f s | |", check.Name, check.Found, check.Seconds))
	}
	report := told[operation.RestoreReport](l.project, "restore", "--from", l.made.Dir, "--identity", l.key, "--yes")
	assert.Empty(t, report.Access.Failing)
	assert.Equal(t, l.privies, l.privileges(t), "privileges")
	l.unchanged()
	l.rows = append(l.rows, fmt.Sprintf("| `wcrdb restore` beside the running one | %.1f s | nobody could log in for %.2f s |", report.Seconds, report.Away))
}

// indexes are built while the application writes.
func (l *large) indexes(t *testing.T) {
	t.Helper()
	_, stop := l.writes(t, `public."UserNotes"`)
	began := time.Now()
	report, outcomes := l.buildsIndexes(0)
	took, written := time.Since(began), stop()
	assert.True(t, slices.ContainsFunc(report.Indexes, func(each indexes.Result) bool { return each.Name == notesIndex && each.Outcome == indexes.Built }), "%+v", report)
	assert.Positive(t, written.rows)
	l.rows = append(l.rows, fmt.Sprintf("| `wcrdb indexes`: %d built, one of them of %d rows, while the application writes such | %.1f s | %d writes meanwhile, 0 failed, the slowest took %.0f ms |",
		outcomes[indexes.Built], *largeNotes, took.Seconds(), written.rows, float64(written.slowest)/float64(time.Millisecond)))
}

func (l *large) refreshes(t *testing.T) {
	t.Helper()
	report := told[operation.RefreshedData](l.dev, "refresh-data", "--from", "prod", "--yes")
	assert.Greater(t, report.Rows, int64(*largeNotes))
	assert.Empty(t, report.Access.Failing)
	session := l.dev.superuser(t, l.dev.config().Database.Name)
	assert.Zero(t, ask[int](t, session, `SELECT count(*) FROM "UserNotes" WHERE "Content" <> 'a note'`), "masked")
	l.row(fmt.Sprintf("`wcrdb refresh-data` to dev: %d tables with %d rows, masked", len(report.Tables), report.Rows), time.Duration(report.Seconds*float64(time.Second)),
		fmt.Sprintf("nobody could log in for %.2f s", report.Away))
}
