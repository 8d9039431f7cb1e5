package pgserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/puddle/v2"
	"github.com/pulumi/pulumi-go-provider/infer"
)

const (
	// pooledSessions is the most sessions that a pool has with one database.
	pooledSessions = 4
	// pooledIdle is how long a session waits for its next transaction. It is less than the
	// five seconds for which CREATE DATABASE and DROP DATABASE wait for those that are in
	// the way (CountOtherDBBackends in PostgreSQL's procarray.c).
	pooledIdle = 500 * time.Millisecond
)

// pool lends silent sessions for single transactions, one after the other: a run has dozens of them,
// and what a session costs is its beginning.
type pool struct {
	dial dialer

	lock      sync.Mutex
	databases map[string]*puddle.Pool[*pooledSession] // by the configuration
}

type pooledSession struct {
	*session
	served bool // somebody already; the server may have ended it since
}

func newPool(dial dialer) *pool {
	return &pool{dial: dial, databases: map[string]*puddle.Pool[*pooledSession]{}}
}

// inTransaction calls do in a transaction in the configured database.
func (p *pool) inTransaction(ctx context.Context, do func(pgx.Tx) error) error {
	return p.inDatabase(ctx, infer.GetConfig[Config](ctx).Database, do)
}

// inDatabase calls do in a transaction in a database, which is rolled back if do fails.
func (p *pool) inDatabase(ctx context.Context, database string, do func(pgx.Tx) error) error {
	config := infer.GetConfig[Config](ctx)
	config.Database = database
	sessions, err := p.of(config)
	if err != nil {
		return err
	}
	lent, err := lend(ctx, sessions)
	if err != nil {
		return err
	}
	defer giveBack(sessions, lent)
	return lent.Value().inTransaction(ctx, do)
}

// of are the sessions with one database, of those who log in in the same way.
func (p *pool) of(config Config) (*puddle.Pool[*pooledSession], error) {
	described, err := json.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("describing the configuration: %w", err)
	}
	key := string(described)
	p.lock.Lock()
	defer p.lock.Unlock()
	if sessions, made := p.databases[key]; made {
		return sessions, nil
	}
	sessions, err := puddle.NewPool(&puddle.Config[*pooledSession]{
		MaxSize: pooledSessions,
		Constructor: func(ctx context.Context) (*pooledSession, error) {
			conn, err := p.dial(ctx, config)
			if err != nil {
				return nil, err
			}
			made := &pooledSession{session: &session{conn, config}}
			if err := made.silence(ctx); err != nil {
				return nil, errors.Join(err, made.end(ctx))
			}
			return made, nil
		},
		// Nobody hears of a session that does not end well: what it was lent for is done.
		Destructor: func(s *pooledSession) { _ = s.end(context.Background()) },
	})
	if err != nil {
		return nil, fmt.Errorf("a pool of sessions with %s: %w", config.address(), err)
	}
	p.databases[key] = sessions
	return sessions, nil
}

// lend lends a session that lives.
func lend(ctx context.Context, sessions *puddle.Pool[*pooledSession]) (*puddle.Resource[*pooledSession], error) {
	for {
		lent, err := sessions.Acquire(ctx)
		if err != nil {
			return nil, err
		}
		if s := lent.Value(); !s.served || s.Ping(ctx) == nil {
			s.served = true
			return lent, nil
		}
		lent.Destroy()
	}
}

// giveBack keeps a session for the next one, for a while.
func giveBack(sessions *puddle.Pool[*pooledSession], lent *puddle.Resource[*pooledSession]) {
	if lent.Value().IsClosed() {
		lent.Destroy()
		return
	}
	lent.Release()
	time.AfterFunc(pooledIdle, func() {
		for _, idle := range sessions.AcquireAllIdle() {
			if idle.IdleDuration() >= pooledIdle {
				idle.Destroy()
			} else {
				idle.ReleaseUnused()
			}
		}
	})
}
