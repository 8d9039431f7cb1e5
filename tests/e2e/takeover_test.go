package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/operation"
)

// wrongSecret is a root secret, but not that of the data.
const wrongSecret = "another-root-secret-that-does-not-fit-the-data"

// keeper watches that data, and who may do what with it, survive.
type keeper struct {
	*project
	tables  []string
	logins  map[string]connection
	privies string
}

// fillIn loads the application's tables, and a row into each.
func (p *project) fillIn(t *testing.T) *keeper {
	t.Helper()
	k := &keeper{project: p, logins: p.connections()}
	migrator := p.session(t, k.logins["migrator"])
	for _, statements := range steps(t, "wcr-schema.sql") {
		migrate(t, migrator, statements)
	}
	k.tables = tables(t, migrator)
	tx, err := p.session(t, k.logins["app"]).Begin(t.Context())
	require.NoError(t, err)
	fill(t, tx, k.tables)
	require.NoError(t, tx.Commit(t.Context()))
	k.privies = k.privileges(t)
	return k
}

// privileges are who owns what, may do what, and has which password, as text.
func (k *keeper) privileges(t *testing.T) string {
	t.Helper()
	return ask[string](t, k.superuser(t, k.config().Database.Name), `SELECT string_agg(fact, E'\n' ORDER BY fact) FROM (
		SELECT format('%s %s %s', oid::regclass, relowner::regrole, (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(relacl) a)) FROM pg_class WHERE relnamespace = 'public'::regnamespace
		UNION ALL SELECT format('%s %s %s', nspname, nspowner::regrole, (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(nspacl) a)) FROM pg_namespace WHERE nspname IN ('public', 'auth')
		UNION ALL SELECT format('%s %s %s', defaclrole::regrole, defaclobjtype, (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(defaclacl) a)) FROM pg_default_acl
		UNION ALL SELECT format('%s %s', datname, (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) a)) FROM pg_database WHERE datname = current_database()
		UNION ALL SELECT format('%s %s', rolname, to_jsonb(r) - 'oid') FROM pg_authid r WHERE rolname !~ '^pg_'
		UNION ALL SELECT format('%s in %s', member::regrole, roleid::regrole) FROM pg_auth_members WHERE member::regrole::text !~ '^pg_') AS facts (fact)`)
}

// kept demands that nothing of it was lost.
func (k *keeper) kept(t *testing.T) {
	t.Helper()
	assert.Equal(t, k.logins, k.connections(), "what clients are told")
	assert.Equal(t, k.privies, k.privileges(t), "privileges")
	app := k.session(t, k.logins["app"])
	for _, table := range k.tables {
		assert.Positive(t, ask[int](t, app, "SELECT count(*) FROM "+table), "rows of %s", table)
	}
	for client, login := range k.logins {
		assert.Equal(t, login.Username, ask[string](t, k.session(t, login), "SELECT session_user::text"), client)
	}
	migrate(t, k.session(t, k.logins["migrator"]), `ALTER TABLE public."Events" ADD COLUMN x int; ALTER TABLE public."Events" DROP COLUMN x`)
	k.unchanged()
}

// TestEndToEndProdTakenOver: protected data outlives the container, the state
// and mistakes with its secret.
func TestEndToEndProdTakenOver(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "prod", plugins).initialize()
		p.up()
		k := p.fillIn(t)
		p.step("after down", func(t *testing.T) {
			p.must("down", "--yes")
			assert.Equal(t, []string{"volume " + p.config().Storage.Volume}, p.left())
			p.must("up")
			k.kept(t)
		})
		p.step("down asks", func(t *testing.T) {
			p.fails(2, []string{"--yes"}, "down")
			p.container()
		})
		p.step("after the loss of the state", func(t *testing.T) {
			require.NoError(t, os.RemoveAll(filepath.Join(p.dir, ".wcrdb")))
			p.must("up")
			k.kept(t)
		})
		p.step("after down and the loss of the state", func(t *testing.T) {
			p.must("down", "--yes")
			require.NoError(t, os.RemoveAll(filepath.Join(p.dir, ".wcrdb")))
			p.must("up")
			k.kept(t)
		})
		p.step("not with another root secret", func(t *testing.T) {
			p.setConfigSecret(wrongSecret)
			p.fails(1, []string{"password", "root secret"}, "up")
			p.setConfigSecret(p.secret)
			p.must("up")
			k.kept(t)
		})
		p.step("not with another root secret and no state", func(t *testing.T) {
			p.setConfigSecret(wrongSecret)
			require.NoError(t, os.RemoveAll(filepath.Join(p.dir, ".wcrdb", "state")))
			p.fails(1, []string{"root secret"}, "up")
			p.setConfigSecret(p.secret)
			p.must("up")
			k.kept(t)
		})
		p.step("not with another root secret after down", func(t *testing.T) {
			p.must("down", "--yes")
			p.setConfigSecret(wrongSecret)
			p.fails(1, []string{"neither the current password nor", "root secret"}, "up")
			p.setConfigSecret(p.secret)
			p.must("up")
			k.kept(t)
		})
		p.step("with a password of the superuser that somebody changed", func(t *testing.T) {
			p.sudo(t, "ALTER ROLE postgres PASSWORD 'changed by hand'")
			p.fails(1, []string{"neither the current password nor", "docker exec"}, "up")
			said, code := p.exec("postgres", "psql", "-Xqc", fmt.Sprintf("ALTER ROLE postgres PASSWORD '%s'",
				p.derivation().Verifier("postgres", p.config().Access.Generation)))
			require.Zero(t, code, said)
			p.must("up")
			k.kept(t)
		})
	})
}

// TestEndToEndStateLost: a volume that no state knows is taken over with the
// right root secret, and left alone with any other.
func TestEndToEndStateLost(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "dev", plugins).initialize()
		p.up()
		k := p.fillIn(t)
		p.step("the state is lost", func(t *testing.T) {
			require.NoError(t, os.RemoveAll(filepath.Join(p.dir, ".wcrdb", "state")))
			p.must("up")
			k.kept(t)
		})
		p.step("a checkout with a secret of its own", func(t *testing.T) {
			require.NoError(t, os.RemoveAll(filepath.Join(p.dir, ".wcrdb")))
			p.setLocalSecret(wrongSecret)
			before := p.container().ID
			p.fails(1, []string{"another checkout", "root secret"}, "up")
			assert.Equal(t, before, p.container().ID, "the other one's container")
			p.must("down")
			assert.Equal(t, before, p.container().ID, "the other one's container")
			_, there, err := dockerengine.Volume(t.Context(), p.docker, p.config().Storage.Volume)
			require.NoError(t, err)
			assert.True(t, there, "the other one's data")
			p.setLocalSecret(p.secret)
			p.must("up")
			k.kept(t)
		})
	})
}
