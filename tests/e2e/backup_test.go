//go:build linux

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/agent"
	"github.com/witchcityrope/database/internal/backup"
	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/operation"
)

// TestEndToEndBackup makes backups on demand and by schedule, and shows what goes wrong with them.
func TestEndToEndBackup(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "dev", plugins).initialize()
		p.up()
		p.makeTable(t)
		p.step("on demand, into a directory", func(t *testing.T) { provesBackupOnDemand(t, p) })
		provesFaultsOfBackups(p)
		p.step("down", func(t *testing.T) { p.must("down", "--yes") })
	})
}

// TestEndToEndScheduledBackup: production backs itself up.
func TestEndToEndScheduledBackup(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "prod", plugins).initialize()
		p.up()
		p.makeTable(t)
		name := p.config().BackupContainer()
		p.step("the container", func(t *testing.T) {
			found, there, err := dockerengine.Container(t.Context(), p.docker, name)
			require.NoError(t, err)
			require.True(t, there)
			assert.True(t, found.State.Running)
			assert.Equal(t, p.container().Image, found.Image, "the server's image")
			assert.Equal(t, []string{p.config().Network.Name}, slices.Collect(maps.Keys(found.NetworkSettings.Networks)), "no way out")
			assert.EqualValues(t, 512<<20, found.HostConfig.Memory)
			assert.EqualValues(t, 1e9, found.HostConfig.NanoCPUs)
			inspected, err := json.Marshal(found)
			require.NoError(t, err)
			assertNoSecrets(t, "docker inspect", string(inspected), p.secrets())
			mode, code := execIn(t, p.docker, name, "root", "stat", "-c", "%a", agent.PasswordFile)
			require.Zero(t, code)
			assert.Equal(t, "600", strings.TrimSpace(mode))
			p.unchanged()
		})
		var made backup.Backup
		p.step("on demand, where the scheduled ones are", func(t *testing.T) {
			require.NoError(t, json.Unmarshal([]byte(p.must("backup", "--json").stdout), &made))
			assert.Len(t, p.backups(t), 1)
			assert.NotNil(t, p.backups(t, "--verify")[0].Verified)
			_, has := made.File(backup.SQLFile)
			assert.True(t, has)
			p.must("backups")
		})
		p.step("by the schedule", func(t *testing.T) {
			before := p.container().ID
			p.configure(values{"backup": values{"schedule": "* * * * *", "retention": "1h"}})
			p.must("up")
			assert.Equal(t, before, p.container().ID, "the server is left alone")
			require.Eventually(t, func() bool { return len(p.backups(t)) > 1 }, 90*time.Second, time.Second)
			require.Eventually(t, func() bool {
				found, _, err := dockerengine.Container(t.Context(), p.docker, name)
				return err == nil && found.State.Health != nil && found.State.Health.Status == container.Healthy
			}, 90*time.Second, time.Second)
			assert.Contains(t, containerLog(t, p.docker, name), "verified")
			assertNoSecrets(t, "docker logs", containerLog(t, p.docker, name), p.secrets())
			p.configure(values{"backup": values{"schedule": "0 2 1 * *", "retention": "60d"}})
			p.must("up")
		})
		p.step("a fault has its status through the container, too", func(t *testing.T) {
			p.setPassword(t, "not the declared one")
			p.fails(22, []string{"the password is wrong"}, "backup")
			p.must("up")
			p.must("backup")
		})
		provesFaultsOfAgent(p)
		p.step("a drill, by id", func(t *testing.T) { p.must("drill", "--from", made.ID) })
		p.step("down leaves the backups", func(t *testing.T) {
			p.must("down", "--yes")
			_, there, err := dockerengine.Volume(t.Context(), p.docker, p.config().Backup.Volume)
			require.NoError(t, err)
			assert.True(t, there)
		})
	})
}

// backups lists what there is.
func (p *project) backups(t *testing.T, flags ...string) (listed []backup.Backup) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(p.must(append([]string{"backups", "--json"}, flags...)...).stdout), &listed))
	return listed
}

func (p *project) setPassword(t *testing.T, password string) {
	t.Helper()
	_, err := p.superuser(t, "postgres").Exec(t.Context(), fmt.Sprintf("ALTER ROLE %s PASSWORD '%s'", p.names().Backup, password))
	require.NoError(t, err)
}

func provesFaultsOfBackups(p *project) {
	dir := filepath.Join(p.dir, "faults")
	nothing := func(t *testing.T) {
		t.Helper()
		left, err := filepath.Glob(filepath.Join(dir, "[0-9]*"))
		require.NoError(t, err)
		assert.Empty(t, left)
		left, err = filepath.Glob(filepath.Join(dir, ".*.part"))
		require.NoError(t, err)
		assert.Empty(t, left)
		p.noTools(t)
	}
	p.step("wrong password", func(t *testing.T) {
		p.setPassword(t, "not the declared one")
		p.fails(22, []string{"the password is wrong", "wcrdb up gives the login the declared one back"}, "backup", "--out", dir)
		nothing(t)
		p.must("up")
	})
	p.step("not permitted", func(t *testing.T) {
		p.as(t, "migrator", func(session *pgx.Conn) { migrate(t, session, "ALTER TABLE load ENABLE ROW LEVEL SECURITY") })
		p.fails(23, []string{"public.load"}, "backup", "--out", dir)
		p.as(t, "migrator", func(session *pgx.Conn) { migrate(t, session, "ALTER TABLE load DISABLE ROW LEVEL SECURITY") })
		nothing(t)
	})
	p.step("full disk", func(t *testing.T) {
		require.NoError(t, os.MkdirAll(dir, 0o700))
		require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4k"))
		defer func() { require.NoError(t, syscall.Unmount(dir, 0)) }()
		p.fails(20, []string{"the disk is full", dir}, "backup", "--out", dir)
		nothing(t)
	})
	p.step("killed", func(t *testing.T) {
		running, release := p.backupHeld(t, "backup", "--out", dir)
		p.fails(25, []string{"another backup is under way"}, "backup", "--out", dir)
		require.NoError(t, running.Process.Kill())
		require.Error(t, running.Wait())
		release()
		require.Eventually(t, func() bool { return len(p.tools(t)) == 0 }, 30*time.Second, 50*time.Millisecond, "its container goes with it")
		p.must("backup", "--out", dir)
	})
	p.step("the clock moved back", func(t *testing.T) {
		made, err := filepath.Glob(filepath.Join(dir, "2*"))
		require.NoError(t, err)
		require.Len(t, made, 1)
		future := filepath.Join(dir, "20990101T000000Z-future")
		require.NoError(t, os.CopyFS(future, os.DirFS(made[0])))
		content, err := os.ReadFile(filepath.Join(future, backup.ManifestFile))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(future, backup.ManifestFile), finished.ReplaceAll(content, []byte(`"finishedAt": "2099-01-01T00:00:00Z"`)), 0o600))
		p.fails(24, []string{"the clock moved back", "2099-01-01T00:00:00Z"}, "backup", "--out", dir)
		require.NoError(t, os.RemoveAll(future))
		p.must("backup", "--out", dir)
	})
}

var finished = regexp.MustCompile(`"finishedAt": "[^"]*"`)

// backupHeld begins a backup that waits in its middle, for a lock on a table, until it is released.
func (p *project) backupHeld(t *testing.T, args ...string) (running *exec.Cmd, release func()) {
	t.Helper()
	locked, err := p.superuser(t, p.config().Database.Name).Begin(t.Context())
	require.NoError(t, err)
	_, err = locked.Exec(t.Context(), "LOCK TABLE load IN ACCESS EXCLUSIVE MODE")
	require.NoError(t, err)
	running = p.command(t.Context(), args...)
	require.NoError(t, running.Start())
	looking := p.superuser(t, "postgres")
	require.Eventually(t, func() bool {
		return ask[int](t, looking, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = $1", p.names().Backup) > 0
	}, 30*time.Second, 50*time.Millisecond)
	return running, func() { require.NoError(t, locked.Rollback(t.Context())) }
}

// provesFaultsOfAgent: what goes wrong in the container has its status in wcrdb, too.
func provesFaultsOfAgent(p *project) {
	inside := func(t *testing.T, script string) string {
		t.Helper()
		said, code := execIn(t, p.docker, p.config().BackupContainer(), "root", "sh", "-euc", script)
		require.Zero(t, code, said)
		return said
	}
	ended := func(t *testing.T, running *exec.Cmd, status int) {
		t.Helper()
		require.Error(t, running.Wait())
		assert.Equal(t, status, running.ProcessState.ExitCode())
	}
	p.step("two at once, and interrupted", func(t *testing.T) {
		before := len(p.backups(t))
		running, release := p.backupHeld(t, "backup")
		p.fails(25, []string{"another backup is under way"}, "backup")
		require.NoError(t, running.Process.Signal(os.Interrupt))
		ended(t, running, 26)
		release()
		require.Eventually(t, func() bool { return len(p.backups(t)) == before+1 }, 60*time.Second, 500*time.Millisecond, "the container goes on")
	})
	p.step("the server ended the session", func(t *testing.T) {
		running, release := p.backupHeld(t, "backup")
		p.sudo(t, fmt.Sprintf("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '%s'", p.names().Backup))
		ended(t, running, 21)
		release()
	})
	p.step("the container was killed", func(t *testing.T) {
		running, release := p.backupHeld(t, "backup")
		require.NoError(t, p.docker.ContainerKill(t.Context(), p.config().BackupContainer(), "KILL"))
		ended(t, running, 1)
		release()
		p.must("up")
		p.must("backup")
		assert.NotContains(t, inside(t, "ls -A /backups"), ".part")
	})
	p.step("the clock moved back", func(t *testing.T) {
		inside(t, `cd /backups; cp -a "$(ls -d 2* | tail -n 1)" 20990101T000000Z-future
			sed -i 's/"finishedAt": "[^"]*"/"finishedAt": "2099-01-01T00:00:00Z"/' 20990101T000000Z-future/manifest.json`)
		p.fails(24, []string{"the clock moved back", "2099-01-01T00:00:00Z"}, "backup")
		inside(t, "rm -r /backups/20990101T000000Z-future")
		p.must("backup")
	})
}

// tools are the containers that PostgreSQL's programs run in.
func (p *project) tools(t *testing.T) (names []string) {
	t.Helper()
	found, err := dockerengine.Containers(t.Context(), p.docker, dockerengine.Labels{dockerengine.LabelStack: p.stack})
	require.NoError(t, err)
	for _, each := range found {
		if strings.Contains(each.Names[0], p.config().Server.Name+"-tools-") {
			names = append(names, each.Names[0])
		}
	}
	return names
}

func (p *project) noTools(t *testing.T) {
	t.Helper()
	assert.Empty(t, p.tools(t))
}

func provesBackupOnDemand(t *testing.T, p *project) {
	dir := filepath.Join(p.dir, "backups")
	var made backup.Backup
	require.NoError(t, json.Unmarshal([]byte(p.must("backup", "--out", dir, "--json").stdout), &made))
	assert.Equal(t, p.config().Database.Name, made.Database)
	assert.Equal(t, 16, made.ServerMajor)
	assert.NotEmpty(t, made.ImageDigest)
	assert.Contains(t, made.Roles, p.names().Owner)
	assert.Equal(t, "pg_stat_statements", made.Settings["shared_preload_libraries"], "which not everybody may see")
	require.NoError(t, made.Verify(t.Context()))

	var listed []backup.Backup
	require.NoError(t, json.Unmarshal([]byte(p.must("backups", "--dir", dir, "--json").stdout), &listed))
	require.Len(t, listed, 1)
	assert.Equal(t, made.ID, listed[0].ID)
	assert.NotNil(t, listed[0].Verified)

	p.noTools(t)
}
