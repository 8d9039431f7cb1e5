package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/operation"
)

// tooMany is too_many_connections.
const tooMany = "53300"

// flooders is how many logins a flood tries at once. PostgreSQL counts those
// that have not said who they are yet against max_connections as well, so more
// than it has free shut others out before any limit is asked.
const flooders = 8

// flood logs in again and again with some logins, and keeps every session that it gets.
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
	for range flooders {
		f.done.Go(func() {
			for ctx.Err() == nil {
				login := logins[int(f.attempts.Add(1))%len(logins)]
				session, err := p.open(login.URI)
				f.mutex.Lock()
				if err == nil {
					f.sessions = append(f.sessions, session)
				} else {
					f.refused[code(err)]++
				}
				f.mutex.Unlock()
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

// TestEndToEndFlood: the application logs in ten times as often as it may. It
// alone sees refusals, even if both of its logins flood at once.
func TestEndToEndFlood(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "prod", plugins).initialize()
		p.configure(values{
			"settings": values{"max_connections": 60},
			"clients":  values{"app": values{"minPoolSize": 0, "maxPoolSize": 28}, "readonly": values{"maxPoolSize": 5}},
		})
		p.up()
		p.step("declared", func(t *testing.T) {
			administrator := p.superuser(t, "postgres")
			assert.Equal(t, "18", ask[string](t, administrator, "SHOW reserved_connections"))
			budget := p.outputs()["connectionBudget"].(map[string]any)
			assert.EqualValues(t, 18, budget["reserved"])
			assert.EqualValues(t, 1, budget["free"], "60 - 3 - (28 + 5 + 5 + 3 + 3 + 2 + 10)")
			for role, limit := range map[string]int{p.names().AppSlots[0]: 28, p.names().AppSlots[1]: 28, p.names().Monitor: 3, p.names().Health: 2} {
				assert.Equal(t, limit, ask[int](t, administrator, "SELECT rolconnlimit FROM pg_roles WHERE rolname = $1", role), role)
			}
		})
		first := p.connections()
		p.step("one login", func(t *testing.T) {
			f := p.flood(t, first["app"])
			survives(t, p, f, "One login of the application floods", 28, "readonly", "migrator", "monitor", "backup")
		})
		p.must("rotate", "app", "--yes")
		p.step("both logins at once", func(t *testing.T) {
			f := p.flood(t, first["app"], p.connections()["app"])
			survives(t, p, f, "Both logins of the application flood", 60-3-18-flooders, "monitor", "backup")
		})
	})
}

// survives waits until the flood has all that it gets, and has tried ten times
// as often as it may; then all others log in.
func survives(t *testing.T, p *project, f *flood, heading string, least int, clients ...string) {
	t.Helper()
	await(t, 120*time.Second, "flood", func() error {
		if attempts, held := f.attempts.Load(), f.held(); attempts < 280 || held < least {
			return fmt.Errorf("%d attempts, %d sessions", attempts, held)
		}
		return nil
	})
	logins := p.connections()
	took := map[string][]time.Duration{}
	for range 5 {
		for _, client := range clients {
			began := time.Now()
			session, err := p.open(logins[client].URI)
			if assert.NoError(t, err, client) {
				took[client] = append(took[client], time.Since(began))
				require.NoError(t, session.Close(t.Context()))
			}
		}
		began := time.Now()
		session, err := p.server().Superuser(t.Context(), "postgres")
		if assert.NoError(t, err, "administrator") {
			took["administrator"] = append(took["administrator"], time.Since(began))
			require.NoError(t, session.Close(t.Context()))
		}
		check := p.container().Config.Healthcheck.Test
		began = time.Now()
		said, failed := p.exec("postgres", "sh", "-c", check[len(check)-1])
		assert.Zero(t, failed, "health check: %s", said)
		took["health check, with docker exec"] = append(took["health check, with docker exec"], time.Since(began))
	}
	p.healthy()
	rows := []string{"| who | fastest login, ms | slowest login, ms |", "|---|---|---|"}
	for _, who := range slices.Sorted(maps.Keys(took)) {
		row := fmt.Sprintf("| %s | %d | %d |", who, slices.Min(took[who]).Milliseconds(), slices.Max(took[who]).Milliseconds())
		t.Log(row)
		rows = append(rows, row)
		assert.Less(t, slices.Max(took[who]), 30*time.Second, who) // the report has the figures; the machine decides them
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	row := fmt.Sprintf("The application, with %d logins tried at once: %d attempts, %d sessions held, refused by SQLSTATE: %v.",
		flooders, f.attempts.Load(), len(f.sessions), f.refused)
	t.Log(row)
	recordTable(t, fmt.Sprintf("%s (%s)", heading, p.plugins), append([]string{row, ""}, rows...)...)
	assert.Equal(t, []string{tooMany}, slices.Collect(maps.Keys(f.refused)), "what the application is told")
}
