package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// secrets are everything that must not be found anywhere, by what it is.
func (p *project) secrets() map[string]string {
	names := p.names()
	secrets := map[string]string{"the root secret": p.secret, "the passphrase": passphrase}
	roles := append([]string{p.config().Target.Username, names.ReadOnly, names.Monitor, names.Backup, names.Health}, slices.Concat(names.AppSlots[:], names.MigratorSlots[:])...)
	for _, role := range roles {
		for generation := -1; generation <= p.config().Access.Generation+1; generation++ {
			secrets[fmt.Sprintf("the password of %s, generation %d", role, generation)] = p.derivation().Password(role, generation)
		}
	}
	return secrets
}

// assertNoSecrets searches a text.
func assertNoSecrets(t testing.TB, where, text string, secrets map[string]string) {
	t.Helper()
	for what, secret := range secrets {
		assert.False(t, strings.Contains(text, secret), "%s: %s is there", where, what)
	}
}

// provesSecrecy searches everything that the stack leaves on this machine.
func provesSecrecy(p *project) {
	secrets := p.secrets()
	p.step("no secret in any file", func(t *testing.T) {
		kept := []string{p.local("root-secret"), p.local("passphrase")} // where they are meant to be
		var files int
		for _, dir := range []string{filepath.Join(p.dir, ".wcrdb"), p.tmp()} {
			require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
				if err != nil || !entry.Type().IsRegular() || slices.Contains(kept, path) {
					return err
				}
				files++
				content, err := os.ReadFile(path)
				assertNoSecrets(t, path, string(content), secrets)
				return err
			}))
		}
		require.Greater(t, files, 3, "there are files to search")
		stackFile, err := os.ReadFile(filepath.Join(p.dir, "Pulumi."+p.stack+".yaml"))
		require.NoError(t, err)
		assertNoSecrets(t, "the stack file", string(stackFile), secrets)
	})
	p.step("no secret in Docker", func(t *testing.T) {
		var inspected bytes.Buffer
		require.NoError(t, json.NewEncoder(&inspected).Encode(p.container()))
		assertNoSecrets(t, "docker inspect", inspected.String(), secrets)
		assertNoSecrets(t, "docker logs", containerLog(t, p.docker, p.config().Server.Name), secrets)
		top, err := p.docker.ContainerTop(t.Context(), p.config().Server.Name, []string{"-eo", "pid,args"})
		require.NoError(t, err)
		assertNoSecrets(t, "docker top", fmt.Sprint(top.Processes), secrets)
		processes, code := p.exec("root", "sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; true")
		require.Zero(t, code)
		require.Contains(t, processes, "PGDATA=", "the processes can be looked at")
		assertNoSecrets(t, "the container's processes", processes, secrets)
	})
	if p.config().Settings["shared_preload_libraries"] == "pg_stat_statements" {
		p.step("no secret in pg_stat_statements", func(t *testing.T) {
			session := p.superuser(t, p.config().Database.Name)
			texts := ask[string](t, session, `SELECT coalesce(string_agg(query, E'\n'), '') FROM pg_stat_statements`)
			require.NotEmpty(t, texts)
			assertNoSecrets(t, "pg_stat_statements", texts, secrets)
			assert.NotContains(t, texts, "PRIVATE KEY")
		})
	}
	p.step("no private key in the log", func(t *testing.T) {
		assert.NotContains(t, containerLog(t, p.docker, p.config().Server.Name), "PRIVATE KEY")
	})
}
