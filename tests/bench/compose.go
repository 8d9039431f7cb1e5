package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// officialImage is what both would run where its registry answers.
const officialImage = "postgres:16.14-alpine@sha256:57c72fd2a128e416c7fcc499958864df5301e940bca0a56f58fddf30ffc07777"

const composePort = 54392

//go:embed compose.yml
var composeFile string

//go:embed init.sql
var initScript string

// compose is the peer: the same container, declared the usual way.
type compose struct {
	dir     string
	command []string
}

func newCompose(image string) (*compose, error) {
	peer := &compose{}
	switch {
	case exec.Command("docker", "compose", "version").Run() == nil:
		peer.command = []string{"docker", "compose"}
	case exec.Command("docker-compose", "version").Run() == nil:
		peer.command = []string{"docker-compose"}
	default:
		return nil, errors.New("neither docker compose nor docker-compose is installed")
	}
	var err error
	if peer.dir, err = os.MkdirTemp("", "wcrdbbench*"); err != nil {
		return nil, err
	}
	text := strings.NewReplacer("IMAGE", image, "PORT", fmt.Sprint(composePort)).Replace(composeFile)
	return peer, errors.Join(
		os.WriteFile(filepath.Join(peer.dir, "docker-compose.yml"), []byte(text), 0o600),
		os.WriteFile(filepath.Join(peer.dir, "init.sql"), []byte(initScript), 0o644),
		os.Chmod(peer.dir, 0o755),
	)
}

// cold brings the peer up and waits until the application can query, then
// takes it down.
func (c *compose) cold(ctx context.Context) (time.Duration, error) {
	started := time.Now()
	if err := c.run(ctx, "up", "-d"); err != nil {
		return 0, err
	}
	err := await(ctx, fmt.Sprintf("postgresql://witchcityrope_app:bench-only@127.0.0.1:%d/witchcityrope_dev?sslmode=disable", composePort))
	spent := time.Since(started)
	return spent, errors.Join(err, c.run(ctx, "down", "-v", "-t", "120"))
}

func (c *compose) close() error { return os.RemoveAll(c.dir) }

func (c *compose) run(ctx context.Context, args ...string) error {
	args = append(append([]string{}, c.command[1:]...), args...)
	command := exec.CommandContext(ctx, c.command[0], args...)
	command.Dir = c.dir
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, output.String())
	}
	return nil
}

// await polls until a login and a query succeed.
func await(ctx context.Context, uri string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		connection, err := pgx.Connect(ctx, uri)
		if err == nil {
			_, err = connection.Exec(ctx, "SELECT 1")
			return errors.Join(err, connection.Close(ctx))
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}
