package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/indexes"
	"github.com/witchcityrope/database/internal/operation"
)

// buildsIndexes runs wcrdb indexes and counts what has become of them.
func (p *project) buildsIndexes(code int, flags ...string) (indexes.Report, map[indexes.Outcome]int) {
	p.t.Helper()
	done := p.fails(code, nil, append([]string{"indexes", "--json"}, flags...)...)
	var report indexes.Report
	require.NoError(p.t, json.Unmarshal([]byte(done.stdout), &report), "%s", done)
	outcomes := map[indexes.Outcome]int{}
	for _, result := range report.Indexes {
		outcomes[result.Outcome]++
	}
	return report, outcomes
}

// writings are those of a writer.
type writings struct {
	rows    int
	slowest time.Duration
}

// inserting is a session of the application, and an insertion into a table.
func (p *project) inserting(t *testing.T, table string) (app *pgx.Conn, statement string) {
	app = p.session(t, p.connections()["app"])
	tx, err := app.Begin(t.Context())
	require.NoError(t, err)
	statement = insertion(t, tx, table)
	require.NoError(t, tx.Rollback(t.Context()))
	return app, statement
}

// writes inserts into a table as the application until it is stopped, and demands that no write fails.
func (p *project) writes(t *testing.T, table string) (written *atomic.Int64, stop func() writings) {
	app, statement := p.inserting(t, table)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	var slowest time.Duration
	written = &atomic.Int64{}
	go func() {
		for ctx.Err() == nil {
			began := time.Now()
			if _, err := app.Exec(context.Background(), statement); err != nil {
				done <- err
				return
			}
			written.Add(1)
			slowest = max(slowest, time.Since(began))
		}
		done <- nil
	}()
	return written, func() writings {
		cancel()
		require.NoError(t, <-done)
		return writings{int(written.Load()), slowest}
	}
}

// prolonged keeps an index of a table from being ready, with a transaction that has
// written into it, until somebody else has written more rows while it was built.
func (p *project) prolonged(t *testing.T, table string, written *atomic.Int64, more int64) (released <-chan error) {
	app, statement := p.inserting(t, table)
	tx, err := app.Begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), statement)
	require.NoError(t, err)
	watcher := p.superuser(t, p.config().Database.Name)
	ended := make(chan error, 1)
	go func() {
		ended <- errors.Join(meanwhile(t.Context(), watcher, table, written, more), tx.Rollback(context.Background()))
	}()
	return ended
}

// meanwhile waits for an index that is being built, and for rows that are written during that.
func meanwhile(ctx context.Context, watcher *pgx.Conn, table string, written *atomic.Int64, more int64) error {
	from := int64(-1)
	return poll(time.Minute, func() error {
		var building bool
		err := watcher.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_stat_progress_create_index WHERE relid = $1::text::regclass)", table).Scan(&building)
		switch {
		case err != nil:
			return err
		case !building:
			from = -1
			return errors.New("no index is being built")
		case from < 0:
			from = written.Load()
		}
		if now := written.Load() - from; now < more {
			return fmt.Errorf("%d rows were written", now)
		}
		return nil
	})
}

// TestEndToEndIndexes: the delivered indexes, after the migrations of either
// layout, and across the one that moves the tables from one to the other.
func TestEndToEndIndexes(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "dev", plugins).initialize()
		p.up()
		_, outcomes := p.buildsIndexes(1)
		assert.Equal(t, map[indexes.Outcome]int{indexes.NoTable: 8}, outcomes, "before the migrations")

		migrator := p.session(t, p.connections()["migrator"])
		deployments := steps(t, "wcr-schema-auth.sql")
		migrate(t, migrator, deployments[0])
		report, outcomes := p.buildsIndexes(0, "--dry-run")
		assert.Equal(t, map[indexes.Outcome]int{indexes.WouldBuild: 4, indexes.IsCovered: 4}, outcomes)
		assert.Empty(t, report.Analyzed)
		written, stop := p.writes(t, `public."Events"`)
		released := p.prolonged(t, `public."Events"`, written, 20)
		report, outcomes = p.buildsIndexes(0)
		require.NoError(t, <-released)
		all := stop()
		t.Logf("%d events were written, in %s at the most", all.rows, all.slowest)
		assert.Equal(t, map[indexes.Outcome]int{indexes.Built: 4, indexes.IsCovered: 4}, outcomes)
		assert.Equal(t, []string{`"auth"."Users"`, `"auth"."UserRoles"`, `"public"."Events"`}, report.Analyzed)

		again := map[indexes.Outcome]int{indexes.IsPresent: 4, indexes.IsCovered: 4}
		report, outcomes = p.buildsIndexes(0)
		assert.Equal(t, again, outcomes)
		assert.Empty(t, report.Analyzed)
		migrate(t, migrator, deployments[1]) // moves the tables to public
		_, outcomes = p.buildsIndexes(0)
		assert.Equal(t, again, outcomes)
		p.must("indexes")
		p.unchanged()
		p.must("access", "verify")
	})
}
