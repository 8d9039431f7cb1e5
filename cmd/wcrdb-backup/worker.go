package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/jackc/pgx/v5"
	"github.com/robfig/cron/v3"

	"github.com/witchcityrope/database/internal/agent"
	"github.com/witchcityrope/database/internal/backup"
	"github.com/witchcityrope/database/internal/pgtools"
)

const (
	// startedFile is as old as the container's run.
	startedFile = "/tmp/wcrdb-backup.started"
	// again is how soon a backup that failed is tried again.
	again = 10 * time.Minute
	// glance is how often the clock is looked at: it may be set.
	glance = 20 * time.Second
)

// worker makes the backups of one stack.
type worker struct {
	agent.Settings
	dir                   string
	password, ca, started string
}

// work makes backups by the schedule until it is told to stop.
func (w *worker) work(ctx context.Context) error {
	schedule, err := cron.ParseStandard(w.Schedule)
	if err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	if err := os.WriteFile(w.started, nil, 0o600); err != nil {
		return err
	}
	due, err := w.due(schedule, time.Now())
	if err != nil {
		return err
	}
	for {
		say("next backup at %s", due.Format(time.RFC3339))
		if !await(ctx, schedule, &due) {
			say("stopped")
			return nil
		}
		due = schedule.Next(time.Now())
		if err := w.once(ctx); err != nil && ctx.Err() == nil {
			say("FAILED, status %d: %v", backup.Status(err), err)
			if soon := time.Now().Add(again); soon.Before(due) {
				due = soon
			}
		}
	}
}

// due is when the next backup is; at once where one was missed.
func (w *worker) due(schedule cron.Schedule, now time.Time) (time.Time, error) {
	found, err := backup.List(w.dir)
	if err != nil {
		return now, err
	}
	for _, newest := range found {
		if newest.Good() {
			if missed := schedule.Next(newest.StartedAt); missed.Before(now) {
				return now, nil
			}
			break
		}
	}
	return schedule.Next(now), nil
}

// await waits for a time of the clock, which may be set meanwhile.
func await(ctx context.Context, schedule cron.Schedule, due *time.Time) bool {
	last := time.Now().Round(0)
	for {
		now := time.Now().Round(0)
		if now.Before(last.Add(-time.Minute)) {
			*due = schedule.Next(now)
			say("the clock was set back, from %s; next backup at %s", last.Format(time.RFC3339), due.Format(time.RFC3339))
		}
		if !now.Before(*due) {
			return true
		}
		last = now
		select {
		case <-ctx.Done():
			return false
		case <-time.After(min(glance, due.Sub(now))):
		}
	}
}

// once makes a backup and says so in the log.
func (w *worker) once(ctx context.Context) error {
	made, err := w.make(ctx, nil, func(line string) { say("%s", line) })
	if err != nil {
		return err
	}
	say("backup %s: %d tables, %s in %s, verified", made.ID, len(made.Tables), units.BytesSize(float64(made.Size())), made.Duration().Round(time.Millisecond))
	return nil
}

// make makes a backup, reads all of it, and deletes what is no longer kept.
func (w *worker) make(ctx context.Context, report func(backup.Progress), tell func(string)) (_ *backup.Backup, err error) {
	login, err := w.login()
	if err != nil {
		return nil, err
	}
	session, err := connect(ctx, login, w.Database, w.ca)
	if err != nil {
		return nil, backup.Connecting(ctx, err)
	}
	defer func() {
		if !session.IsClosed() {
			err = errors.Join(err, session.Close(context.WithoutCancel(ctx)))
		}
	}()
	dir, err := os.MkdirTemp("", "wcrdb-backup-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	tools, err := pgtools.NewLocal(login, dir)
	if err != nil {
		return nil, err
	}
	return backup.Retention{Keep: w.Keep, Allowed: w.Allowed}.Make(ctx, backup.Source{
		Session: session, Tools: tools, Project: w.Project, Stack: w.Stack, ImageDigest: w.Image,
	}, backup.Options{Dir: w.dir, Formats: w.Formats, Recipients: w.Recipients, Report: report, Say: tell})
}

func (w *worker) login() (pgtools.Login, error) {
	password, err := os.ReadFile(w.password)
	if err != nil {
		return pgtools.Login{}, err
	}
	login := pgtools.Login{Host: w.Host, Port: w.Port, Username: w.Login, Password: strings.TrimSpace(string(password))}
	if w.TLS {
		login.CAPEM, err = os.ReadFile(w.ca)
	}
	return login, err
}

func connect(ctx context.Context, login pgtools.Login, database, ca string) (*pgx.Conn, error) {
	text := fmt.Sprintf("host=%s port=%d user=%s dbname=%s application_name=wcrdb_backup connect_timeout=15 sslmode=", login.Host, login.Port, login.Username, database)
	if login.CAPEM == nil {
		text += "disable"
	} else {
		text += "verify-full sslrootcert=" + ca
	}
	settings, err := pgx.ParseConfig(text)
	if err != nil {
		return nil, err
	}
	settings.Password = login.Password
	return pgx.ConnectConfig(ctx, settings)
}

// health says why Docker should call the container unhealthy: the newest good
// backup is older than allowed, or there is none and there was time for one.
func (w *worker) health(now time.Time) error {
	found, err := backup.List(w.dir)
	if err != nil {
		return err
	}
	for _, newest := range found {
		if newest.Good() {
			return young("the newest good backup, "+newest.ID+",", now.Sub(newest.StartedAt), w.Allowed)
		}
	}
	started, err := os.Stat(w.started)
	if err != nil {
		return err
	}
	return young("there is no good backup, and this container", now.Sub(started.ModTime()), w.Allowed)
}

func young(what string, age, allowed time.Duration) error {
	if age > allowed {
		return fmt.Errorf("%s is %s old, and %s is allowed; docker logs says why", what, units.HumanDuration(age), units.HumanDuration(allowed))
	}
	return nil
}

func say(format string, args ...any) {
	fmt.Printf("%s %s\n", time.Now().UTC().Format(time.RFC3339), fmt.Sprintf(format, args...))
}
