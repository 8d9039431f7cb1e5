package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/health"
	"github.com/witchcityrope/database/internal/operation"
	"github.com/witchcityrope/database/internal/report"
)

func TestEndToEndHealth(t *testing.T) { eachPlugins(t, provesHealth) }

// provesHealth brings prod up with the application's tables, and demands that
// health is red for each fault, and green before and after.
func provesHealth(t *testing.T, plugins operation.PluginChoice) {
	p := newProject(t, "prod", plugins)
	p.configure(values{
		"server":  values{"healthCheck": values{"interval": "1s", "retries": 1}},
		"clients": values{"app": values{"minPoolSize": 0, "maxPoolSize": 10}},
		"backup":  values{"enabled": true},
		"health": values{
			"lastMigration": "20251028041828_MoveCmsToPublicSchema",
			"transaction":   values{"warning": "2s", "critical": "3s"},
			"waiting":       values{"warning": "1s", "critical": "2s"},
			"retained":      values{"warning": "8MiB", "critical": "16MiB"},
			"cache":         values{"samples": 5000},
			"diskFree":      values{"warning": 1, "critical": 0}, // the machine's
		},
	})
	p.env = append(p.env, "PULUMI_CONFIG_PASSPHRASE="+passphrase)
	p.step("never made", func(t *testing.T) {
		before := p.files()
		for _, reading := range [][]string{{"health"}, {"report", "size"}, {"outputs"}, {"migrations"}, {"databases"}} {
			p.fails(map[bool]int{true: 2, false: 1}[reading[0] == "health"], []string{"stack prod was never brought up", "wcrdb up -s prod"}, reading...)
		}
		assert.Equal(t, before, p.files())
	})
	p.initialize()
	p.step("nothing is there", func(t *testing.T) {
		found, code := p.health()
		assert.Equal(t, 2, code)
		assert.Contains(t, finding(t, found, "container").Value, "there is no container")
	})
	p.up()
	p.step("without the application's tables, and without a backup", func(t *testing.T) {
		found, code := p.health()
		assert.Equal(t, 2, code)
		assert.Equal(t, health.Critical, finding(t, found, "tables").Status)
		assert.Contains(t, finding(t, found, "migrations").Value, "is pending")
		assert.Contains(t, finding(t, found, "backup").Value, "there is none")
		assert.Contains(t, finding(t, found, "drill").Value, "there was none")
	})
	p.migrated(t)
	p.must("backup")
	p.must("drill")
	p.healthy()
	p.step("healthy", func(t *testing.T) {
		p.green(t)
		assert.Contains(t, p.must("health").stdout, "stack prod: healthy")
		found, _ := p.health()
		assert.Contains(t, finding(t, found, "application").Value, "with TLS verified")
		assert.Equal(t, health.Healthy, finding(t, found, "backup").Status)
		assert.Equal(t, health.Healthy, finding(t, found, "drill").Status)
	})
	p.step("while another run works on the stack", func(t *testing.T) { provesReadingDoesNotWait(t, p) })
	p.step("migrations by a script", func(t *testing.T) {
		same, err := filepath.Abs("testdata/schema/wcr-schema.sql")
		require.NoError(t, err)
		found, code := p.health("--sql", same)
		assert.Zero(t, code, "%+v", finding(t, found, "migrations"))
		other, err := filepath.Abs("../../internal/migration/testdata/idempotent.sql")
		require.NoError(t, err)
		found, code = p.health("--sql", other)
		assert.Equal(t, 2, code)
		assert.Contains(t, finding(t, found, "migrations").Value, "20260101000000_First")
		p.fails(2, []string{"no such file"}, "health", "--sql", "/nowhere.sql")
		found, _ = p.health("--sql", "/nowhere.sql")
		assert.Contains(t, found.Failure, "no such file")
	})
	p.step("nothing is left of looking", func(t *testing.T) {
		found, err := dockerengine.Containers(t.Context(), p.docker, dockerengine.Labels{dockerengine.LabelProject: projectName, dockerengine.LabelStack: p.stack})
		require.NoError(t, err)
		for _, container := range found {
			assert.NotContains(t, strings.Join(container.Names, " "), p.config().Server.Name+"-tools-")
		}
	})
	p.step("reports", func(t *testing.T) { provesReports(t, p) })
	p.step("as a server that somebody else runs", func(t *testing.T) { provesExternalHealth(t, p) })
	p.step("no Docker Engine", func(t *testing.T) {
		kept := p.env
		p.env = append(slices.Clone(kept), "DOCKER_HOST=unix://"+filepath.Join(p.tmp(), "nobody.sock"))
		found, code := p.health()
		p.env = kept
		assert.Equal(t, 2, code)
		assert.Contains(t, finding(t, found, "container").Value, "no Docker Engine answers")
		assert.Equal(t, health.Critical, finding(t, found, "server").Status)
	})
	for _, fault := range faults {
		p.finds(fault)
	}
	p.noTemporaryFiles()
}

// provesReadingDoesNotWait reads while a process that is alive, this one, has
// the lock of the stack's state.
func provesReadingDoesNotWait(t *testing.T, p *project) {
	host, err := os.Hostname()
	require.NoError(t, err)
	held, err := json.Marshal(map[string]any{"pid": os.Getpid(), "username": "ann", "hostname": host})
	require.NoError(t, err)
	locks := filepath.Join(p.dir, ".wcrdb", "state", ".pulumi", "locks", "organization", projectName, p.stack)
	require.NoError(t, os.MkdirAll(locks, 0o700))
	lock := filepath.Join(locks, "another.json")
	require.NoError(t, os.WriteFile(lock, held, 0o600))
	before := p.kept(t)
	started := time.Now()
	p.green(t)
	for _, reading := range [][]string{{"report", "size"}, {"outputs"}, {"backups"}, {"drills"}, {"migrations"}, {"databases"}, {"indexes", "--dry-run"}} {
		p.must(reading...)
	}
	assert.Less(t, time.Since(started), time.Minute, "the lock would be waited for two")
	assert.Equal(t, before, p.kept(t))
	require.NoError(t, os.Remove(lock))
}

// kept are the files that wcrdb keeps, with what is in them but for programs.
func (p *project) kept(t *testing.T) map[string]string {
	found := map[string]string{}
	require.NoError(t, filepath.WalkDir(filepath.Join(p.dir, ".wcrdb"), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Base(path) == "wcrdb-backup" {
			found[path] = ""
			return err
		}
		content, err := os.ReadFile(path)
		found[path] = string(content)
		return err
	}))
	return found
}

// TestEndToEndHealthInMemory: a disk that can be filled, and a server that loses
// its data when it stops.
func TestEndToEndHealthInMemory(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "test", plugins)
		p.configure(values{
			"storage":  values{"size": "300MiB"},
			"settings": values{"max_wal_size": "64MB", "min_wal_size": "32MB"},
			"server":   values{"healthCheck": values{"interval": "1s", "retries": 1}},
		})
		p.initialize()
		p.up()
		p.migrated(t)
		p.healthy()
		p.step("healthy", func(t *testing.T) {
			p.green(t)
			found, _ := p.health()
			assert.Equal(t, health.NotDeclared, finding(t, found, "certificate").Status)
			assert.Contains(t, finding(t, found, "application").Value, "without TLS")
		})
		p.finds(injected{"a disk that is nearly full", "disk", health.Critical, "% free", func(t *testing.T, p *project) func() {
			said, status := p.exec("postgres", "sh", "-c", `free=$(df -P -k "$PGDATA" | awk 'NR == 2 { print $4 }'); dd if=/dev/zero of="$PGDATA/full" bs=1024 count=$((free - 12000))`)
			require.Zero(t, status, said)
			return func() {
				_, status := p.exec("postgres", "sh", "-c", `rm "$PGDATA/full"`)
				require.Zero(t, status)
			}
		}})
		p.step("restarted by Docker", func(t *testing.T) {
			_, _ = p.exec("postgres", "sh", "-c", `pg_ctl stop -m immediate -D "$PGDATA"`) // which ends this command, too
			await(t, 30*time.Second, "a restart", func() error {
				if p.container().RestartCount == 0 {
					return errors.New("there was none")
				}
				return nil
			})
			_, code := p.health()
			assert.Equal(t, 2, code, "what was in memory is gone")
		})
		p.step("stopped", func(t *testing.T) {
			require.NoError(t, p.docker.ContainerStop(t.Context(), p.config().Server.Name, container.StopOptions{}))
			found, code := p.health()
			assert.Equal(t, 2, code)
			assert.Contains(t, finding(t, found, "container").Value, "stopped")
			assert.Equal(t, health.NotMeasured, finding(t, found, "locks").Status)
		})
	})
}

// migrated makes the application's tables.
func (p *project) migrated(t *testing.T) {
	t.Helper()
	migrator := p.session(t, p.connections()["migrator"])
	for _, step := range steps(t, "wcr-schema.sql") {
		migrate(t, migrator, step)
	}
	require.NoError(t, migrator.Close(t.Context()))
}

// finds demands that health finds a fault, and is green once it is put right.
func (p *project) finds(fault injected) {
	p.step(fault.name, func(t *testing.T) {
		undo := fault.inject(t, p)
		found, code := p.health()
		seen := finding(t, found, fault.check)
		assert.Equal(t, fault.status, seen.Status, "%+v", seen)
		assert.Contains(t, seen.Value, fault.says)
		assert.NotEmpty(t, seen.Remedy)
		assert.GreaterOrEqual(t, code, map[health.Status]int{health.Warning: 1, health.Critical: 2}[fault.status])
		undo()
		p.green(t)
	})
}

// TestEndToEndHealthWhileInitialising: the server of the image's first
// initialisation answers on its socket, and is not healthy.
func TestEndToEndHealthWhileInitialising(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "test", plugins).initialize()
		p.up()
		p.configure(values{"health": values{"tables": []string{}, "timeout": "3s"}})
		p.healthy()
		p.green(t)
		made := p.container()
		script := t.TempDir()
		require.NoError(t, os.Chmod(script, 0o755))
		require.NoError(t, os.WriteFile(script+"/wait.sh", []byte("while ! [ -e /docker-entrypoint-initdb.d/go-on ]; do sleep 0.1; done\n"), 0o644))
		p.replaced(t, made, script)
		await(t, 60*time.Second, "the initialisation's server", func() error {
			if output, code := p.exec("postgres", "pg_isready", "--quiet"); code != 0 {
				return errors.New(output)
			}
			return nil
		})
		for range 3 {
			found, code := p.health()
			assert.Equal(t, 2, code)
			assert.Equal(t, health.Critical, finding(t, found, "server").Status)
			assert.Equal(t, health.Critical, finding(t, found, "application").Status)
			assert.NotEqual(t, health.Healthy, finding(t, found, "container").Status)
		}
		require.NoError(t, os.WriteFile(script+"/go-on", nil, 0o644))
		_, code := p.health()
		assert.Equal(t, 2, code, "nothing is declared in it yet")
		require.NoError(t, p.docker.ContainerRemove(t.Context(), p.config().Server.Name, container.RemoveOptions{Force: true, RemoveVolumes: true}))
		p.up()
		p.healthy()
		p.green(t)
	})
}

// replaced makes the container anew, with a script that its initialisation runs.
func (p *project) replaced(t *testing.T, made container.InspectResponse, script string) {
	t.Helper()
	name, stack := p.config().Server.Name, p.config()
	require.NoError(t, p.docker.ContainerRemove(t.Context(), name, container.RemoveOptions{Force: true, RemoveVolumes: true}))
	made.HostConfig.Binds = append(made.HostConfig.Binds, script+":/docker-entrypoint-initdb.d")
	made.HostConfig.NetworkMode = container.NetworkMode(stack.Network.AdminName)
	_, err := p.docker.ContainerCreate(t.Context(), made.Config, made.HostConfig, &network.NetworkingConfig{}, nil, name)
	require.NoError(t, err)
	require.NoError(t, p.docker.NetworkConnect(t.Context(), stack.Network.Name, name, &network.EndpointSettings{Aliases: []string{stack.Network.Alias}}))
	require.NoError(t, p.docker.ContainerStart(t.Context(), name, container.StartOptions{}))
}

// health asks for it.
func (p *project) health(flags ...string) (found health.Result, code int) {
	p.t.Helper()
	done := p.run(append([]string{"health", "--json"}, flags...)...)
	require.NoError(p.t, json.Unmarshal([]byte(done.stdout), &found), "%s", done)
	assert.Equal(p.t, map[health.Status]int{health.Healthy: 0, health.Warning: 1, health.Critical: 2}[found.Status], done.code)
	return found, done.code
}

// green demands that all is healthy, once what is counted has been.
func (p *project) green(t *testing.T) {
	t.Helper()
	await(t, 20*time.Second, "healthy", func() error {
		found, code := p.health()
		if code != 0 {
			return fmt.Errorf("status %d: %+v", code, found.Findings)
		}
		return nil
	})
}

func finding(t *testing.T, found health.Result, check string) health.Finding {
	t.Helper()
	i := slices.IndexFunc(found.Findings, func(f health.Finding) bool { return f.Check == check })
	require.GreaterOrEqual(t, i, 0, "%s is not among %+v", check, found.Findings)
	return found.Findings[i]
}

func provesReports(t *testing.T, p *project) {
	for _, name := range report.Names {
		var table report.Table
		require.NoError(t, json.Unmarshal([]byte(p.must("report", name, "--json").stdout), &table))
		assert.Equal(t, name, table.Report)
		assert.Equal(t, p.config().Database.Name, table.Database)
		if name != "locks" && name != "activity" { // in which there may be nobody
			assert.NotEmpty(t, table.Rows, name)
		}
		assert.Contains(t, p.must("report", name).stdout, name+" of "+p.config().Database.Name)
	}
	p.fails(2, []string{"weather"}, "report", "weather")
	p.fails(2, []string{"--every"}, "report", "size", "--watch", "--every", "1ms")
	provesWatch(t, p)
}

// provesExternalHealth looks at the same server from a project whose stack says
// that it is not its own: what there is no container for is not declared.
func provesExternalHealth(t *testing.T, p *project) {
	stack := p.config()
	other := newExternal(t, p, p.secret, values{
		"database": values{"name": stack.Database.Name},
		"access":   values{"prefix": stack.Access.Prefix},
		"health":   values{"tables": []string{"Users"}},
	})
	found, code := other.health()
	assert.Zero(t, code, "%+v", found.Findings)
	for check, status := range map[string]health.Status{
		"container": health.NotDeclared, "disk": health.NotDeclared, "server": health.Healthy, "application": health.Healthy,
		"tables": health.Healthy, "locks": health.Healthy, "certificate": health.Healthy,
	} {
		assert.Equal(t, status, finding(t, found, check).Status, check)
	}
	assert.Contains(t, finding(t, found, "application").Value, "at 127.0.0.1:")
	undo := p.otherPassword(t, p.names().App())
	found, code = other.health()
	assert.Equal(t, 2, code)
	assert.Contains(t, finding(t, found, "application").Value, "password authentication failed")
	undo()
}

// read is a file of the project as a map.
func (p *project) read(name string) (file map[string]any) {
	p.t.Helper()
	content, err := os.ReadFile(filepath.Join(p.dir, name))
	require.NoError(p.t, err)
	require.NoError(p.t, yaml.Unmarshal(content, &file))
	return file
}

// provesWatch reads the first two documents, and interrupts.
func provesWatch(t *testing.T, p *project) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	command := p.command(ctx, "report", "activity", "--watch", "--every", "200ms", "--json")
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	documents := json.NewDecoder(output)
	var first, second report.Table
	require.NoError(t, documents.Decode(&first))
	require.NoError(t, documents.Decode(&second))
	assert.Greater(t, second.At, first.At)
	interrupt()
	for documents.Decode(&second) == nil { // what was written meanwhile
	}
	err = command.Wait()
	assert.True(t, err == nil || command.ProcessState.ExitCode() == 0, "%v", err)
}
