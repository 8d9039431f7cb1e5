// Package measure measures what package health judges: the container through
// the Docker Engine, the server through SQL, the application's way in from a
// container beside the API.
package measure

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/health"
)

// Container looks at a container.
func Container(ctx context.Context, engine client.APIClient, name string) (*health.Container, error) {
	found, exists, err := dockerengine.Container(ctx, engine, name)
	if err != nil || !exists {
		return &health.Container{}, err
	}
	state := found.State
	measured := &health.Container{
		Exists: true, Running: state.Running, Paused: state.Paused, Restarting: state.Restarting, OutOfMemory: state.OOMKilled,
		ExitCode: state.ExitCode, Restarts: found.RestartCount,
	}
	if measured.StartedAt, err = time.Parse(time.RFC3339Nano, state.StartedAt); err != nil {
		return nil, fmt.Errorf("container %s: when it was started: %w", name, err)
	}
	if check := state.Health; check != nil && check.Status != container.NoHealthcheck {
		measured.Health = check.Status
		if len(check.Log) > 0 {
			measured.Said = strings.TrimSpace(check.Log[len(check.Log)-1].Output)
		}
	}
	return measured, nil
}

// Disk asks in a running container how much room there is where its data is.
func Disk(ctx context.Context, engine client.APIClient, name string) (health.Disk, error) {
	output, err := run(ctx, engine, name, "sh", "-c", `exec df -P -k "$PGDATA"`)
	if err != nil {
		return health.Disk{}, err
	}
	return readDisk(output)
}

// readDisk reads df's answer, whose form POSIX prescribes: device, size, used,
// available (in KiB), percentage, and where it is mounted.
func readDisk(output string) (health.Disk, error) {
	lines := strings.Split(strings.TrimSpace(output), "\n")
	fields := strings.Fields(lines[len(lines)-1])
	if len(lines) < 2 || len(fields) < 6 {
		return health.Disk{}, fmt.Errorf("df said %q", output)
	}
	var kilobytes [2]int64
	for i, field := range fields[2:4] {
		number, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return health.Disk{}, fmt.Errorf("df said %q: %w", output, err)
		}
		kilobytes[i] = number
	}
	used, free := kilobytes[0]<<10, kilobytes[1]<<10
	return health.Disk{Total: used + free, Free: free}, nil
}

// run runs a program in a container, and returns what it wrote.
func run(ctx context.Context, engine client.APIClient, name string, command ...string) (string, error) {
	made, err := engine.ContainerExecCreate(ctx, name, container.ExecOptions{Cmd: command, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return "", err
	}
	streams, err := engine.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{})
	if err != nil {
		return "", err
	}
	defer streams.Close()
	stop := context.AfterFunc(ctx, streams.Close)
	defer stop()
	var stdout, stderr bytes.Buffer
	if _, err := stdcopy.StdCopy(&stdout, &stderr, streams.Reader); err != nil {
		return "", err
	}
	ended, err := engine.ContainerExecInspect(ctx, made.ID)
	if err == nil && ended.ExitCode != 0 {
		err = fmt.Errorf("%s: status %d: %s", command[0], ended.ExitCode, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), err
}
