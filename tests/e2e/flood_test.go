package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/operation"
)

// tooMany is too_many_connections.
const tooMany = "53300"

const (
	// appLimit is how many sessions each login of the application may have.
	appLimit = 28
	// flooders is how many clients of the application want one at once.
	flooders = 10 * appLimit
	// loginsUnderWay is how many of them are let through to the server at once.
	// PostgreSQL counts those that have not said who they are yet against
	// max_connections as well, so more than it has free shut others out before
	// any limit is asked.
	loginsUnderWay = 8
	// refusals is how often each of them is refused, on average, before anybody
	// else comes.
	refusals = 3
)

// backoff is after how long at most a client tries anew that was refused so many
// times: twice as long each time, up to the 30 s that EF Core's retrying strategy
// waits at most. Without that, what is measured is how many logins the CPUs that
// clients and server share can compute, not who gets in.
func backoff(refused int) time.Duration { return min(time.Second<<min(refused, 5), 30*time.Second) }

// flood are clients that all want a session. Each keeps the one that it gets,
// and tries again where it is refused.
type flood struct {
	cancel   context.CancelFunc
	done     sync.WaitGroup
	attempts atomic.Int64
	mutex    sync.Mutex
	sessions []*pgx.Conn
	refused  map[string]int // by SQLSTATE
}

func (p *project) flood(t *testing.T, logins ...connection) *flood {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	f := &flood{cancel: cancel, refused: map[string]int{}}
	t.Cleanup(f.end)
	gate := make(chan struct{}, loginsUnderWay)
	try := func(login connection) bool {
		select {
		case <-ctx.Done():
			return true
		case gate <- struct{}{}:
		}
		session, err := p.open(login.URI)
		<-gate
		f.attempts.Add(1)
		f.mutex.Lock()
		defer f.mutex.Unlock()
		if err == nil {
			f.sessions = append(f.sessions, session)
		} else {
			f.refused[code(err)]++
		}
		return err == nil
	}
	for i := range flooders {
		f.done.Go(func() {
			for refused := 1; !try(logins[i%len(logins)]); refused++ {
				longest := backoff(refused)
				select {
				case <-ctx.Done():
					return
				case <-time.After(longest/2 + rand.N(longest/2)):
				}
			}
		})
	}
	return f
}

// held is how many sessions the flood has.
func (f *flood) held() int {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return len(f.sessions)
}

func (f *flood) end() {
	f.cancel()
	f.done.Wait()
	for _, session := range f.sessions {
		_ = session.Close(context.Background()) // the server may have ended it
	}
	f.sessions = nil
}

// guest is somebody who must get in while the application floods.
type guest struct {
	name  string
	enter func(t *testing.T) (time.Duration, error)
}

// guests are the clients of those names, the administrator and the health check.
func (p *project) guests(t *testing.T, clients ...string) []guest {
	t.Helper()
	timed := func(uri string) func(*testing.T) (time.Duration, error) {
		return func(t *testing.T) (time.Duration, error) {
			began := time.Now()
			session, err := p.open(uri)
			if err != nil {
				return 0, err
			}
			_, err = session.Exec(t.Context(), "SELECT 1")
			took := time.Since(began)
			return took, errors.Join(err, session.Close(t.Context()))
		}
	}
	logins := p.connections()
	var guests []guest
	for _, client := range clients {
		guests = append(guests, guest{client, timed(logins[client].URI)})
	}
	app, superuser := logins["app"], p.config().Target.Username
	administrator := strings.Replace(app.URI, app.Username+":"+app.Password,
		superuser+":"+p.derivation().Password(superuser, p.config().Access.GenerationOf(config.Superuser)), 1)
	check := p.container().Config.Healthcheck.Test
	// From inside, by the clock of hundredths of a second that every system has.
	inside := "read began _ </proc/uptime; " + check[len(check)-1] + "; status=$?; read ended _ </proc/uptime; echo; echo $began $ended; exit $status"
	return append(guests, guest{"administrator", timed(administrator)}, guest{"health check", func(t *testing.T) (time.Duration, error) {
		said, failed := p.exec("postgres", "sh", "-c", inside)
		if failed != 0 {
			return 0, fmt.Errorf("exit status %d: %s", failed, said)
		}
		lines := strings.Split(strings.TrimSpace(said), "\n")
		var began, ended float64
		_, err := fmt.Sscan(lines[len(lines)-1], &began, &ended)
		return time.Duration((ended - began) * float64(time.Second)), err
	}})
}

// enter lets each in a number of times, one after the other, and returns how
// long each took, in order of length.
func enter(t *testing.T, guests []guest) map[string][]time.Duration {
	t.Helper()
	rounds := 5
	if *recordCredentials != "" {
		rounds = 25
	}
	took := map[string][]time.Duration{}
	for range rounds {
		for _, guest := range guests {
			spent, err := guest.enter(t)
			if assert.NoError(t, err, guest.name) {
				took[guest.name] = append(took[guest.name], spent)
			}
		}
	}
	for _, spent := range took {
		slices.Sort(spent)
	}
	return took
}

// median of what is in order.
func median(took []time.Duration) time.Duration { return took[len(took)/2] }

// TestEndToEndFlood: ten times as many clients of the application as may log in
// want to. It alone sees refusals, even if both of its logins flood at once.
func TestEndToEndFlood(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "prod", plugins).initialize()
		p.configure(values{
			"settings": values{"max_connections": 60},
			"clients":  values{"app": values{"minPoolSize": 0, "maxPoolSize": appLimit}, "readonly": values{"maxPoolSize": 5}},
		})
		p.up()
		p.step("declared", func(t *testing.T) {
			administrator := p.superuser(t, "postgres")
			assert.Equal(t, "18", ask[string](t, administrator, "SHOW reserved_connections"))
			budget := p.outputs()["connectionBudget"].(map[string]any)
			assert.EqualValues(t, 18, budget["reserved"])
			assert.EqualValues(t, 1, budget["free"], "60 - 3 - (28 + 5 + 5 + 3 + 3 + 2 + 10)")
			for role, limit := range map[string]int{p.names().AppSlots[0]: appLimit, p.names().AppSlots[1]: appLimit, p.names().Monitor: 3, p.names().Health: 2} {
				assert.Equal(t, limit, ask[int](t, administrator, "SELECT rolconnlimit FROM pg_roles WHERE rolname = $1", role), role)
			}
		})
		first := p.connections()
		p.step("one login", func(t *testing.T) {
			survives(t, p, "One login of the application floods", appLimit, []string{"readonly", "migrator", "monitor", "backup"}, first["app"])
		})
		p.must("rotate", "app", "--yes")
		p.step("both logins at once", func(t *testing.T) {
			survives(t, p, "Both logins of the application flood", 60-3-18-loginsUnderWay, []string{"monitor", "backup"}, first["app"], p.connections()["app"])
		})
	})
}

// survives floods the server with logins. Once the flood has all that it gets,
// and every client of it has tried some times, all others log in.
func survives(t *testing.T, p *project, heading string, least int, clients []string, logins ...connection) {
	t.Helper()
	guests := p.guests(t, clients...)
	quiet := enter(t, guests)
	f := p.flood(t, logins...)
	await(t, 120*time.Second, "flood", func() error {
		if attempts, held := f.attempts.Load(), f.held(); attempts < refusals*flooders || held < least {
			return fmt.Errorf("%d attempts, %d sessions", attempts, held)
		}
		return nil
	})
	began, before := time.Now(), f.attempts.Load()
	took := enter(t, guests)
	perSecond := float64(f.attempts.Load()-before) / time.Since(began).Seconds()
	p.healthy()
	rows := []string{"| who | median without the flood, ms | median, ms | slowest, ms |", "|---|---|---|---|"}
	for _, who := range slices.Sorted(maps.Keys(took)) {
		row := fmt.Sprintf("| %s | %d | %d | %d |", who, median(quiet[who]).Milliseconds(), median(took[who]).Milliseconds(), slices.Max(took[who]).Milliseconds())
		t.Log(row)
		rows = append(rows, row)
		if *recordCredentials != "" { // elsewhere, the machine has other things to do
			assert.Less(t, median(took[who]), 100*time.Millisecond, who)
		}
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	row := fmt.Sprintf("%d clients of the application, whose limit is %d, want a session: %d attempts, %.0f a second while others came; %d sessions held, refused by SQLSTATE: %v. Refused to anybody else: none.",
		flooders, appLimit, f.attempts.Load(), perSecond, len(f.sessions), f.refused)
	t.Log(row)
	recordTable(t, fmt.Sprintf("%s (%s)", heading, p.plugins), append([]string{row, ""}, rows...)...)
	assert.Equal(t, []string{tooMany}, slices.Collect(maps.Keys(f.refused)), "what the application is told")
}
