package operation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/consequence"
	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/engine"
	"github.com/witchcityrope/database/internal/live"
)

// removeOrphans makes room where this stack's container or networks are there
// and the state does not know them, because it was lost. What is in a volume
// stays, and is taken over.
func (r *recovery) removeOrphans(ctx context.Context, state *engine.State) error {
	known := map[string]bool{}
	for _, resource := range state.Resources() {
		name, _ := resource.Inputs["name"].(string)
		known[string(resource.Type)+" "+name] = true
	}
	stack := r.stack.Config
	if err := r.awaitInitialiser(ctx); err != nil {
		return err
	}
	if err := r.orphansAlone(ctx, known, stack.Network.Name, stack.Network.AdminName); err != nil {
		return err
	}
	for _, orphan := range []struct {
		resourceType, name string
		remove             func(context.Context, string) (bool, error)
	}{
		{containerType, stack.Server.Name, r.removeContainer},
		{containerType, stack.BackupContainer(), r.removeContainer},
		{networkType, stack.Network.Name, r.removeNetwork},
		{networkType, stack.Network.AdminName, r.removeNetwork},
	} {
		if known[orphan.resourceType+" "+orphan.name] {
			continue
		}
		if orphan.name == stack.Server.Name && orphan.resourceType == containerType {
			running, err := live.Container(ctx, r.docker, orphan.name)
			if err == nil {
				err = r.checkOwner(ctx, orphan.name)
			}
			if err == nil && running == live.Running {
				err = r.approve(r.replacedOrphan(orphan.name))
			}
			if err != nil {
				return err
			}
		}
		removed, err := orphan.remove(ctx, orphan.name)
		if err != nil {
			return fmt.Errorf("%s, which the state does not know: %w", orphan.name, err)
		}
		if removed {
			r.report("%s was there and the state did not know it: it is made anew", orphan.name)
		}
	}
	return nil
}

// replacedOrphan is what making room for a running container means.
func (r *recovery) replacedOrphan(name string) consequence.Forecast {
	change := engine.Change{Operation: "replace", Type: containerType, Name: name, Before: map[string]any{}}
	if r.stack.Config.Storage.Type == config.Tmpfs {
		change.Before["tmpfs"] = map[string]any{"data": "rw"}
	}
	change.After = change.Before
	return consequence.New([]engine.Change{change}, consequence.Facts{Repairs: map[string]string{name: "it runs, and the state does not know it"}})
}

// checkOwner refuses to touch a container of the same project and stack whose
// passwords come from another root secret: that of another checkout.
func (r *recovery) checkOwner(ctx context.Context, name string) error {
	found, ok, err := dockerengine.Container(ctx, r.docker, name)
	if err != nil || !ok {
		return err
	}
	if err := r.ours(found.Config.Labels); err != nil {
		return fmt.Errorf("container %s: %w", name, err)
	}
	if err := r.docker.ContainerStart(ctx, found.ID, container.StartOptions{}); err != nil {
		return fmt.Errorf("container %s, which the state does not know, cannot be started to see whose it is: %w", name, err)
	}
	ours, err := r.server(name).Ours(ctx)
	if err != nil {
		return fmt.Errorf("container %s, which the state does not know: %w", name, err)
	}
	if !ours {
		return fmt.Errorf("container %s belongs to another checkout: its passwords come from another root secret; "+
			"work there, or take it down there (wcrdb down), or give this stack names and a port of its own (server.name, network.subnet, network.publish.port)", name)
	}
	return nil
}

// foreignVolume names the data's volume if it is there and the state does not
// know it: this run takes it over, or fails and must leave it alone.
func (r *recovery) foreignVolume(ctx context.Context) (string, error) {
	state, err := r.stack.State(ctx)
	if err != nil || r.stack.Config.Storage.Type == config.Tmpfs {
		return "", err
	}
	if _, known := state.Find(volumeType); known {
		return "", nil
	}
	name := r.stack.Config.Storage.Volume
	_, exists, err := dockerengine.Volume(ctx, r.docker, name)
	if err != nil || !exists {
		return "", err
	}
	return name, nil
}

// release takes the volume out of the state again.
func (r *recovery) release(ctx context.Context) error {
	state, err := r.stack.State(ctx)
	if err != nil {
		return err
	}
	volume, known := state.Find(volumeType)
	if !known {
		return nil
	}
	return r.stack.Edit(ctx, forget(volume.URN, false))
}

func (r *recovery) labels() dockerengine.Labels {
	return dockerengine.LabelsOf(r.stack.Config.Project, r.stack.Config.Name)
}

// ours says whether labels are those of this stack.
func (r *recovery) ours(labels map[string]string) error {
	if r.labels().Missing(labels) != "" {
		return errors.New("it is not this stack's (its labels wcrdb.project and wcrdb.stack say so); remove it or choose another name in the stack file")
	}
	return nil
}

// awaitInitialiser waits for a data directory that a killed run has left to be
// initialised: stopped, it would be half of one.
func (r *recovery) awaitInitialiser(ctx context.Context) error {
	name := r.stack.Config.Initialiser()
	_, left, err := dockerengine.Container(ctx, r.docker, name)
	if err != nil || !left {
		return err
	}
	r.report("a run that was killed has left %s, which initialises the data directory: its end is awaited", name)
	return dockerengine.AwaitEnd(ctx, r.docker, name, r.labels())
}

func (r *recovery) removeContainer(ctx context.Context, name string) (bool, error) {
	found, ok, err := dockerengine.Container(ctx, r.docker, name)
	if err != nil || !ok {
		return false, err
	}
	if err := r.ours(found.Config.Labels); err != nil {
		return false, err
	}
	seconds := int(time.Duration(r.stack.Config.Server.StopTimeout).Seconds())
	if err := r.docker.ContainerStop(ctx, found.ID, container.StopOptions{Timeout: &seconds}); err != nil {
		return false, err
	}
	return true, r.docker.ContainerRemove(ctx, found.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
}

func (r *recovery) removeNetwork(ctx context.Context, name string) (bool, error) {
	found, ok, err := dockerengine.Network(ctx, r.docker, name)
	if err != nil || !ok {
		return false, err
	}
	if err := r.ours(found.Labels); err != nil {
		return false, err
	}
	return true, r.docker.NetworkRemove(ctx, found.ID)
}

// orphansAlone refuses to make room for networks that are not this stack's, or that somebody is on.
func (r *recovery) orphansAlone(ctx context.Context, known map[string]bool, names ...string) error {
	orphans := slices.DeleteFunc(names, func(name string) bool { return known[networkType+" "+name] })
	for _, name := range orphans {
		found, ok, err := dockerengine.Network(ctx, r.docker, name)
		if err == nil && ok {
			err = r.ours(found.Labels)
		}
		if err != nil {
			return fmt.Errorf("network %s, which the state does not know: %w", name, err)
		}
	}
	return r.alone(ctx, orphans...)
}

// alone refuses to go on while somebody else's container is on one of the
// networks: Docker deletes no network that is in use, and finds out only after
// the database's container is gone.
func (r *recovery) alone(ctx context.Context, networks ...string) error {
	state, err := r.stack.State(ctx)
	if err != nil {
		return err
	}
	own := append(namesOf(state.Resources(), containerType), r.stack.Config.Server.Name, r.stack.Config.BackupContainer())
	return unused(ctx, r.docker, networks, own)
}

// namesOf are the names in Docker of the resources of a type.
func namesOf(resources []apitype.ResourceV3, resourceType string) (names []string) {
	for _, resource := range resources {
		if name, _ := resource.Inputs["name"].(string); string(resource.Type) == resourceType && name != "" {
			names = append(names, name)
		}
	}
	return names
}

// unused demands that nobody else is on networks that are to be deleted.
func unused(ctx context.Context, docker client.NetworkAPIClient, networks, own []string) error {
	var faults []error
	for _, name := range networks {
		found, _, err := dockerengine.Network(ctx, docker, name)
		if err != nil {
			return err
		}
		for _, guest := range guests(found.Containers, own...) {
			faults = append(faults, fmt.Errorf("network %s is still used by container %s, so nothing was deleted: stop that container, or take it off with docker network disconnect %s %s",
				name, guest, name, guest))
		}
	}
	return errors.Join(faults...)
}

// guests are the names of the containers on a network, but for the stack's own.
func guests(endpoints map[string]network.EndpointResource, own ...string) []string {
	var names []string
	for _, endpoint := range endpoints {
		if !slices.Contains(own, endpoint.Name) {
			names = append(names, endpoint.Name)
		}
	}
	slices.Sort(names)
	return names
}
