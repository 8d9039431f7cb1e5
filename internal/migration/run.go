package migration

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Limits of a run.
type Limits struct {
	// Lock is how long a statement may wait for others: what waits makes
	// everybody else on the table wait behind it.
	Lock time.Duration
	// Statement is how long one may take.
	Statement time.Duration
}

// Failed is a statement that the server refused.
type Failed struct {
	Statement Statement
	Err       error
	// Undone says that the transaction that it was in was rolled back.
	Undone bool
}

func (f *Failed) Unwrap() error { return f.Err }

func (f *Failed) Error() string {
	text := fmt.Sprintf("line %d (%s): %v", f.Statement.Line, f.Statement.Head(), f.Err)
	var answer *pgconn.PgError
	if errors.As(f.Err, &answer) {
		if where := strings.Join(strings.Fields(answer.Where), " "); where != "" {
			text += " (" + where + ")"
		}
		if remedy := remedies[answer.Code]; remedy != "" {
			text += "; " + remedy
		}
	}
	if f.Undone {
		return text + "; the transaction was rolled back"
	}
	return text
}

// remedies by SQLSTATE.
var remedies = map[string]string{
	"55P03": "another session held its lock for too long: run it again when that one is done, or raise --lock-timeout",
	"57014": "raise --statement-timeout if it may take so long",
	"42P07": madeOtherwise, "42701": madeOtherwise, "42710": madeOtherwise, "42P06": madeOtherwise,
	"42501": "wcrdb access verify says what is not as declared",
}

const madeOtherwise = "it is there, and the history does not say so: was it made by hand, or were migrations squashed?"

// lockKey is what all runs lock: "wcrdbmig".
const lockKey = 0x77637264626d6967

// Alone does something while no other run does on this database.
func Alone(ctx context.Context, session *pgx.Conn, limits Limits, do func() error) (err error) {
	for name, limit := range map[string]time.Duration{
		"lock_timeout": limits.Lock, "statement_timeout": limits.Statement,
		"client_connection_check_interval": time.Second, // a statement does not go on when its run was killed
	} {
		if _, err := session.Exec(ctx, "SELECT set_config($1, $2, false)", name, fmt.Sprint(limit.Milliseconds())); err != nil {
			return err
		}
	}
	if _, err := session.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(lockKey)); err != nil {
		var answer *pgconn.PgError
		if errors.As(err, &answer) && answer.Code == "55P03" {
			return fmt.Errorf("another run is under way, %s: %w", holder(ctx, session), err)
		}
		return err
	}
	defer func() {
		_, unlock := session.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", int64(lockKey))
		if session.IsClosed() {
			unlock = nil // the lock went with the session
		}
		err = errors.Join(err, unlock)
	}()
	return do()
}

// holder says who has the lock.
func holder(ctx context.Context, session *pgx.Conn) string {
	var who string
	err := session.QueryRow(ctx, `SELECT format('in the session with process id %s since %s', l.pid, a.backend_start)
		FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
		WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
			AND l.classid::bigint << 32 | l.objid::bigint = $1 LIMIT 1`, int64(lockKey)).Scan(&who)
	if err != nil {
		return "which has just ended"
	}
	return who
}

// Run runs a script: in one transaction, unless it has its own or cannot be in
// one. Each statement that is done is told.
func Run(ctx context.Context, session *pgx.Conn, script *Script, done func(count, of int)) error {
	statements := script.Statements
	atomic := script.atomic()
	if atomic {
		if err := simple(ctx, session, "BEGIN"); err != nil {
			return err
		}
	}
	for i, statement := range statements {
		if err := simple(ctx, session, statement.Text); err != nil {
			undone := session.PgConn().TxStatus() != 'I'
			return errors.Join(&Failed{statement, err, undone}, rollback(ctx, session))
		}
		done(i+1, len(statements))
	}
	if atomic {
		return simple(ctx, session, "COMMIT")
	}
	if session.PgConn().TxStatus() != 'I' {
		return errors.Join(errors.New("the script ends within a transaction that it began: nothing of that was kept; let it COMMIT"), rollback(ctx, session))
	}
	return nil
}

func rollback(ctx context.Context, session *pgx.Conn) error {
	if session.IsClosed() || session.PgConn().TxStatus() == 'I' {
		return nil
	}
	return simple(context.WithoutCancel(ctx), session, "ROLLBACK")
}

// simple runs one statement as psql does.
func simple(ctx context.Context, session *pgx.Conn, statement string) error {
	_, err := session.PgConn().Exec(ctx, statement).ReadAll()
	return err
}
