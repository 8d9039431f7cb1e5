package backup

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/witchcityrope/database/internal/pgtools"
)

// What can go wrong with a backup, each with an exit status of its own.
var (
	ErrDiskFull    = errors.New("the disk is full")
	ErrServerGone  = errors.New("the server is gone")
	ErrPassword    = errors.New("the password is wrong")
	ErrPermission  = errors.New("not permitted")
	ErrClock       = errors.New("the clock moved back")
	ErrBusy        = errors.New("another backup is under way")
	ErrInterrupted = errors.New("interrupted")
)

// statuses are the exit statuses of the faults.
var statuses = []struct {
	fault  error
	status int
}{
	{ErrDiskFull, 20}, {ErrServerGone, 21}, {ErrPassword, 22}, {ErrPermission, 23}, {ErrClock, 24}, {ErrBusy, 25}, {ErrInterrupted, 26},
	{ErrIncomplete, 27}, {ErrKey, 28},
}

// unknown is the exit status of what has none of its own.
const unknown = 1

// Status is the exit status of a fault; 1 for one that has none of its own.
func Status(err error) int {
	for _, known := range statuses {
		if errors.Is(err, known.fault) {
			return known.status
		}
	}
	return unknown
}

// Known is the fault of an exit status, or nil.
func Known(status int) error {
	for _, known := range statuses {
		if known.status == status {
			return known.fault
		}
	}
	return nil
}

// makeRoom is what helps a full disk: backups that are no longer kept are deleted before the next is made.
const makeRoom = "make room there, or shorten backup.retention, and the next backup first deletes what is older"

// onDisk says what a fault of the file system means for a backup in dir.
func onDisk(dir string, err error) error {
	switch {
	case err == nil:
		return nil
	case full(err):
		return fmt.Errorf("%w: %s: %w; nothing of this backup is kept; %s", ErrDiskFull, dir, err, makeRoom)
	case errors.Is(err, fs.ErrPermission) || readOnly(err):
		return fmt.Errorf("%w: writing in %s: %w; make it writable for whom the backup runs as", ErrPermission, dir, err)
	default:
		return fmt.Errorf("backups in %s: %w", dir, err)
	}
}

// onServer says what a fault of a session or program means.
func (s *snapshot) onServer(ctx context.Context, err error) error {
	var answer *pgconn.PgError
	var failed *pgtools.Failed
	refused, ran := errors.As(err, &answer), errors.As(err, &failed)
	switch {
	case err == nil || Status(err) != unknown:
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("%w: nothing of this backup is kept: %w", ErrInterrupted, context.Cause(ctx))
	case refused && answer.Code == "42501", // insufficient_privilege
		ran && strings.Contains(failed.Stderr, "permission denied"):
		return permission(err)
	case refused && strings.HasPrefix(answer.Code, "57P"), // operator intervention
		ran && (strings.Contains(failed.Stderr, "server closed the connection") || strings.Contains(failed.Stderr, "terminating connection")),
		!s.alive(ctx):
		return fmt.Errorf("%w: it ended, or ended the session, while the backup was made; nothing of this backup is kept: %w", ErrServerGone, err)
	default:
		return err
	}
}

// alive says whether the server that the snapshot was taken of still lets in.
func (s *snapshot) alive(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, answering)
	defer cancel()
	session, err := pgx.ConnectConfig(ctx, s.session.Config())
	if err != nil {
		return false
	}
	var begun time.Time
	err = session.QueryRow(ctx, "SELECT pg_postmaster_start_time()").Scan(&begun)
	return errors.Join(err, session.Close(ctx)) == nil && begun.Equal(s.begun)
}

// answering is how long a server may take to show that it is there.
const answering = 10 * time.Second

func permission(err error) error {
	return fmt.Errorf("%w: the backup's login may not read everything: %w; grant it that (access.grants), then see wcrdb access verify", ErrPermission, err)
}

// Connecting says what it means that no session could be opened.
func Connecting(ctx context.Context, err error) error {
	var answer *pgconn.PgError
	var stranger *tls.CertificateVerificationError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%w: no backup was begun: %w", ErrInterrupted, context.Cause(ctx))
	case errors.As(err, &stranger):
		return fmt.Errorf("the server does not prove who it is: %w; wcrdb up gives it the declared certificate, and writes the CA that verifies it", err)
	case errors.As(err, &answer) && answer.Code == "28P01": // invalid_password
		return fmt.Errorf("%w: %w; wcrdb up gives the login the declared one back", ErrPassword, err)
	case errors.As(err, &answer) && (answer.Code == "28000" || answer.Code == "42501"):
		return fmt.Errorf("%w: %w", ErrPermission, err)
	default:
		return fmt.Errorf("%w: it lets nobody in: %w", ErrServerGone, err)
	}
}
