package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/password"
)

// secrets are everything that must not be found anywhere, by what it is: the
// passwords of all logins from each root secret that the stack has had.
func (p *project) secrets() map[string]string {
	stack := p.config()
	names, access := stack.Access.Names(), stack.Access
	generations := map[string]int{stack.Target.Username: access.GenerationOf(config.Superuser)}
	for _, client := range config.LoginNames {
		for _, login := range names.Logins(client) {
			generations[login] = access.GenerationOf(client)
		}
	}
	for _, role := range access.DeclaredLogins() {
		generations[role.Name] = access.GenerationOf(role.Name)
	}
	secrets := map[string]string{"the passphrase": passphrase}
	for number, root := range p.rootSecrets() {
		secrets[fmt.Sprintf("root secret %d", number)] = root
		derivation, err := password.NewDerivation(root, p.stack)
		require.NoError(p.t, err)
		for role, last := range generations {
			for generation := -1; generation <= last+1; generation++ {
				secrets[fmt.Sprintf("the password of %s, generation %d of root secret %d", role, generation, number)] = derivation.Password(role, generation)
			}
		}
	}
	return secrets
}

// rootSecrets are those that the stack has had, by number.
func (p *project) rootSecrets() map[int]string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	roots := maps.Clone(p.rotated)
	if roots == nil {
		roots = map[int]string{}
	}
	roots[1] = p.secret
	return roots
}

// spellings are a text as it is, and what is always the same of it in base64,
// wherever in an encoded text it begins.
func spellings(text string) []string {
	found := []string{text}
	for before := range 3 {
		encoded := base64.RawStdEncoding.EncodeToString(append(make([]byte, before), text...))
		first := (before*8 + 5) / 6          // letters that have bits of what is before
		last := (before + len(text)) * 8 / 6 // letters without bits of what is after
		found = append(found, encoded[first:last])
	}
	return found
}

// assertNoSecrets searches a text, and what may be encoded in it.
func assertNoSecrets(t testing.TB, where, text string, secrets map[string]string) {
	t.Helper()
	for what, secret := range secrets {
		assertAbsent(t, where, text, what, secret)
	}
}

func assertAbsent(t testing.TB, where, text, what, secret string) {
	t.Helper()
	for _, spelling := range spellings(secret) {
		assert.False(t, strings.Contains(text, spelling), "%s: %s is there", where, what)
	}
}

// assertNoKey searches a text for private keys.
func assertNoKey(t testing.TB, where, text string) {
	t.Helper()
	assertAbsent(t, where, text, "a private key", "PRIVATE KEY")
}

// TestSpellings: a secret is found wherever it stands in an encoded text.
func TestSpellings(t *testing.T) {
	for before := range 7 {
		for after := range 7 {
			text := strings.Repeat("x", before) + canary + strings.Repeat("y", after)
			encoded := base64.StdEncoding.EncodeToString([]byte(text))
			assert.True(t, slices.ContainsFunc(spellings(canary), func(spelling string) bool { return strings.Contains(encoded, spelling) }), text)
		}
	}
}

// provesSecrecy searches everything that the stack leaves on this machine.
func provesSecrecy(p *project) {
	secrets := p.secrets()
	p.step("no secret in any file", func(t *testing.T) {
		kept := []string{p.local("passphrase")} // where they are meant to be
		for number := range p.rootSecrets() {
			kept = append(kept, p.local(config.Root{Number: number}.File()))
		}
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
			assertNoKey(t, "pg_stat_statements", texts)
		})
	}
	p.step("no private key", func(t *testing.T) {
		assertNoKey(t, "docker logs", containerLog(t, p.docker, p.config().Server.Name))
		var inspected bytes.Buffer
		require.NoError(t, json.NewEncoder(&inspected).Encode(p.container()))
		assertNoKey(t, "docker inspect", inspected.String())
		var files int
		require.NoError(t, filepath.WalkDir(filepath.Join(p.dir, ".wcrdb", "state"), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			files++
			content, err := os.ReadFile(path)
			assertNoKey(t, path, string(content))
			return err
		}))
		require.Positive(t, files, "there are files to search")
	})
}
