package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// lock is the content of a lock file of the file backend.
type lock struct {
	PID      int    `json:"pid"`
	Username string `json:"username"`
	Hostname string `json:"hostname"`
}

// lockWait is how long a run waits for another one to end.
const lockWait = 2 * time.Minute

// Await waits while another run works on the stack, and removes the
// lock that a killed one has left. Only the file backend has such locks.
func (s *Stack) Await(ctx context.Context) error {
	path, local := s.stateFile()
	if !local {
		return nil
	}
	pattern := filepath.Join(backendFolder(path), "locks", "organization", s.Project.Name, s.Config.Name, "*.json")
	hostname, err := os.Hostname()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	for {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			return err
		}
		alive, err := holder(files, hostname)
		if err != nil {
			return err
		}
		if alive == "" {
			_, stderr, _, err := s.command(ctx, nil, "cancel", "--yes", "--stack", s.Config.Name)
			if err != nil {
				return fmt.Errorf("lock of a run that was killed: %w: %s", err, strings.TrimSpace(stderr))
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("stack %s: %s works on it since before this run; wait for it, or end it", s.Config.Name, alive)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// holder names a process that is alive and holds one of the locks; empty if none is.
func holder(files []string, hostname string) (string, error) {
	for _, file := range files {
		content, err := os.ReadFile(file)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return "", err
		}
		var held lock
		if err := json.Unmarshal(content, &held); err != nil {
			continue // written halfway by a run that was killed
		}
		if held.Hostname != hostname || running(held.PID) {
			return fmt.Sprintf("process %d of %s on %s", held.PID, held.Username, held.Hostname), nil
		}
	}
	return "", nil
}
