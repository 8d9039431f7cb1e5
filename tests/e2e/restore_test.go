//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/backup"
	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/operation"
	"github.com/witchcityrope/database/internal/receipt"
)

// TestEndToEndRestore: what was lost comes back, and nothing else changes.
func TestEndToEndRestore(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "prod", plugins).initialize()
		identity, err := age.GenerateX25519Identity()
		require.NoError(t, err)
		key := filepath.Join(t.TempDir(), "key")
		require.NoError(t, os.WriteFile(key, []byte(identity.String()+"\n"), 0o600))
		p.configure(values{"backup": values{"recipients": []any{identity.Recipient().String()}}})
		p.up()
		k := p.fillIn(t)
		dir := filepath.Join(p.dir, "backups")
		var made backup.Backup
		require.NoError(t, json.Unmarshal([]byte(p.must("backup", "--out", dir, "--json").stdout), &made))

		p.step("drill", func(t *testing.T) { provesDrill(t, p, made, key) })
		p.step("all of it", func(t *testing.T) { provesRestore(t, k, made, key) })
		p.step("single tables", func(t *testing.T) { provesRestoreOfTables(t, k, made, key) })
		p.step("killed", func(t *testing.T) { provesRestoreKilled(t, k, made, key) })
		p.step("from where the stack keeps its backups", func(t *testing.T) {
			var newest backup.Backup
			require.NoError(t, json.Unmarshal([]byte(p.must("backup", "--json").stdout), &newest))
			ended := exec.Command("true")
			require.NoError(t, ended.Run())
			left := p.local(fmt.Sprintf("fetched-%d-1", ended.Process.Pid))
			require.NoError(t, os.MkdirAll(left, 0o700))
			assert.Contains(t, p.must("drill", "--identity", key).stdout, newest.ID+" is good")
			assert.NoDirExists(t, left, "what a killed run had copied is removed by the next")
			p.must("restore", "--from", newest.ID, "--identity", key, "--yes")
			k.kept(t)
		})
		p.step("faults", func(t *testing.T) {
			p.fails(28, []string{"wrong key: ", "--identity"}, "restore", "--from", made.Dir, "--yes")
			p.fails(2, []string{"--yes"}, "restore", "--from", made.Dir)
			p.fails(2, []string{"--from"}, "restore")
			damaged := filepath.Join(dir, "20200101T000000Z-damaged")
			require.NoError(t, os.CopyFS(damaged, os.DirFS(made.Dir)))
			require.NoError(t, os.Truncate(filepath.Join(damaged, "database.dump.age"), 1000))
			p.fails(30, []string{"truncated: "}, "restore", "--from", damaged, "--identity", key, "--yes")
			p.fails(30, []string{"is no good", "truncated: ", "receipt: "}, "drill", "--from", damaged, "--identity", key)
			assert.Contains(t, p.must("drills").stdout, "truncated")
			k.kept(t)
		})
		p.step("nothing is left", func(t *testing.T) {
			found, err := dockerengine.Containers(t.Context(), p.docker, dockerengine.Labels{dockerengine.LabelStack: p.stack})
			require.NoError(t, err)
			for _, left := range found {
				assert.NotRegexp(t, p.config().Server.Name+"-(tools|drill)-", left.Names[0])
			}
			p.noTemporaryFiles()
			copied, err := filepath.Glob(p.local("fetched-*"))
			require.NoError(t, err)
			assert.Empty(t, copied)
		})
	})
}

// noDumpOnDisk proves that programs that restore have the decrypted dump, and on
// no disk: Docker lists what is on that of their container.
func (p *project) noDumpOnDisk(t *testing.T) {
	t.Helper()
	found, err := dockerengine.Containers(t.Context(), p.docker, dockerengine.Labels{dockerengine.LabelStack: p.stack})
	require.NoError(t, err)
	looked := 0
	for _, each := range found {
		if !strings.HasPrefix(each.Names[0], "/"+p.config().Server.Name+"-tools-") {
			continue
		}
		looked++
		listed, code := execIn(t, p.docker, each.ID, "nobody", "find", "/wcrdb", "-name", "restore.dump")
		require.Zero(t, code, listed)
		require.NotEmpty(t, listed)
		changes, err := p.docker.ContainerDiff(t.Context(), each.ID)
		require.NoError(t, err)
		for _, change := range changes {
			assert.NotContains(t, change.Path, "restore.dump")
		}
	}
	assert.Equal(t, 1, looked)
}

func provesDrill(t *testing.T, p *project, made backup.Backup, key string) {
	t.Helper()
	const undrilled = "no backup has been proven by a drill yet: prove a backup (wcrdb drill -s prod)"
	assert.Contains(t, p.must("up").stdout, undrilled)
	assert.Contains(t, p.must("preview").stdout, undrilled)
	p.configure(values{"drill": values{"required": true}})
	p.fails(1, []string{"no backup has been proven by a drill yet, and drill.required is on: nothing was changed"}, "up")

	var proven receipt.Receipt
	require.NoError(t, json.Unmarshal([]byte(p.must("drill", "--from", made.Dir, "--identity", key, "--json").stdout), &proven))
	require.True(t, proven.Good, proven.Fault)
	assert.Equal(t, made.ID, proven.Backup)
	assert.Equal(t, made.ImageDigest, proven.Image)
	var rows int64
	for _, table := range made.Tables {
		rows += table.Rows
	}
	assert.Equal(t, rows, proven.Rows)
	require.Len(t, proven.Checks, 8)
	assert.Greater(t, proven.RestoreSeconds, 0.1)
	logins := proven.Checks[6].Found
	for _, login := range []string{p.names().App(), p.names().Migrator, p.names().ReadOnly, p.names().Monitor, p.names().Backup, p.names().Health} {
		assert.Contains(t, logins, login)
	}
	assert.NotContains(t, p.must("up").stdout, "drill")
	assert.Contains(t, p.must("drills").stdout, made.ID)

	receipts, err := filepath.Glob(p.local("receipts/*.json"))
	require.NoError(t, err)
	require.Len(t, receipts, 1)
	proven.At = time.Now().AddDate(0, 0, -31)
	text, err := json.Marshal(proven)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(receipts[0], text, 0o600))
	p.fails(1, []string{"the last good drill was 31 days ago", "drill.maxAge is 30d"}, "up")
	p.configure(values{"drill": nil})
	assert.Contains(t, p.must("up").stdout, "warning: the last good drill was 31 days ago")
}

func provesRestore(t *testing.T, k *keeper, made backup.Backup, key string) {
	t.Helper()
	database := k.config().Database.Name
	app := k.session(t, k.logins["app"])
	migrate(t, k.session(t, k.logins["migrator"]), `DROP TABLE public."Events" CASCADE; CREATE TABLE public."After" (id int)`)
	var report operation.RestoreReport
	require.NoError(t, json.Unmarshal([]byte(k.must("restore", "--from", made.Dir, "--identity", key, "--yes", "--json").stdout), &report))
	assert.Equal(t, len(made.Tables), report.Tables)
	assert.Empty(t, report.Access.Failing)
	assert.Greater(t, report.Access.Cells, 2000)
	assert.Less(t, report.Away, 5.0)
	require.Error(t, app.Ping(t.Context()), "sessions of the old database have ended")
	k.kept(t)

	old := k.superuser(t, report.Kept)
	assert.True(t, ask[bool](t, old, `SELECT to_regclass('public."After"') IS NOT NULL`), "what came after the backup is in the kept one")
	require.NoError(t, old.Close(t.Context()))
	login := k.logins["app"]
	_, err := k.open(strings.Replace(login.URI, "/"+database, "/"+report.Kept, 1))
	require.Error(t, err, "nobody but superusers gets into the kept one")
	assert.Contains(t, k.must("databases").stdout, report.Kept)
	k.fails(1, []string{"only those are dropped here"}, "databases", "drop", database, "--yes")
	k.fails(2, []string{"--yes"}, "databases", "drop", report.Kept)
	k.must("databases", "drop", report.Kept, "--yes")
	assert.Contains(t, k.must("databases").stdout, "none")
}

func provesRestoreOfTables(t *testing.T, k *keeper, made backup.Backup, key string) {
	t.Helper()
	superuser := k.superuser(t, k.config().Database.Name)
	const rows = `SELECT md5(string_agg(u::text, ' ' ORDER BY u::text)) FROM public."Users" u`
	before := ask[string](t, superuser, rows)
	migrate(t, k.session(t, k.logins["migrator"]), `UPDATE public."Users" SET "Email" = concat('lost', "Email"); DROP TABLE public."TicketPurchases" CASCADE`)
	k.fails(1, []string{"has no table public.users"}, "restore", "--from", made.Dir, "--identity", key, "--yes", "--table", "public.users")
	var report operation.RestoreReport
	done := k.must("restore", "--from", made.Dir, "--identity", key, "--yes", "--table", "public.Users", "--table", "public.TicketPurchases", "--json")
	require.NoError(t, json.Unmarshal([]byte(done.stdout), &report))
	assert.Equal(t, 2, report.Tables)
	assert.Empty(t, report.Unchecked)
	assert.Empty(t, report.Access.Failing)
	assert.Equal(t, before, ask[string](t, superuser, rows))
	assert.Positive(t, ask[int](t, superuser, fmt.Sprintf(`SELECT count(*) FROM %s."Users" WHERE "Email" LIKE 'lost%%'`, report.Kept)))
	k.kept(t)
	k.sudo(t, fmt.Sprintf("DROP SCHEMA %s CASCADE", report.Kept))
	k.kept(t)
}

// provesRestoreKilled kills a restore while it fills the new database: nothing
// has changed, and the next one clears up.
func provesRestoreKilled(t *testing.T, k *keeper, made backup.Backup, key string) {
	t.Helper()
	superuser := k.superuser(t, "postgres")
	killed := k.command(t.Context(), "restore", "--from", made.Dir, "--identity", key, "--yes")
	require.NoError(t, killed.Start())
	require.Eventually(t, func() bool {
		return ask[bool](t, superuser, "SELECT EXISTS (SELECT FROM pg_database WHERE datname ~ '_restoring_')")
	}, time.Minute, 5*time.Millisecond)
	require.NoError(t, killed.Process.Signal(syscall.SIGSTOP))
	k.noDumpOnDisk(t)
	require.NoError(t, killed.Process.Kill())
	require.Error(t, killed.Wait())
	k.kept(t)
	done := k.must("restore", "--from", made.Dir, "--identity", key, "--yes")
	assert.Contains(t, done.stdout, "is what a restore that was killed has left: it is dropped")
	k.kept(t)
	assert.Equal(t, 1, strings.Count(k.must("databases").stdout, "_before_"))
	assert.NotContains(t, k.must("databases").stdout, "_restoring_")
}
