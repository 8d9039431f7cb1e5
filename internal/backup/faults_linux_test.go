package backup_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/backup"
	"github.com/witchcityrope/database/internal/pgtest"
	"github.com/witchcityrope/database/internal/pgtools"
)

// both are the formats that there are.
var both = []string{backup.Custom, backup.Plain}

// TestFaults shows each fault with its message and exit status, and that nothing of the backup stays.
func TestFaults(t *testing.T) {
	server := server(t)
	for _, fault := range []struct {
		name string
		show func(*testing.T, *pgtest.Server, string)
	}{
		{"wrong password", wrongPassword},
		{"may not be read", unreadable},
		{"clock moved back", clockMovedBack},
		{"two at once", twoAtOnce},
		{"interrupted", interrupted},
		{"killed", killed},
		{"full disk", fullDisk},
		{"missing program", missingProgram},
		{"no SQL", noSQL},
		{"disk full when it is noted", fullDiskForNote},
		{"disk full of what has expired", fullOfExpired},
		{"not let in", notLetIn},
		{"session ended", sessionEnded},
		{"server gone midway", serverGone},
	} {
		t.Run(fault.name, func(t *testing.T) { fault.show(t, server, t.TempDir()) })
	}
}

func serverGone(t *testing.T, server *pgtest.Server, dir string) {
	from := source(t, server)
	from.Tools = during{from.Tools, func() { assert.NoError(t, server.Kill()) }}
	_, err := backup.Make(t.Context(), from, backup.Options{Dir: dir, Formats: both})
	require.ErrorIs(t, err, backup.ErrServerGone)
	assert.Equal(t, 21, backup.Status(err))
	nothing(t, dir)
}

func sessionEnded(t *testing.T, server *pgtest.Server, dir string) {
	from := source(t, server)
	super := server.Connect(t)
	from.Tools = during{from.Tools, func() {
		_, err := super.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", login)
		assert.NoError(t, err)
	}}
	_, err := backup.Make(t.Context(), from, backup.Options{Dir: dir})
	require.ErrorIs(t, err, backup.ErrServerGone)
	nothing(t, dir)
}

func wrongPassword(t *testing.T, server *pgtest.Server, _ string) {
	_, err := server.Login(t.Context(), login, "this-is-not-it", "shop")
	err = backup.Connecting(t.Context(), err)
	require.ErrorIs(t, err, backup.ErrPassword)
	assert.Equal(t, 22, backup.Status(err))
	assert.NotContains(t, err.Error(), "this-is-not-it")
}

func unreadable(t *testing.T, server *pgtest.Server, dir string) {
	super := server.ConnectAs(t, pgtest.Superuser, pgtest.Password, "shop")
	from := source(t, server)
	for forbid, allow := range map[string]string{
		"REVOKE pg_read_all_data FROM " + login:                       "GRANT pg_read_all_data TO " + login,
		"ALTER TABLE auth.users ENABLE ROW LEVEL SECURITY":            "ALTER TABLE auth.users DISABLE ROW LEVEL SECURITY",
		"SELECT lo_create(7); ALTER LARGE OBJECT 7 OWNER TO postgres": "SELECT lo_unlink(7)",
	} {
		_, err := super.Exec(t.Context(), forbid)
		require.NoError(t, err)
		_, err = backup.Make(t.Context(), from, backup.Options{Dir: dir})
		require.ErrorIs(t, err, backup.ErrPermission, forbid)
		assert.Regexp(t, "table auth.users|large object 7", err.Error())
		assert.Equal(t, 23, backup.Status(err))
		nothing(t, dir)
		_, err = super.Exec(t.Context(), allow)
		require.NoError(t, err)
	}
}

func clockMovedBack(t *testing.T, server *pgtest.Server, dir string) {
	later := aged(0).Manifest
	later.FinishedAt = time.Now().Add(time.Hour)
	write(t, dir, later)
	_, err := backup.Make(t.Context(), source(t, server), backup.Options{Dir: dir})
	require.ErrorIs(t, err, backup.ErrClock)
	require.ErrorContains(t, err, later.ID)
	assert.Equal(t, 24, backup.Status(err))
}

func twoAtOnce(t *testing.T, server *pgtest.Server, dir string) {
	elsewhere := t.TempDir()
	from, other := source(t, server), source(t, server)
	from.Tools = during{from.Tools, func() {
		_, err := backup.Make(t.Context(), other, backup.Options{Dir: dir})
		assert.ErrorIs(t, err, backup.ErrBusy, "into the same directory")
		assert.Equal(t, 25, backup.Status(err))
		_, err = backup.Make(t.Context(), other, backup.Options{Dir: elsewhere})
		assert.ErrorIs(t, err, backup.ErrBusy, "of the same database")
		nothing(t, elsewhere)
	}}
	_, err := backup.Make(t.Context(), from, backup.Options{Dir: dir})
	require.NoError(t, err)
	_, err = backup.Make(t.Context(), other, backup.Options{Dir: dir})
	require.NoError(t, err, "when the other is done")
	made, err := backup.List(dir)
	require.NoError(t, err)
	assert.Len(t, made, 2)
}

func interrupted(t *testing.T, server *pgtest.Server, dir string) {
	from := source(t, server)
	ctx, cancel := context.WithCancel(t.Context())
	from.Tools = during{from.Tools, cancel}
	_, err := backup.Make(ctx, from, backup.Options{Dir: dir, Formats: both})
	require.ErrorIs(t, err, backup.ErrInterrupted)
	assert.Equal(t, 26, backup.Status(err))
	nothing(t, dir)
}

func killed(t *testing.T, server *pgtest.Server, dir string) {
	process := exec.Command(os.Args[0], "-test.run=^TestVictim$")
	process.Env = append(os.Environ(), fmt.Sprintf("%s=%d %s", victim, server.Port, dir))
	err := process.Run()
	var ended *exec.ExitError
	require.ErrorAs(t, err, &ended)
	require.Equal(t, syscall.SIGKILL, ended.Sys().(syscall.WaitStatus).Signal())
	half := func() []string {
		left, err := filepath.Glob(filepath.Join(dir, ".*.part"))
		require.NoError(t, err)
		return left
	}
	require.Len(t, half(), 1, "it was killed in the middle")
	found, err := backup.List(dir)
	require.NoError(t, err)
	require.Empty(t, found, "what is half made does not count")

	var said []string
	from := source(t, server)
	require.Eventually(t, func() bool { // the server notices that the other is gone
		_, err = backup.Make(t.Context(), from, backup.Options{Dir: dir, Say: func(line string) { said = append(said, line) }})
		return backup.Status(err) != backup.Status(backup.ErrBusy)
	}, 10*time.Second, 50*time.Millisecond)
	require.NoError(t, err)
	assert.Contains(t, strings.Join(said, "\n"), "left unfinished")
	assert.Empty(t, half())
}

func fullDisk(t *testing.T, server *pgtest.Server, dir string) {
	small(t, dir, "1m")
	for _, formats := range [][]string{{backup.Custom}, both} {
		_, err := backup.Make(t.Context(), source(t, server), backup.Options{Dir: dir, Formats: formats})
		require.ErrorIs(t, err, backup.ErrDiskFull)
		require.ErrorContains(t, err, dir)
		assert.Equal(t, 20, backup.Status(err))
		nothing(t, dir)
	}
}

// noSQL: where the dump cannot be written as SQL, there is no backup.
func noSQL(t *testing.T, server *pgtest.Server, dir string) {
	from := source(t, server)
	from.Tools = without{from.Tools, "sh"}
	_, err := backup.Make(t.Context(), from, backup.Options{Dir: dir, Formats: both})
	require.ErrorIs(t, err, exec.ErrNotFound)
	nothing(t, dir)
}

// fullDiskForNote: the backup is there, and so is the previous note.
func fullDiskForNote(t *testing.T, server *pgtest.Server, dir string) {
	small(t, dir, "16m")
	made, err := backup.Make(t.Context(), source(t, server), backup.Options{Dir: dir})
	require.NoError(t, err)
	require.NoError(t, made.Prove(t.Context()))
	before := read(t, made.Dir, "verified.json")
	fillUp(t, dir)
	err = made.Prove(t.Context())
	require.ErrorIs(t, err, backup.ErrDiskFull)
	assert.Equal(t, 20, backup.Status(err))
	assert.NotContains(t, err.Error(), "nothing of this backup is kept")
	assert.Equal(t, before, read(t, made.Dir, "verified.json"))
	listed, err := backup.List(dir)
	require.NoError(t, err)
	require.Len(t, listed, 1)
	assert.True(t, listed[0].Good())
}

// fullOfExpired: what is no longer kept makes room for the next backup, where a newer one is good.
func fullOfExpired(t *testing.T, server *pgtest.Server, dir string) {
	small(t, dir, "16m")
	for _, age := range []time.Duration{time.Hour, 31 * day} {
		at := time.Now().UTC().Add(-age)
		write(t, dir, backup.Manifest{ID: at.Format("20060102T150405Z") + "-shop", StartedAt: at, FinishedAt: at.Add(time.Minute)})
	}
	listed, err := backup.List(dir)
	require.NoError(t, err)
	require.Len(t, listed, 2)
	fillUp(t, listed[1].Dir)
	_, err = backup.Retention{Keep: 60 * day, Allowed: 30 * time.Hour}.Make(t.Context(), source(t, server), backup.Options{Dir: dir})
	require.ErrorIs(t, err, backup.ErrDiskFull)
	require.ErrorContains(t, err, "shorten backup.retention")

	var said []string
	made, err := backup.Retention{Keep: 30 * day, Allowed: 30 * time.Hour}.Make(t.Context(), source(t, server), backup.Options{
		Dir: dir, Say: func(line string) { said = append(said, line) },
	})
	require.NoError(t, err)
	assert.NotNil(t, made.Verified)
	assert.Contains(t, strings.Join(said, "\n"), "deleted "+listed[1].ID)
	left, err := backup.List(dir)
	require.NoError(t, err)
	assert.Equal(t, []string{made.ID, listed[0].ID}, ids(left))
}

// small makes a directory a disk of its own.
func small(t *testing.T, dir, size string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("NOT RUN: only root can make a small disk")
	}
	require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size))
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
}

// fillUp leaves nothing of a disk.
func fillUp(t *testing.T, dir string) {
	t.Helper()
	file, err := os.Create(filepath.Join(dir, "much"))
	require.NoError(t, err)
	for err == nil {
		_, err = file.Write(make([]byte, 4096))
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NoError(t, file.Close())
}

// notLetIn tells apart who gave up, and that the other is a stranger.
func notLetIn(t *testing.T, server *pgtest.Server, _ string) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := server.Login(ctx, login, secret, "shop")
	assert.Equal(t, 26, backup.Status(backup.Connecting(ctx, err)), err)

	stranger := fmt.Errorf("login: %w", &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}})
	err = backup.Connecting(t.Context(), stranger)
	assert.NotErrorIs(t, err, backup.ErrServerGone)
	assert.ErrorContains(t, err, "does not prove who it is")
	assert.Equal(t, 1, backup.Status(err))
}

// without has not all programs.
type without struct {
	pgtools.Runner
	program string
}

func (w without) Run(ctx context.Context, command pgtools.Command) error {
	if command.Args[0] == w.program {
		return exec.ErrNotFound
	}
	return w.Runner.Run(ctx, command)
}

func missingProgram(t *testing.T, server *pgtest.Server, dir string) {
	from := source(t, server)
	from.Tools = without{from.Tools, "pg_dump"}
	_, err := backup.Make(t.Context(), from, backup.Options{Dir: dir})
	require.ErrorIs(t, err, exec.ErrNotFound)
	assert.Equal(t, 1, backup.Status(err))
	nothing(t, dir)
}

// victim tells a process of this test that it is the one to be killed.
const victim = "WCRDB_TEST_VICTIM"

// TestVictim is that process.
func TestVictim(t *testing.T) {
	given, chosen := os.LookupEnv(victim)
	if !chosen {
		return
	}
	port, dir, _ := strings.Cut(given, " ")
	number, err := strconv.Atoi(port)
	require.NoError(t, err)
	settings, err := pgx.ParseConfig(fmt.Sprintf("host=127.0.0.1 port=%d user=%s password=%s dbname=shop", number, login, secret))
	require.NoError(t, err)
	session, err := pgx.ConnectConfig(t.Context(), settings)
	require.NoError(t, err)
	_, err = backup.Make(t.Context(), backup.Source{
		Session: session, Tools: during{tools(t, number, login, secret), func() { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL) }},
	}, backup.Options{Dir: dir})
	require.Fail(t, "it lives", err)
}

func TestADirectoryThatMayNotBeWritten(t *testing.T) {
	dir := t.TempDir()
	if os.Geteuid() == 0 { // who may write everywhere but here
		require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_RDONLY, ""))
		t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, 0)) })
	}
	require.True(t, os.Geteuid() == 0 || os.Chmod(dir, 0o500) == nil) //nolint:gosec // a directory
	_, err := backup.Make(t.Context(), backup.Source{}, backup.Options{Dir: dir})
	require.ErrorIs(t, err, backup.ErrPermission)
	assert.ErrorContains(t, err, dir)
}
