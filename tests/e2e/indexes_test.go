package e2e

import (
	"context"
	"encoding/json"
	"testing"
	"time"

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

// writes inserts into a table as the application until it is stopped, and demands that no write fails.
func (p *project) writes(t *testing.T, table string) (stop func() writings) {
	app := p.session(t, p.connections()["app"])
	tx, err := app.Begin(t.Context())
	require.NoError(t, err)
	statement := insertion(t, tx, table)
	require.NoError(t, tx.Rollback(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	var all writings
	go func() {
		for ctx.Err() == nil {
			began := time.Now()
			if _, err := app.Exec(context.Background(), statement); err != nil {
				done <- err
				return
			}
			all.rows, all.slowest = all.rows+1, max(all.slowest, time.Since(began))
		}
		done <- nil
	}()
	return func() writings {
		cancel()
		require.NoError(t, <-done)
		return all
	}
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
		stop := p.writes(t, `public."Events"`)
		report, outcomes = p.buildsIndexes(0)
		meanwhile := stop()
		t.Logf("%d events were written meanwhile, in %s at the most", meanwhile.rows, meanwhile.slowest)
		assert.Positive(t, meanwhile.rows)
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
