package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/live"
	"github.com/witchcityrope/database/internal/operation"
)

// caller is a client that logs in and queries all the time.
type caller struct {
	name    string
	present atomic.Pointer[connection] // what it was deployed with

	logins, queries atomic.Int64
	mutex           sync.Mutex
	failures        []string
}

func (c *caller) failed(what string, err error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.failures = append(c.failures, fmt.Sprintf("%s %s as %s: %v", time.Now().Format("15:04:05.000"), what, c.present.Load().Username, err))
}

// callers are the clients of a rotation.
type callers struct {
	p       *project
	all     []*caller
	clients map[string][]*caller
	before  map[string]int // passwords refused by then, by login
	cancel  context.CancelFunc
	done    sync.WaitGroup
}

// pause between two calls of one client: the machine has other things to do.
const pause = 20 * time.Millisecond

// call starts clients of the application and of the migration step, without
// and with a pool, and one that administers.
func (p *project) call(t *testing.T, table string) *callers {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	found := &callers{p: p, clients: map[string][]*caller{}, before: p.refusedPasswords(t), cancel: cancel}
	t.Cleanup(found.stop)
	p.witness(t)
	logins := p.connections()
	query := "SELECT count(*) FROM " + table
	server := p.server()
	start := func(client, name string, run func(*caller)) {
		c := &caller{name: name}
		if login, has := logins[client]; has {
			c.present.Store(&login)
		} else {
			c.present.Store(&connection{Username: client})
		}
		found.all = append(found.all, c)
		found.clients[client] = append(found.clients[client], c)
		found.done.Go(func() { run(c) })
	}
	for _, client := range []string{"app", "migrator"} {
		start(client, client+" without a pool", func(c *caller) { p.callPlainly(ctx, c, query) })
		start(client, client+" with a pool", func(c *caller) { p.callPooled(ctx, c, query) })
	}
	start("postgres", "superuser", func(c *caller) { p.callAsSuperuser(ctx, c, server) })
	return found
}

// every calls do again and again until the test stops it.
func every(ctx context.Context, do func()) {
	for tick := time.NewTicker(pause); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
			do()
		}
	}
}

func (p *project) callPlainly(ctx context.Context, c *caller, query string) {
	every(ctx, func() {
		session, err := p.open(c.present.Load().URI)
		if err != nil {
			c.failed("login", err)
			return
		}
		c.logins.Add(1)
		var count int
		if err := session.QueryRow(context.Background(), query).Scan(&count); err != nil {
			c.failed("query", err)
		}
		c.queries.Add(1)
		if err := session.Close(context.Background()); err != nil {
			c.failed("end of the session", err)
		}
	})
}

// callPooled keeps a pool whose sessions live shortly. A new deployment makes
// its own pool before the old one is closed.
func (p *project) callPooled(ctx context.Context, c *caller, query string) {
	var pool *pgxpool.Pool
	var of *connection
	var earlier int64 // logins of pools before
	every(ctx, func() {
		if present := c.present.Load(); present != of {
			settings, err := pgxpool.ParseConfig(present.URI + "&sslrootcert=" + p.local("ca.crt") + "&pool_max_conns=3&pool_max_conn_lifetime=200ms")
			if err != nil {
				c.failed("pool", err)
				return
			}
			next, err := pgxpool.NewWithConfig(context.Background(), settings)
			if err != nil {
				c.failed("pool", err)
				return
			}
			if pool != nil {
				earlier += pool.Stat().NewConnsCount()
				pool.Close()
			}
			pool, of = next, present
		}
		var count int
		if err := pool.QueryRow(context.Background(), query).Scan(&count); err != nil {
			c.failed("query", err)
		}
		c.queries.Add(1)
		c.logins.Store(earlier + pool.Stat().NewConnsCount())
	})
	if pool != nil {
		pool.Close()
	}
}

// callAsSuperuser does what wcrdb does: it reads the stack file and logs in with
// the present password, or one of a generation close to it.
func (p *project) callAsSuperuser(ctx context.Context, c *caller, server live.Server) {
	every(ctx, func() {
		stack, err := p.decode()
		if err == nil {
			server.Stack = stack
			server.Derivation, err = p.derive(stack)
		}
		if err != nil {
			c.failed("stack file", err)
			return
		}
		session, err := server.Superuser(context.Background(), "postgres")
		if err != nil {
			c.failed("login", err)
			return
		}
		c.logins.Add(1)
		var one int
		if err := session.QueryRow(context.Background(), "SELECT 1").Scan(&one); err != nil {
			c.failed("query", err)
		}
		c.queries.Add(1)
		if err := session.Close(context.Background()); err != nil {
			c.failed("end of the session", err)
		}
	})
}

// redeploy gives clients what the outputs say now, and waits until each has
// used it.
func (c *callers) redeploy(t *testing.T) {
	t.Helper()
	logins := c.p.connections()
	for client, callers := range c.clients {
		login, has := logins[client]
		if !has {
			continue
		}
		for _, caller := range callers {
			caller.present.Store(&login)
			before := caller.queries.Load()
			await(t, 60*time.Second, caller.name+" goes on", func() error {
				if caller.queries.Load() < before+3 {
					return fmt.Errorf("%d queries since", caller.queries.Load()-before)
				}
				return nil
			})
		}
	}
}

func (c *callers) stop() {
	c.cancel()
	c.done.Wait()
}

// refusedPasswords counts, in the server's log, the logins with a wrong password
// of each role.
func (p *project) refusedPasswords(t *testing.T) map[string]int {
	t.Helper()
	refused := map[string]int{}
	for _, found := range wrongPassword.FindAllStringSubmatch(containerLog(t, p.docker, p.config().Server.Name), -1) {
		refused[found[1]]++
	}
	return refused
}

var wrongPassword = regexp.MustCompile(`FATAL:  password authentication failed for user "([^"]+)"`)

// witness is refused a password: from then on the server's log must show it.
func (p *project) witness(t *testing.T) {
	t.Helper()
	readonly := p.connections()["readonly"]
	_, err := p.open(strings.Replace(readonly.URI, readonly.Password, "wrong", 1))
	assert.Equal(t, "28P01", code(err))
}

// unharmed demands that nobody has noticed anything: neither the clients nor,
// but for the witness at its beginning, the server.
func (c *callers) unharmed(t *testing.T, heading string) {
	t.Helper()
	after := c.p.refusedPasswords(t)
	refused := func(logins ...string) (count int) {
		for _, login := range logins {
			count += after[login] - c.before[login]
		}
		return count
	}
	names := c.p.names()
	assert.Equal(t, 1, refused(names.ReadOnly), "the server's log has all since the beginning")
	for client, logins := range map[string][2]string{"app": names.AppSlots, "migrator": names.MigratorSlots} {
		assert.Zero(t, refused(logins[:]...), "passwords of %s that the server has refused", client)
	}
	superuser := c.p.config().Target.Username
	rows := []string{
		"The server's log has no refused password of the application or the migrator.",
		fmt.Sprintf("The superuser's client does what wcrdb does: before each login it reads the stack file, and then tries the passwords of the generations close to the present one, of which %d were refused; "+
			"a login has failed if none was right.", refused(superuser)),
		"", "| client | logins | queries | failed |", "|---|---|---|---|",
	}
	for _, caller := range c.all {
		caller.mutex.Lock()
		assert.Empty(t, caller.failures, caller.name)
		caller.mutex.Unlock()
		assert.Positive(t, caller.queries.Load(), caller.name)
		row := fmt.Sprintf("| %s | %d | %d | %d |", caller.name, caller.logins.Load(), caller.queries.Load(), len(caller.failures))
		t.Log(row)
		rows = append(rows, row)
	}
	recordTable(t, fmt.Sprintf("%s (%s)", heading, c.p.plugins), rows...)
}

func (p *project) stackFile(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(p.dir, "Pulumi."+p.stack+".yaml"))
	require.NoError(t, err)
	return string(content)
}

// TestEndToEndRotationUnderLoad: through three rotations of everything, and
// one of the root secret, nobody's login or query fails.
func TestEndToEndRotationUnderLoad(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "prod", plugins).initialize()
		p.up()
		container := p.container().ID
		var table string
		p.step("the application's tables", func(t *testing.T) { table = p.fillIn(t).tables[0] })
		clients := p.call(t, table)
		var before map[string]connection
		for _, what := range [][]string{{}, {}, {}, {"app"}, {"migrator"}, {"superuser"}} {
			p.step("rotate "+strings.Join(what, " "), func(t *testing.T) {
				before = p.connections()
				p.must(append([]string{"rotate", "--yes"}, what...)...)
				after := p.connections()
				for client := range before {
					rotated := len(what) == 0 || what[0] == client
					assert.Equal(t, rotated, before[client].Password != after[client].Password, client)
				}
				clients.redeploy(t)
			})
		}
		p.step("nobody noticed", func(t *testing.T) {
			clients.stop()
			clients.unharmed(t, "Three rotations of all passwords, then of app, migrator and superuser")
			assert.Equal(t, container, p.container().ID, "the container stays")
			p.healthy()
			p.unchanged()
		})
		p.step("slots own nothing", func(t *testing.T) {
			names := p.names()
			assert.Zero(t, ask[int](t, p.superuser(t, "postgres"), `SELECT count(*) FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND deptype = 'o'
				AND refobjid = ANY(SELECT oid FROM pg_authid WHERE rolname = ANY($1::text[]))`, append(names.AppSlots[:], names.MigratorSlots[:]...)))
		})
		p.step("what a pooler is told", func(t *testing.T) {
			administrator := p.superuser(t, "postgres")
			list := strings.Split(strings.TrimSpace(p.must("outputs", "--userlist").stdout), "\n")
			require.Len(t, list, 7)
			for _, line := range list {
				fields := strings.Split(line, `"`)
				require.Len(t, fields, 5, line)
				assert.Equal(t, fields[3], ask[string](t, administrator, "SELECT rolpassword FROM pg_authid WHERE rolname = $1", fields[1]), fields[1])
			}
		})
		p.step("a declared login", func(t *testing.T) { provesDeclaredRotation(t, p) })
		p.step("a rotation of the superuser that was abandoned", func(t *testing.T) {
			p.configure(values{"access": values{"generations": values{"superuser": p.config().Access.Generations[config.Superuser] + 2}}})
			p.must("up")
			p.unchanged()
		})
		p.step("a login that is still in use", func(t *testing.T) { provesReuse(t, p) })
		p.step("a login that owns something", func(t *testing.T) { provesNothingOwned(t, p) })
		p.step("the root secret", func(t *testing.T) { provesNewRoot(t, p, table) })
		provesSecrecy(p)
	})
}

// provesDeclaredRotation: a login that the stack declares has outputs, and is
// rotated by itself as by a rotation of all.
func provesDeclaredRotation(t *testing.T, p *project) {
	p.configure(values{"access": values{"roles": []values{{"name": "partner", "login": true, "connectionLimit": 2}},
		"grants": []values{{"role": "partner", "on": "database", "privileges": []string{"CONNECT"}}}}})
	p.must("up")
	for _, rotation := range []struct{ login, only string }{{"partner", "partner"}, {"", ""}} {
		before := p.connections()
		p.canLogIn(t, before["partner"])
		p.must(strings.Fields("rotate --yes " + rotation.login)...)
		after := p.connections()
		for client := range before {
			assert.Equal(t, rotation.only == "" || rotation.only == client, before[client].Password != after[client].Password, client)
		}
		p.canLogIn(t, after["partner"])
		_, err := p.open(before["partner"].URI)
		assert.Equal(t, "28P01", code(err), "its password of before")
	}
	verifier := ask[string](t, p.superuser(t, "postgres"), "SELECT rolpassword FROM pg_authid WHERE rolname = 'partner'")
	assert.Contains(t, p.must("outputs", "--userlist").stdout, `"partner" "`+verifier+`"`)
	p.fails(2, []string{"no login vendor", "partner"}, "rotate", "--yes", "vendor")
	p.unchanged()
}

// provesReuse: a login whose turn it is again must have no sessions left.
func provesReuse(t *testing.T, p *project) {
	held := p.session(t, p.connections()["app"])
	pid := ask[int](t, held, "SELECT pg_backend_pid()")
	p.must("rotate", "app", "--yes") // to the other login: the session may stay
	before := p.stackFile(t)
	said := p.fails(1, []string{"have not moved", fmt.Sprintf("pid %d ", pid), "--terminate"}, "rotate", "app", "--yes")
	assert.NotContains(t, said.String(), "Password=")
	assert.Equal(t, before, p.stackFile(t), "the stack file stays as it was")
	p.fails(2, []string{"pass --yes"}, "rotate", "readonly")
	assert.Equal(t, before, p.stackFile(t), "the stack file stays as it was")
	p.must("rotate", "app", "--yes", "--force")
	assert.Equal(t, 1, ask[int](t, held, "SELECT 1"), "it lives until it ends")
	other := p.session(t, p.connections()["app"])
	p.must("rotate", "app", "--yes")
	p.must("rotate", "app", "--yes", "--terminate")
	assert.Error(t, held.Ping(t.Context()))
	assert.Error(t, other.Ping(t.Context()))
	p.unchanged()
}

// provesNothingOwned: nothing is left behind with a login that clients leave.
func provesNothingOwned(t *testing.T, p *project) {
	app := p.connections()["app"]
	session, err := p.open(app.URI)
	require.NoError(t, err)
	_, err = session.Exec(t.Context(), "SELECT lo_create(4711)")
	require.NoError(t, err)
	require.NoError(t, session.Close(t.Context()))
	before := p.stackFile(t)
	p.fails(1, []string{"login " + app.Username + " owns", "1 objects in database " + p.config().Database.Name, "REASSIGN OWNED BY"}, "rotate", "app", "--yes")
	assert.Equal(t, before, p.stackFile(t), "the stack file stays as it was")
	p.must("rotate", "migrator", "--yes") // it owns nothing
	p.sudo(t, fmt.Sprintf("REASSIGN OWNED BY %s TO %s", app.Username, p.names().Owner))
	p.must("rotate", "app", "--yes")
}

// provesNewRoot: a new root secret harms nobody, and is the only one after the next rotation.
func provesNewRoot(t *testing.T, p *project, table string) {
	stack := *p.config()
	server := p.server()
	clients := p.call(t, table)
	before := p.connections()
	p.must("rotate", "root", "--yes")
	assert.Contains(t, p.stackFile(t), config.PreviousRootSecretKey)
	after := p.connections()
	p.canLogIn(t, before["app"])
	for client := range before {
		assert.NotEqual(t, before[client].Password, after[client].Password, client)
		derived := server.Derivation.Password(after[client].Username, stack.Access.Names().Generation(after[client].Username)+1)
		assert.NotEqual(t, derived, after[client].Password, "it comes from the new root secret")
	}
	clients.redeploy(t)
	p.must("preview", "--expect-no-changes")
	p.fails(1, []string{"rotate them first"}, "rotate", "root", "--yes")
	p.must("rotate", "--yes")
	assert.NotContains(t, p.stackFile(t), config.PreviousRootSecretKey, "no password comes from it any more")
	clients.redeploy(t)
	clients.stop()
	clients.unharmed(t, "A new root secret, and the rotation that retires the previous one")
	p.must("preview", "--expect-no-changes")
}

// canLogIn demands that a login works, and leaves no session.
func (p *project) canLogIn(t *testing.T, login connection) {
	t.Helper()
	session, err := p.open(login.URI)
	require.NoError(t, err, login.Username)
	require.NoError(t, session.Close(t.Context()))
}
