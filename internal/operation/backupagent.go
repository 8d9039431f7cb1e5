package operation

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/docker/docker/client"

	"github.com/witchcityrope/database/internal/agent"
	"github.com/witchcityrope/database/internal/backup"
	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/engine"
	"github.com/witchcityrope/database/internal/live"
	"github.com/witchcityrope/database/internal/pgtools"
)

// withAgent runs do while the container that makes backups runs.
func (o *Operation) withAgent(ctx context.Context, do func(client.APIClient) error) (err error) {
	docker, err := dockerengine.Connect(ctx, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, docker.Close()) }()
	if err := o.agentRuns(ctx, docker); err != nil {
		return err
	}
	return do(docker)
}

func (o *Operation) agentRuns(ctx context.Context, docker client.APIClient) error {
	state, err := live.Container(ctx, docker, o.config.BackupContainer())
	if err == nil && state != live.Running {
		err = fmt.Errorf("stack %s: container %s, which makes backups, does not run: bring it up first (wcrdb up -s %[1]s)", o.Stack, o.config.BackupContainer())
	}
	return err
}

// backupByAgent has the container make a backup now, where it makes the scheduled ones.
func (o *Operation) backupByAgent(ctx context.Context, docker client.APIClient, follow func(backup.Progress)) (*backup.Backup, error) {
	if err := o.agentRuns(ctx, docker); err != nil {
		return nil, err
	}
	var made *backup.Backup
	var fault string
	spoken := &messages{hear: func(line []byte) error {
		var message backup.Message
		if err := json.Unmarshal(line, &message); err != nil {
			return fmt.Errorf("%q: %w", line, err)
		}
		switch {
		case message.Made != nil:
			made = message.Made
		case message.Fault != "":
			fault = message.Fault
		case message.Said != "":
			o.Report("  %s", message.Said)
		case message.Progress != nil && follow != nil:
			follow(*message.Progress)
		}
		return nil
	}}
	err := pgtools.Inside(docker, o.config.BackupContainer()).Run(ctx, pgtools.Command{Args: []string{agent.Program, "now"}, Stdout: spoken})
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%w: container %s goes on with the backup by itself; wcrdb backups -s %s lists it when it is whole", backup.ErrInterrupted, o.config.BackupContainer(), o.Stack)
	}
	var failed *pgtools.Failed
	if errors.As(err, &failed) && fault != "" {
		return nil, agentFault{fault, backup.Known(failed.Status)}
	}
	if err == nil && made == nil {
		err = errors.New("it ended without a word")
	}
	if err != nil {
		return nil, fmt.Errorf("container %s: %w", o.config.BackupContainer(), err)
	}
	return made, nil
}

// agentFault is a fault in the agent's words, and of its kind.
type agentFault struct {
	words string
	kind  error
}

func (f agentFault) Error() string { return f.words }
func (f agentFault) Unwrap() error { return f.kind }

// messages hands on lines as they come.
type messages struct {
	hear func(line []byte) error
	rest []byte
}

func (m *messages) Write(data []byte) (int, error) {
	m.rest = append(m.rest, data...)
	for {
		line, rest, whole := bytes.Cut(m.rest, []byte("\n"))
		if !whole {
			return len(data), nil
		}
		if err := m.hear(line); err != nil {
			return 0, err
		}
		m.rest = rest
	}
}

// backupsOfAgent lists what is where the scheduled backups are.
func (o *Operation) backupsOfAgent(ctx context.Context, verify bool) (found []backup.Backup, err error) {
	args := []string{agent.Program, "list"}
	if verify {
		args = append(args, "--verify")
	}
	err = o.withAgent(ctx, func(docker client.APIClient) error {
		var listed bytes.Buffer
		if err := pgtools.Inside(docker, o.config.BackupContainer()).Run(ctx, pgtools.Command{Args: args, Stdout: &listed}); err != nil {
			return err
		}
		return json.Unmarshal(listed.Bytes(), &found)
	})
	return found, err
}

// openBackup opens a backup by its directory on this machine, or by its ID
// where the stack keeps its backups; done removes what had to be copied. What a
// killed run has left of that, the next one removes.
func (o *Operation) openBackup(ctx context.Context, ref string) (opened *backup.Backup, done func() error, err error) {
	nothing := func() error { return nil }
	if _, err := os.Stat(ref); err == nil || !backup.IsID(ref) {
		opened, err = backup.Open(ref)
		return opened, nothing, err
	}
	if _, err := os.Stat(filepath.Join(o.backupDir(), ref)); err == nil || !o.config.Backup.Enabled {
		opened, err = backup.Find(o.backupDir(), ref)
		return opened, nothing, err
	}
	dir, err := engine.RunDir(o.Project.LocalDir(o.Stack), "fetched")
	if err != nil {
		return nil, nothing, err
	}
	done = func() error { return os.RemoveAll(dir) }
	if err := o.fetch(ctx, ref, dir); err != nil {
		return nil, nothing, errors.Join(fmt.Errorf("backup %s: %w; wcrdb backups -s %s lists those that there are", ref, err, o.Stack), done())
	}
	opened, err = backup.Open(filepath.Join(dir, ref))
	return opened, done, err
}

// fetch copies a backup out of the container that makes them, running or not.
func (o *Operation) fetch(ctx context.Context, id, into string) (err error) {
	docker, err := dockerengine.Connect(ctx, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, docker.Close()) }()
	files, _, err := docker.CopyFromContainer(ctx, o.config.BackupContainer(), agent.BackupsDir+"/"+id)
	if err != nil {
		return err
	}
	defer files.Close()
	if err := os.Mkdir(filepath.Join(into, id), 0o700); err != nil {
		return err
	}
	for archive := tar.NewReader(files); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if err := save(filepath.Join(into, id, filepath.Base(header.Name)), archive); err != nil {
			return err
		}
	}
}

func save(path string, content io.Reader) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}
