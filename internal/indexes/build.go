package indexes

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Progress is how far a build is.
type Progress struct {
	Index, Table string
	// Phase as PostgreSQL names it (manual, section 28.4).
	Phase string
	// Done of the phase, from 0 to 1; negative where nothing can be said.
	Done float64
	// WaitsFor is the session that has to end its transaction first; 0 if none.
	WaitsFor int
}

const (
	// tries is how often a build is begun that a deadlock ends.
	tries = 3
	// look is how often the progress is looked at.
	look = 200 * time.Millisecond
	// cleaning is how long what an interrupted build has left may take to go.
	cleaning = 30 * time.Second
)

// build builds an index while the table is in use. The failure is what the
// server says against it; nothing is left of the index then.
func (r *run) build(ctx context.Context, step Step) (failure string, err error) {
	for try := 1; ; try++ {
		err := r.watched(ctx, step)
		if err == nil {
			return "", nil
		}
		if ctx.Err() != nil || r.builder.IsClosed() {
			return "", errors.Join(err, r.clean(ctx, step))
		}
		var refusal *pgconn.PgError
		if !errors.As(err, &refusal) {
			return "", err
		}
		if err := r.drop(ctx, r.builder, step, step.Wanted.Name); err != nil {
			return "", err
		}
		if refusal.Code != deadlockDetected || try == tries {
			return explain(refusal), nil
		}
	}
}

// explain says what the server had against a build, and what to do.
func explain(refusal *pgconn.PgError) string {
	text := fmt.Sprintf("%s (%s)", refusal.Message, refusal.Code)
	if refusal.Detail != "" {
		text = fmt.Sprintf("%s: %s", text, refusal.Detail)
	}
	if refusal.Code == "23505" {
		return text + " Remove what is there twice, or do not declare it unique"
	}
	return text + " Nothing is left of it: put that right and run this again"
}

// watched runs the statement that builds, and tells how it goes on.
func (r *run) watched(ctx context.Context, step Step) error {
	r.tell(Progress{Index: step.Wanted.Name, Table: step.Table.String(), Phase: "beginning", Done: -1})
	pid := r.builder.PgConn().PID()
	built := make(chan error, 1)
	go func() { built <- r.asOwner(ctx, step.Table, step.Wanted.Statement) }()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	watching := r.Watch != nil
	for {
		select {
		case err := <-built:
			return err
		case <-ticker.C:
			if !watching || ctx.Err() != nil {
				continue
			}
			progress, running, err := r.progress(ctx, pid)
			if err != nil && ctx.Err() == nil { // the build goes on, without anybody looking
				progress, running, watching = Progress{Phase: fmt.Sprintf("its progress cannot be seen: %v", err), Done: -1}, true, false
			}
			if running {
				progress.Index, progress.Table = step.Wanted.Name, step.Table.String()
				r.tell(progress)
			}
		}
	}
}

func (r *run) progress(ctx context.Context, pid uint32) (progress Progress, running bool, err error) {
	err = r.reader.QueryRow(ctx, `SELECT phase, CASE WHEN phase ~ 'scanning' AND blocks_total > 0 THEN blocks_done::float8 / blocks_total
			WHEN phase ~ 'loading' AND tuples_total > 0 THEN tuples_done::float8 / tuples_total ELSE -1 END,
			CASE WHEN phase ~ '^waiting' THEN coalesce(current_locker_pid, 0) ELSE 0 END
		FROM pg_stat_progress_create_index WHERE pid = $1`, int64(pid)).Scan(&progress.Phase, &progress.Done, &progress.WaitsFor)
	if errors.Is(err, pgx.ErrNoRows) {
		return progress, false, nil
	}
	return progress, err == nil, err
}

// clean drops what an interrupted build has left, in a session of its own.
func (r *run) clean(ctx context.Context, step Step) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleaning)
	defer cancel()
	session, err := open(ctx, r.Options)
	if err != nil {
		return fmt.Errorf("what the interrupted build has left was not removed, the next run does it: %w", err)
	}
	return errors.Join(r.drop(ctx, session, step, step.Wanted.Name), session.Close(ctx))
}

// drop removes what a build has left that did not come to its end, and nothing else.
func (r *run) drop(ctx context.Context, session *pgx.Conn, step Step, index string) error {
	name := r.name(step, index)
	var invalid bool
	err := session.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass($1::text) AND NOT (indisvalid AND indisready AND indislive))", name).Scan(&invalid)
	if err != nil || !invalid {
		return err
	}
	if err := one(ctx, session, "DROP INDEX CONCURRENTLY "+name); err != nil {
		return fmt.Errorf("what an interrupted build has left of %s: %w", name, err)
	}
	return nil
}
