package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/masking/maskingtest"
)

// provesRefreshKilled kills refreshes of a stack at each of their parts: its
// database is as it was, or all of the next one, and the next run clears up.
func provesRefreshKilled(t *testing.T, p *project) {
	t.Helper()
	before := p.whole(t)
	for _, at := range []string{"backing up", "masked rows", "public.Events", "public.Users", "indexes"} {
		p.stoppedAt(t, os.Kill, at, "refresh-data", "--from", "prod", "--yes")
		assert.True(t, before == p.whole(t), "killed at %s, the target is as it was", at)
	}
	p.refreshKilledBetweenRenames(t)
	assert.True(t, before == p.whole(t), "killed between the renames, the target is as it was")
	kept := p.refreshKilledAfterSwap(t)
	after := p.whole(t)
	assert.Empty(t, p.beside(t, "restoring"))
	assert.False(t, before == after, "killed after the exchange, the target is the next one")
	assert.Zero(t, maskingtest.Count(after))
	p.must("access", "verify")
	p.must("databases", "drop", kept, "--yes")
}

// whole is all of a stack's database: structure, rows, owners, grants and
// settings, with the roles of its server.
func (p *project) whole(t *testing.T) string {
	t.Helper()
	database, code := p.exec("postgres", "pg_dump", "--username=postgres", "--create", p.config().Database.Name)
	require.Zero(t, code, database)
	roles, code := p.exec("postgres", "pg_dumpall", "--username=postgres", "--roles-only")
	require.Zero(t, code, roles)
	return restriction.ReplaceAllString(database+roles, "")
}

// restriction is a line with a random word that pg_dump writes for psql.
var restriction = regexp.MustCompile(`(?m)^\\(un)?restrict \w+$`)

// beside are the databases of a kind beside the stack's.
func (p *project) beside(t *testing.T, kind string) []string {
	t.Helper()
	session, err := p.server().Superuser(t.Context(), "postgres")
	require.NoError(t, err)
	defer session.Close(context.WithoutCancel(t.Context())) // it is asked for often
	return ask[[]string](t, session, "SELECT coalesce(array_agg(datname::text ORDER BY 1), '{}') FROM pg_database WHERE starts_with(datname, $1)",
		p.config().Database.Name+"_"+kind+"_")
}

// refreshKilledBetweenRenames kills a refresh while it waits for the lock of the
// database that is to take the name, having renamed the one that had it.
func (p *project) refreshKilledBetweenRenames(t *testing.T) {
	t.Helper()
	looking, holding := p.superuser(t, "postgres"), p.superuser(t, "postgres")
	left := p.beside(t, "restoring") // by a run that was killed; this one drops it
	var held pgx.Tx
	p.refreshKilledWhen(t, "between the renames", func() (err error) {
		if held == nil {
			next := slices.DeleteFunc(p.beside(t, "restoring"), func(name string) bool { return slices.Contains(left, name) })
			if len(next) == 0 {
				return errors.New("the next database is not there")
			}
			held, err = holding.Begin(t.Context())
			require.NoError(t, err)
			_, err = held.Exec(t.Context(), fmt.Sprintf("COMMENT ON DATABASE %q IS 'held'", next[0]))
			require.NoError(t, err)
		}
		if ask[int](t, looking, `SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ '^ALTER DATABASE .*_restoring_.* RENAME TO '`) == 0 {
			return errors.New("the second rename is not begun")
		}
		return nil
	})
	require.NoError(t, held.Rollback(t.Context()))
}

// refreshKilledAfterSwap kills a refresh once the next database has the name,
// and says which has the one that had it.
func (p *project) refreshKilledAfterSwap(t *testing.T) (kept string) {
	t.Helper()
	before := p.beside(t, "before")
	p.refreshKilledWhen(t, "after the exchange", func() error {
		now := p.beside(t, "before")
		if len(now) == len(before) {
			return errors.New("the old database has its name")
		}
		kept = now[len(now)-1]
		return nil
	})
	return kept
}

// refreshKilledWhen kills a refresh from prod when it has reached a moment.
func (p *project) refreshKilledWhen(t *testing.T, moment string, reached func() error) {
	t.Helper()
	arguments := []string{"refresh-data", "--from", "prod", "--yes"}
	command := p.command(t.Context(), arguments...)
	var said strings.Builder
	command.Stdout, command.Stderr = &said, &said
	require.NoError(t, command.Start())
	await(t, 2*time.Minute, moment, reached)
	require.NoError(t, command.Process.Kill())
	err := command.Wait()
	p.record(fmt.Sprintf("%s%v\n", &said, err), arguments...)
	require.ErrorContains(t, err, "signal: killed", moment)
}
