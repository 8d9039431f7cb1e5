package agent

import (
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// command is the agent's main package.
const command = "cmd/wcrdb-backup"

// Sources are the folders of this repository that the agent is made of. A test
// holds them equal to what Go says.
var Sources = []string{command, "internal/agent", "internal/backup", "internal/pgtools"}

// Binary is the agent's program on this machine.
type Binary struct {
	// Path is where it is, once it is built.
	Path string
	// Version is the same for the same sources.
	Version string
}

// Find says what the agent of a project is called, without building it.
func Find(project string) (Binary, error) {
	version, err := version(project)
	if err != nil {
		return Binary{}, fmt.Errorf("backup.enabled: the agent's sources: %w; they are in the project's repository: run it there", err)
	}
	path, err := filepath.Abs(filepath.Join(project, ".wcrdb", "agent", version, "wcrdb-backup"))
	return Binary{Path: path, Version: version}, err
}

// version hashes the sources, and what they are built with.
func version(project string) (string, error) {
	files := []string{"go.mod", "go.sum"}
	for _, folder := range Sources {
		found, err := filepath.Glob(filepath.Join(project, filepath.FromSlash(folder), "*.go"))
		if err != nil {
			return "", err
		}
		if len(found) == 0 {
			return "", fmt.Errorf("%s: %w", filepath.Join(project, folder), fs.ErrNotExist)
		}
		for _, path := range found {
			if !strings.HasSuffix(path, "_test.go") {
				files = append(files, folder+"/"+filepath.Base(path))
			}
		}
	}
	slices.Sort(files)
	sum := sha256.New()
	for _, name := range files {
		content, err := os.ReadFile(filepath.Join(project, filepath.FromSlash(name)))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %d\n%s", name, len(content), content)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8]), nil
}

// Build builds the program where Find says that it is, for a Docker host of an
// architecture, by Go's name, unless it is there.
func (b Binary) Build(ctx context.Context, project, architecture string) error {
	built, err := builtFor(b.Path)
	if err != nil || built == architecture {
		return err
	}
	dir := filepath.Dir(b.Path)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // nothing secret
		return err
	}
	aside, err := os.CreateTemp(dir, "building-")
	if err != nil {
		return err
	}
	defer os.Remove(aside.Name())
	if err := aside.Close(); err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", aside.Name(), "./"+command) //nolint:gosec // a name of this machine's
	build.Dir = project
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+architecture, "GOFLAGS=")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the agent that makes backups, for %s, which Docker's host is: %w\n%s", architecture, err, output)
	}
	return os.Rename(aside.Name(), b.Path)
}

// builtFor is the architecture that a program was built for; empty where it is not there.
func builtFor(path string) (string, error) {
	built, err := buildinfo.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("the agent that makes backups, %s, is no program of Go's: %w; delete it, and it is built anew", path, err)
	}
	for _, setting := range built.Settings {
		if setting.Key == "GOARCH" {
			return setting.Value, nil
		}
	}
	return "", nil
}
