package restore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/witchcityrope/database/internal/postgres"
)

// Exchange is a database that takes the name of another, which is kept.
type Exchange struct {
	// Database is the name that is used.
	Database string
	// Next is what has the name afterwards.
	Next string
	// Kept is what the present one is called afterwards.
	Kept string
}

// patience is how long sessions may take to end. The server itself gives a
// rename 5 s for that.
const patience = 60 * time.Second

// Swap exchanges two databases in one transaction: whenever it is killed, either
// all of it was done or nothing. Owner, privileges and settings that belong to
// the name go over to the next one; nobody but superusers gets into the kept one.
//
// Sessions of the present one are ended. While it is renamed, whoever connects
// waits; that is why no new session can get in the way.
func Swap(ctx context.Context, open Open, exchange Exchange) (err error) {
	session, err := open(ctx, Maintenance)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.Close(context.WithoutCancel(ctx))) }()
	if err := exchange.check(ctx, session); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := exchange.attempt(ctx, open, session)
		var answer *pgconn.PgError
		if !errors.As(err, &answer) || answer.Code != "55006" || ctx.Err() != nil { // object_in_use: a session took its time
			return err
		}
	}
}

// check finds what would be in the way for longer than sessions are.
func (e Exchange) check(ctx context.Context, session *pgx.Conn) error {
	var prepared []string
	if err := session.QueryRow(ctx, "SELECT coalesce(array_agg(gid::text), '{}') FROM pg_prepared_xacts WHERE database IN ($1, $2)", e.Database, e.Next).Scan(&prepared); err != nil {
		return err
	}
	if len(prepared) > 0 {
		return fmt.Errorf("database %s has prepared transactions (%q), and cannot be renamed: COMMIT PREPARED or ROLLBACK PREPARED them first", e.Database, prepared)
	}
	return nil
}

func (e Exchange) attempt(ctx context.Context, open Open, session *pgx.Conn) error {
	done, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- e.endSessions(ctx, open, done) }()
	err := pgx.BeginFunc(ctx, session, func(tx pgx.Tx) error {
		statements, err := e.statements(ctx, tx)
		if err != nil {
			return err
		}
		for _, statement := range statements {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		return nil
	})
	close(done)
	return errors.Join(err, <-ended)
}

// endSessions ends the sessions of both databases until done: the rename waits for it.
func (e Exchange) endSessions(ctx context.Context, open Open, done <-chan struct{}) error {
	session, err := open(ctx, Maintenance)
	if err != nil {
		return err
	}
	defer session.Close(context.WithoutCancel(ctx))
	for {
		if _, err := session.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ($1, $2)", e.Database, e.Next); err != nil {
			return fmt.Errorf("ending the sessions of database %s: %w", e.Database, err)
		}
		select {
		case <-done:
			return nil
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// statements exchange the names, and what belongs to them.
func (e Exchange) statements(ctx context.Context, tx pgx.Tx) ([]string, error) {
	kept, name, next := postgres.QuoteIdentifier(e.Kept), postgres.QuoteIdentifier(e.Database), postgres.QuoteIdentifier(e.Next)
	properties, err := readProperties(ctx, tx, e.Database)
	if err != nil {
		return nil, err
	}
	statements := []string{
		"SET LOCAL statement_timeout = 0", "SET LOCAL lock_timeout = '30s'",
		fmt.Sprintf("ALTER DATABASE %s RENAME TO %s", name, kept),
		fmt.Sprintf("ALTER DATABASE %s OWNER TO CURRENT_USER", kept),
		fmt.Sprintf("REVOKE ALL ON DATABASE %s FROM PUBLIC", kept),
	}
	for _, grantee := range properties.grantees() {
		statements = append(statements, fmt.Sprintf("REVOKE ALL ON DATABASE %s FROM %s", kept, grantee))
	}
	statements = append(statements, fmt.Sprintf("ALTER DATABASE %s RENAME TO %s", next, name))
	return append(statements, properties.statements(name)...), nil
}
