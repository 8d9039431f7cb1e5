package dockerengine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
)

// saidLines is how much of what a failed container said is told.
const saidLines = "20"

// RunToEnd runs a container to its end and removes it. A former one of that name, left by a process
// that was killed, is waited for first. An exit status other than 0 is an error, with what the container
// said last.
func RunToEnd(ctx context.Context, engine client.ContainerAPIClient, name string, config *container.Config, host *container.HostConfig) error {
	if err := AwaitEnd(ctx, engine, name, Labels(config.Labels)); err != nil {
		return fmt.Errorf("left by an earlier run: %w", err)
	}
	made, err := engine.ContainerCreate(ctx, config, host, nil, nil, name)
	if err != nil {
		return fmt.Errorf("container %s: %w", name, err)
	}
	status := int64(0)
	if err = engine.ContainerStart(ctx, made.ID, container.StartOptions{}); err == nil {
		status, err = exitStatus(ctx, engine, made.ID)
	}
	switch {
	case err != nil:
		err = fmt.Errorf("container %s: %w", name, err)
	case status != 0:
		err = fmt.Errorf("container %s exited with status %d: %s", name, status, said(ctx, engine, made.ID))
	}
	return errors.Join(err, remove(ctx, engine, made.ID))
}

// AwaitEnd waits until a container of that name has ended, however it does, and removes it; where there
// is none, it does nothing. One that lacks any of the labels is somebody else's, and an error.
func AwaitEnd(ctx context.Context, engine client.ContainerAPIClient, name string, labels Labels) error {
	found, ok, err := Container(ctx, engine, name)
	if err != nil || !ok {
		return err
	}
	if label := labels.Missing(found.Config.Labels); label != "" {
		return fmt.Errorf("container %s is not this stack's: its label %s is %q, not %q; remove it", name, label, found.Config.Labels[label], labels[label])
	}
	if _, err := exitStatus(ctx, engine, found.ID); err != nil {
		return fmt.Errorf("container %s: %w", name, err)
	}
	return remove(ctx, engine, found.ID)
}

// exitStatus waits for a container's end.
func exitStatus(ctx context.Context, engine client.ContainerAPIClient, id string) (int64, error) {
	ended, failed := engine.ContainerWait(ctx, id, container.WaitConditionNotRunning)
	select {
	case err := <-failed:
		return 0, fmt.Errorf("waiting for its end: %w", err)
	case end := <-ended:
		return end.StatusCode, nil
	}
}

// said is what a container said last, or why that is not known.
func said(ctx context.Context, engine client.ContainerAPIClient, id string) string {
	logs, err := engine.ContainerLogs(ctx, id, container.LogsOptions{ShowStdout: true, ShowStderr: true, Tail: saidLines})
	if err != nil {
		return err.Error()
	}
	defer logs.Close()
	var text bytes.Buffer
	if _, err := stdcopy.StdCopy(&text, &text, logs); err != nil {
		return err.Error()
	}
	return strings.TrimSpace(text.String())
}

// remove goes on where the time for everything else is up.
func remove(ctx context.Context, engine client.ContainerAPIClient, id string) error {
	return engine.ContainerRemove(context.WithoutCancel(ctx), id, container.RemoveOptions{Force: true, RemoveVolumes: true})
}
