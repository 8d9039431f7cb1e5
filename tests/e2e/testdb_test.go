package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/operation"
	"github.com/witchcityrope/database/internal/testdatabase"
)

// createsDatabases runs wcrdb testdb create. What it writes has the
// application's password, as it is meant to: it is not kept.
func (p *project) createsDatabases(args ...string) (made []operation.TestDatabase, err error) {
	output, err := p.command(p.t.Context(), append([]string{"testdb", "create", "--json"}, args...)...).Output()
	if err != nil {
		return nil, err
	}
	return made, json.Unmarshal(output, &made)
}

func (p *project) listsDatabases() (list []testdatabase.Database) {
	p.t.Helper()
	require.NoError(p.t, json.Unmarshal([]byte(p.must("testdb", "list", "--json").stdout), &list))
	return list
}

// TestEndToEndTestDatabases: 32 test runs at once, each with a database of its
// own, and what a killed one leaves.
func TestEndToEndTestDatabases(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "test", plugins).initialize()
		p.up()
		script := filepath.Join(p.dir, "migrations.sql")
		content, err := os.ReadFile("testdata/schema/wcr-schema.sql")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(script, content, 0o600))

		made, failures := make([]operation.TestDatabase, 32), make([]error, 32)
		p.step("32 at once", func(t *testing.T) {
			var runs sync.WaitGroup
			for i := range made {
				runs.Go(func() {
					one, err := p.createsDatabases("--sql", script, "--holder", fmt.Sprint("run ", i))
					if failures[i] = err; err == nil {
						made[i] = one[0]
					}
				})
			}
			runs.Wait()
			for i := range made {
				require.NoError(t, failures[i])
			}
			list := p.listsDatabases()
			assert.Len(t, list, 32)
			p.must("testdb", "list")
		})
		p.step("the application uses its own", func(t *testing.T) {
			for _, database := range made[:2] {
				app := p.session(t, connection{URI: database.External.URI})
				readsAndWrites(t, app, tables(t, app))
				_, err := app.Exec(t.Context(), `TRUNCATE public."Settings"`)
				require.NoError(t, err, "as Respawn does")
				assert.Equal(t, "0", ask[string](t, app, `SELECT count(*)::text FROM public."Settings"`))
				assert.Equal(t, insufficientPrivilege, code(attempt(t, app, `CREATE TABLE public.mine ()`)))
				assert.Contains(t, database.External.Npgsql, ";Database="+database.Name+";Username=")
				assert.Contains(t, database.Internal.Npgsql, "Host=db;Port=5432;Database="+database.Name+";")
				require.NoError(t, app.Close(t.Context()))
			}
		})
		p.step("the string alone", func(t *testing.T) {
			output, err := p.command(t.Context(), "testdb", "create", "--sql", script, "--count", "2").Output()
			require.NoError(t, err)
			lines := strings.Split(strings.TrimSuffix(string(output), "\n"), "\n")
			require.Len(t, lines, 2)
			for _, line := range lines {
				assert.Regexp(t, `^Host=127\.0\.0\.1;Port=\d+;Database=witchcityrope_test_run_\w+;Username=\w+;Password=\w+;SSL Mode=Disable;`, line)
			}
		})
		p.step("killed runs", func(t *testing.T) {
			short, err := p.createsDatabases("--sql", script, "--lease", "1s")
			require.NoError(t, err)
			killed := p.command(t.Context(), "testdb", "create", "--sql", script, "--count", "100", "--lease", "1s")
			require.NoError(t, killed.Start())
			require.Eventually(t, func() bool { return len(p.listsDatabases()) > 36 }, 30*time.Second, 10*time.Millisecond)
			require.NoError(t, killed.Process.Kill())
			require.Error(t, killed.Wait())
			require.Eventually(t, func() bool {
				p.must("testdb", "reap")
				list := p.listsDatabases()
				// 32 and 2 from before; and one that may have been killed before its lease was written down, which stays for minutes.
				return len(list) <= 35 && !slices.ContainsFunc(list, func(d testdatabase.Database) bool { return d.Name == short[0].Name })
			}, 30*time.Second, 100*time.Millisecond)
		})
		p.step("dropped by name", func(t *testing.T) {
			p.must("testdb", "drop", made[0].Name, made[1].Name)
			p.fails(1, []string{"there is no test database " + made[0].Name}, "testdb", "drop", made[0].Name)
			p.fails(1, []string{"is not the name of a test database"}, "testdb", "drop", "witchcityrope_test")
			p.fails(2, []string{"--count: 0 is outside 1 to 128"}, "testdb", "create", "--count", "0")
		})
		p.step("nothing of it is drift", func(t *testing.T) {
			p.unchanged()
			p.must("access", "verify")
		})
	})
}

// TestEndToEndTestDatabasesElsewhere: not on a stack whose data is worth something, or is not for tests.
func TestEndToEndTestDatabasesElsewhere(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "dev", plugins).initialize()
		p.up()
		p.fails(1, []string{"stack dev is not for test runs"}, "testdb", "create")
	})
}
