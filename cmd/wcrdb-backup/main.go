// Command wcrdb-backup makes backups by a schedule. It runs in a container
// beside the server's, of the same image.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/witchcityrope/database/internal/agent"
	"github.com/witchcityrope/database/internal/backup"
)

const exitUsage = 2

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	status, err := run(ctx, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "wcrdb-backup:", err)
	}
	stop()
	os.Exit(status)
}

func run(ctx context.Context, args []string) (status int, err error) {
	settings, err := read(agent.SettingsFile)
	if err != nil {
		return exitUsage, err
	}
	worker := &worker{Settings: settings, dir: agent.BackupsDir, password: agent.PasswordFile, ca: agent.CAFile, started: startedFile}
	switch {
	case len(args) == 0:
		return 0, worker.work(ctx)
	case args[0] == "now":
		return worker.now(ctx)
	case args[0] == "list":
		return 0, worker.list(ctx, len(args) > 1 && args[1] == "--verify")
	case args[0] == "health":
		if err := worker.health(time.Now()); err != nil {
			return 1, err
		}
		return 0, nil
	}
	return exitUsage, fmt.Errorf("%s: no such command; there are now, list and health", args[0])
}

func read(path string) (settings agent.Settings, err error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return settings, err
	}
	return settings, json.Unmarshal(content, &settings)
}

// now makes a backup on demand, and says in lines of JSON how it goes.
func (w *worker) now(ctx context.Context) (int, error) {
	out := json.NewEncoder(os.Stdout)
	var failed error
	say := func(message backup.Message) { failed = errors.Join(failed, out.Encode(message)) }
	made, err := w.make(ctx, func(p backup.Progress) { say(backup.Message{Progress: &p}) }, func(line string) { say(backup.Message{Said: line}) })
	if err != nil {
		say(backup.Message{Fault: err.Error()})
		return backup.Status(err), failed
	}
	say(backup.Message{Made: made})
	return 0, failed
}

// list lists the backups as JSON.
func (w *worker) list(ctx context.Context, verify bool) error {
	found, err := backup.List(w.dir)
	if err == nil && verify {
		err = backup.ProveAll(ctx, found)
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(found)
}
