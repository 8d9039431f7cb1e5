package pgserver

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/witchcityrope/database/internal/pgtest"
)

// counting makes a provider that counts its logins, and a membership in a server.
func counting(t *testing.T) (server *pgx.Conn, membership made, logins *atomic.Int32) {
	t.Helper()
	started := pgtest.Start(t)
	server, logins = started.Connect(t), &atomic.Int32{}
	execute(t, server, "CREATE ROLE rw", "CREATE ROLE app IN ROLE rw")
	provider := newTestProvider(t, func(ctx context.Context, config Config) (*pgx.Conn, error) {
		logins.Add(1)
		return dial(ctx, config)
	})
	provider.configure(configFor(started))
	return server, provider.create("MembershipOptions", membershipOf("rw", "app", true, true, false)), logins
}

const pooled = "FROM pg_stat_activity WHERE application_name = 'pgserver'"

func TestPoolServesTransactionsWithOneSession(t *testing.T) {
	server, membership, logins := counting(t)
	for range 10 {
		require.True(t, membership.refresh())
	}
	assert.EqualValues(t, 1, logins.Load())
	assert.Eventually(t, func() bool { return query[int](t, server, "SELECT count(*) "+pooled) == 0 },
		20*pooledIdle, 50*time.Millisecond, "nobody stays in anybody's way")
}

func TestPoolHasFewSessionsAtOnce(t *testing.T) {
	server, membership, logins := counting(t)
	held, err := server.Begin(t.Context())
	require.NoError(t, err)
	_, err = held.Exec(t.Context(), "LOCK pg_auth_members IN ACCESS EXCLUSIVE MODE")
	require.NoError(t, err)
	var reading errgroup.Group
	for range 3 * pooledSessions {
		reading.Go(func() error {
			_, err := membership.provider.Read(readRequest("MembershipOptions", membership.id))
			return err
		})
	}
	require.Eventually(t, func() bool { return logins.Load() == pooledSessions }, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, held.Rollback(t.Context()))
	require.NoError(t, reading.Wait())
	assert.EqualValues(t, pooledSessions, logins.Load())
}

func TestPoolMakesSessionsAnewThatTheServerHasEnded(t *testing.T) {
	server, membership, logins := counting(t)
	require.True(t, query[bool](t, server, "SELECT bool_and(pg_terminate_backend(pid, 5000)) "+pooled))
	require.True(t, membership.refresh())
	assert.EqualValues(t, 2, logins.Load())
}

func TestPoolGoesOnAfterAFailedTransaction(t *testing.T) {
	server, membership, logins := counting(t)
	execute(t, server, "ALTER ROLE rw RENAME TO gone")
	require.Error(t, membership.tryUpdate(membershipOf("rw", "app", true, true, true)))
	execute(t, server, "ALTER ROLE gone RENAME TO rw")
	membership.update(membershipOf("rw", "app", true, true, true))
	assert.EqualValues(t, 1, logins.Load())
}
