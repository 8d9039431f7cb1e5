// Package dockerengine reaches a Docker Engine and finds things in it.
package dockerengine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
)

// PingTimeout bounds how long Connect waits for the engine to answer.
const PingTimeout = 10 * time.Second

// ErrUnreachable marks errors that say that no Docker Engine answers.
var ErrUnreachable = errors.New("no Docker Engine answers")

// Connect returns a client for the engine at host, whose API version suits it, and makes sure that the
// engine answers. An empty host means DefaultHost.
func Connect(ctx context.Context, host string) (*client.Client, error) {
	if host == "" {
		var err error
		if host, err = DefaultHost(); err != nil {
			return nil, err
		}
	}
	options := []client.Opt{client.WithAPIVersionNegotiation()}
	if host == FromEnvironment() {
		options = append(options, client.WithTLSClientConfigFromEnv())
	}
	engine, err := client.NewClientWithOpts(append(options, client.WithHost(host))...)
	if err != nil {
		return nil, fmt.Errorf("the Docker host %q is not usable: %w; "+
			"expected something like unix:///var/run/docker.sock or tcp://127.0.0.1:2375", host, err)
	}
	ctx, cancel := context.WithTimeout(ctx, PingTimeout)
	defer cancel()
	if _, err := engine.Ping(ctx); err != nil {
		return nil, errors.Join(unreachable(host, err), engine.Close())
	}
	return engine, nil
}

func unreachable(host string, cause error) error {
	remedy := "start Docker, or say where it is with DOCKER_HOST or `docker context use`"
	if errdefs.IsPermissionDenied(cause) || strings.Contains(cause.Error(), "permission denied") {
		remedy = "this user may not use the socket: join the group that owns it (usually docker) or use root"
	}
	return fmt.Errorf("%w at %s: %w; %s", ErrUnreachable, host, cause, remedy)
}

// Container returns the container with the given name or id; ok is false when there is none.
func Container(ctx context.Context, engine client.ContainerAPIClient, ref string) (found container.InspectResponse, ok bool, err error) {
	found, err = engine.ContainerInspect(ctx, ref)
	ok, err = presence("container", ref, err)
	return found, ok, err
}

// Network returns the network with the given name or id; ok is false when there is none.
func Network(ctx context.Context, engine client.NetworkAPIClient, ref string) (found network.Inspect, ok bool, err error) {
	found, err = engine.NetworkInspect(ctx, ref, network.InspectOptions{})
	ok, err = presence("network", ref, err)
	return found, ok, err
}

// Volume returns the volume with the given name; ok is false when there is none.
func Volume(ctx context.Context, engine client.VolumeAPIClient, name string) (found volume.Volume, ok bool, err error) {
	found, err = engine.VolumeInspect(ctx, name)
	ok, err = presence("volume", name, err)
	return found, ok, err
}

// Image returns the local image with the given reference or id; ok is false when there is none.
func Image(ctx context.Context, engine client.ImageAPIClient, ref string) (found image.InspectResponse, ok bool, err error) {
	found, err = engine.ImageInspect(ctx, ref)
	ok, err = presence("image", ref, err)
	return found, ok, err
}

func presence(kind, ref string, err error) (bool, error) {
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking at the %s %q: %w", kind, ref, err)
	}
	return true, nil
}

// Labels that everything of a stack carries in Docker, so that people and wcrdb
// know whose it is.
const (
	LabelProject = "wcrdb.project"
	LabelStack   = "wcrdb.stack"
)

// Labels is a set of labels that something must carry; an empty value stands for any.
type Labels map[string]string

// LabelsOf a stack are those that everything of it carries.
func LabelsOf(project, stack string) Labels {
	return Labels{LabelProject: project, LabelStack: stack}
}

// Missing is the first of the labels, by name, that something with these does not carry with that
// value; empty if it carries all.
func (l Labels) Missing(on map[string]string) string {
	for _, label := range slices.Sorted(maps.Keys(l)) {
		if value, there := on[label]; !there || value != l[label] {
			return label
		}
	}
	return ""
}

func (l Labels) filter() filters.Args {
	args := filters.NewArgs()
	for label, value := range l {
		if value != "" {
			label += "=" + value
		}
		args.Add("label", label)
	}
	return args
}

// Containers lists the containers, running or not, that carry all the labels.
func Containers(ctx context.Context, engine client.ContainerAPIClient, labels Labels) ([]container.Summary, error) {
	found, err := engine.ContainerList(ctx, container.ListOptions{All: true, Filters: labels.filter()})
	if err != nil {
		return nil, fmt.Errorf("listing containers: %w", err)
	}
	return found, nil
}

// Networks lists the networks that carry all the labels; with none, all networks.
func Networks(ctx context.Context, engine client.NetworkAPIClient, labels Labels) ([]network.Summary, error) {
	found, err := engine.NetworkList(ctx, network.ListOptions{Filters: labels.filter()})
	if err != nil {
		return nil, fmt.Errorf("listing networks: %w", err)
	}
	return found, nil
}
