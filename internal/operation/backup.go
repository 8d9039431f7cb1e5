package operation

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/backup"
	"github.com/witchcityrope/database/internal/live"
)

// Backup makes a backup: in a directory of this machine, or where the stack
// keeps its backups if none is given.
func (o *Operation) Backup(ctx context.Context, dir string, follow func(backup.Progress)) (made *backup.Backup, err error) {
	err = o.running(ctx, func(server live.Server) error {
		switch {
		case dir == "" && o.config.Backup.Enabled:
			made, err = o.backupByAgent(ctx, server.Engine, follow)
		case dir == "":
			made, err = o.backupHere(ctx, server, o.backupDir(), follow)
		default:
			made, err = o.backupHere(ctx, server, dir, follow)
		}
		return err
	})
	return made, err
}

// backupDir is where backups of a stack are that has no place of its own for them.
func (o *Operation) backupDir() string {
	return filepath.Join(o.Project.Dir, filepath.FromSlash(config.LocalDir(o.Stack)), "backups")
}

// backupHere makes a backup in a directory of this machine: the programs run
// in a container beside the server.
func (o *Operation) backupHere(ctx context.Context, server live.Server, dir string, follow func(backup.Progress)) (made *backup.Backup, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	session, err := server.Login(ctx, "backup", o.config.Database.Name)
	if err != nil {
		return nil, backup.Connecting(ctx, err)
	}
	defer func() { err = errors.Join(err, closed(ctx, session)) }()
	programs, err := o.programs(ctx, server, "backup")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, programs.Close(ctx)) }()
	digest, err := o.imageDigest(ctx, server)
	if err != nil {
		return nil, err
	}
	return o.retention(dir).Make(ctx, backup.Source{
		Session: session, Tools: programs, Project: o.config.Project, Stack: o.Stack, ImageDigest: digest,
	}, backup.Options{
		Dir: dir, Formats: o.config.Backup.Formats, Recipients: o.config.Backup.Recipients, Report: follow,
		Say: func(line string) { o.Report("  %s", line) },
	})
}

// retention is how long backups are kept in a directory of this machine: in the
// stack's own as declared, for ever where somebody else looks after them.
func (o *Operation) retention(dir string) backup.Retention {
	if dir != o.backupDir() {
		return backup.Retention{}
	}
	return backup.Retention{Keep: time.Duration(o.config.Backup.Retention)}
}

// closed ends a session; one that the server ended is.
func closed(ctx context.Context, session *pgx.Conn) error {
	if session.IsClosed() {
		return nil
	}
	return session.Close(context.WithoutCancel(ctx))
}

// Backups lists the backups in a directory of this machine, or where the stack
// keeps its own if none is given; the newest first.
func (o *Operation) Backups(ctx context.Context, dir string, verify bool) (found []backup.Backup, err error) {
	if err := o.load(); err != nil {
		return nil, err
	}
	if dir != "" {
		return backupsIn(ctx, dir, verify)
	}
	if !o.config.Backup.Enabled {
		return backupsIn(ctx, o.backupDir(), verify)
	}
	return o.backupsOfAgent(ctx, verify)
}

func backupsIn(ctx context.Context, dir string, verify bool) ([]backup.Backup, error) {
	found, err := backup.List(dir)
	if err == nil && verify {
		err = backup.ProveAll(ctx, found)
	}
	return found, err
}
