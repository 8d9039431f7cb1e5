package operation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/engine"
	"github.com/witchcityrope/database/internal/live"
	"github.com/witchcityrope/database/internal/password"
	"github.com/witchcityrope/database/internal/postgres"
)

// Types of the resources that recovery knows.
const (
	containerType = "docker:index/container:Container"
	volumeType    = "docker:index/volume:Volume"
	networkType   = "docker:index/network:Network"
	roleType      = "postgresql:index/role:Role"
	providerType  = "pulumi:providers:pgserver"
	settingType   = "pgserver:index:SystemSetting"
)

// recovery repairs what the engine cannot: what a killed run has left between
// the state and reality, and a container that is stopped or gone, without
// which nothing that lives in its server can even be looked at.
type recovery struct {
	stack      *engine.Stack
	docker     client.APIClient
	derivation *password.Derivation
	report     Reporter
}

// finding is what the following operation has to do.
type finding struct {
	refresh bool     // the state may be wrong
	replace []string // URNs of resources that cannot be repaired in place
	gone    bool     // there is no container that could be looked into
	// unencrypted: TLS is declared and off, so that the postgresql plugin, which
	// demands it, cannot look at anything.
	unencrypted bool
	// moved: the plugins look for the server where the container is not yet
	// published, because a run that moves it did not come to its end.
	moved bool
	drift []engine.Change // what the engine cannot find any more
}

// server is the one in a container, by name or id.
func (r *recovery) server(container string) live.Server {
	return live.Server{Engine: r.docker, Container: container, Stack: r.stack.Config, Derivation: r.derivation}
}

// recover looks and repairs, in the order in which the one needs the other.
func (r *recovery) recover(ctx context.Context) (finding, error) {
	state, err := r.stack.State(ctx)
	if err != nil {
		return finding{}, err
	}
	var found finding
	if len(state.Pending()) > 0 {
		if err := r.clearPending(ctx, state); err != nil {
			return found, err
		}
		found.refresh = true
		if state, err = r.stack.State(ctx); err != nil {
			return found, err
		}
	}
	if err := r.removeOrphans(ctx, state); err != nil {
		return found, err
	}
	declared, ok := state.Find(containerType)
	if !ok {
		return found, nil
	}
	if err := r.revive(ctx, declared, &found); err != nil || found.gone {
		return found, err
	}
	if found.moved, err = r.moved(ctx, state, string(declared.ID)); err != nil {
		return found, err
	}
	if found.unencrypted, err = r.unencrypted(ctx, state, string(declared.ID)); err != nil {
		return found, err
	}
	attached, err := r.attached(ctx)
	if err == nil && !attached {
		r.report("a network of the container is gone or was made anew: the container is replaced, its data kept")
		found.replace, found.refresh = []string{string(declared.URN)}, true
		found.drift = append(found.drift, engine.Change{
			Operation: "detached", Type: containerType, Name: engine.ResourceName(string(declared.URN)),
		})
	}
	return found, err
}

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
	for _, orphan := range []struct {
		resourceType, name string
		remove             func(context.Context, string) (bool, error)
	}{
		{containerType, stack.Server.Name, r.removeContainer},
		{networkType, stack.Network.Name, r.removeNetwork},
		{networkType, stack.Network.AdminName, r.removeNetwork},
	} {
		if known[orphan.resourceType+" "+orphan.name] {
			continue
		}
		if orphan.resourceType == containerType {
			if err := r.checkOwner(ctx, orphan.name); err != nil {
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

// revive makes the container run. Where it is gone, or the data in memory is
// gone with a restart, the state forgets what was in it.
func (r *recovery) revive(ctx context.Context, declared apitype.ResourceV3, found *finding) error {
	state, err := live.Container(ctx, r.docker, string(declared.ID))
	if err != nil {
		return err
	}
	drift := func(operation string) {
		found.drift = append(found.drift, engine.Change{
			Operation: operation, Type: containerType, Name: engine.ResourceName(string(declared.URN)),
		})
	}
	inMemory := r.stack.Config.Storage.Type == config.Tmpfs
	switch {
	case state == live.Missing && inMemory:
		drift("missing")
		found.gone = true
		r.report("the container is gone, and its data with it: everything is made anew")
		return r.stack.Edit(ctx, forget(declared.URN, true))
	case state == live.Missing:
		drift("missing")
		found.gone = true
		r.report("the container is gone: it is made anew on its volume")
		return r.stack.Edit(ctx, forget(declared.URN, false))
	case state == live.Stopped && !inMemory:
		drift("stopped")
		r.report("the container is stopped: it is started")
		return r.docker.ContainerStart(ctx, string(declared.ID), container.StartOptions{})
	}
	if !inMemory {
		return nil
	}
	if state == live.Running {
		lost, err := r.emptied(ctx, string(declared.ID))
		if err != nil || !lost {
			return err
		}
	}
	drift("emptied")
	found.gone = true
	r.report("the container was stopped since, and its data in memory is gone: everything is made anew")
	if err := r.docker.ContainerRemove(ctx, string(declared.ID), container.RemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
		return err
	}
	return r.stack.Edit(ctx, forget(declared.URN, true))
}

// moved says whether the state's plugins and the container differ in where the server is.
func (r *recovery) moved(ctx context.Context, state *engine.State, container string) (bool, error) {
	provider, known := state.Find(providerType)
	if !known {
		return false, nil
	}
	host, port, err := r.server(container).Address(ctx)
	return fmt.Sprint(provider.Inputs["host"], provider.Inputs["port"]) != fmt.Sprint(host, port), err
}

// unencrypted says whether TLS was on and is off.
func (r *recovery) unencrypted(ctx context.Context, state *engine.State, container string) (bool, error) {
	made := slices.ContainsFunc(state.Resources(), func(r apitype.ResourceV3) bool {
		return r.Type == settingType && r.Inputs["name"] == "ssl"
	})
	if !made || !r.stack.Config.TLS.Enabled {
		return false, nil
	}
	connection, err := r.server(container).Superuser(ctx, "postgres")
	if err != nil {
		return false, err
	}
	var ssl string
	err = connection.QueryRow(ctx, "SHOW ssl").Scan(&ssl)
	return ssl == "off", errors.Join(err, connection.Close(ctx))
}

// emptied says whether a running server has lost what was declared in it: it
// then has its first password again, or no such database.
func (r *recovery) emptied(ctx context.Context, container string) (bool, error) {
	connection, err := r.server(container).Superuser(ctx, r.stack.Config.Database.Name)
	if err == nil {
		return false, connection.Close(ctx)
	}
	var answer *pgconn.PgError
	if errors.As(err, &answer) && slices.Contains([]string{"28P01", "3D000"}, answer.Code) {
		return true, nil
	}
	return false, err
}

// attached says whether the running container is on both of its networks as
// they are now.
func (r *recovery) attached(ctx context.Context) (bool, error) {
	names := []string{r.stack.Config.Network.Name, r.stack.Config.Network.AdminName}
	found, ok, err := dockerengine.Container(ctx, r.docker, r.stack.Config.Server.Name)
	if err != nil || !ok {
		return true, err // gone: made anew anyway
	}
	for _, name := range names {
		network, ok, err := dockerengine.Network(ctx, r.docker, name)
		if err != nil {
			return false, err
		}
		endpoint := found.NetworkSettings.Networks[name]
		if !ok || endpoint == nil || endpoint.NetworkID != network.ID {
			return false, nil
		}
	}
	return true, nil
}

// forgetMissing takes out of the state what Docker does not have any more.
func (r *recovery) forgetMissing(ctx context.Context) error {
	state, err := r.stack.State(ctx)
	if err != nil {
		return err
	}
	for _, resource := range state.Resources() {
		exists := true
		var err error
		name, _ := resource.Inputs["name"].(string)
		switch string(resource.Type) {
		case containerType:
			_, exists, err = dockerengine.Container(ctx, r.docker, string(resource.ID))
		case networkType:
			_, exists, err = dockerengine.Network(ctx, r.docker, string(resource.ID))
		case volumeType:
			_, exists, err = dockerengine.Volume(ctx, r.docker, name)
		}
		if err != nil {
			return err
		}
		if !exists {
			r.report("%s is gone already", name)
			if err := r.stack.Edit(ctx, forget(resource.URN, true)); err != nil {
				return err
			}
		}
	}
	return nil
}

// forget takes a resource out of a state, with all references to it, and with
// those that are deleted together with it, if they are gone too.
func forget(urn resource.URN, together bool) func(*apitype.DeploymentV3) {
	return func(deployment *apitype.DeploymentV3) {
		gone := map[resource.URN]bool{urn: true}
		for _, candidate := range deployment.Resources {
			if together && candidate.DeletedWith == urn {
				gone[candidate.URN] = true
			}
		}
		isGone := func(urn resource.URN) bool { return gone[urn] }
		deployment.Resources = slices.DeleteFunc(deployment.Resources, func(r apitype.ResourceV3) bool { return gone[r.URN] })
		for i := range deployment.Resources {
			kept := &deployment.Resources[i]
			kept.Dependencies = slices.DeleteFunc(kept.Dependencies, isGone)
			for property, urns := range kept.PropertyDependencies {
				kept.PropertyDependencies[property] = slices.DeleteFunc(urns, isGone)
			}
			if gone[kept.DeletedWith] {
				kept.DeletedWith = ""
			}
		}
	}
}

// clearPending settles the operations that were under way when a run was
// killed: what was being created and is in no state makes room, so that it can
// be created again. Nothing that holds data is deleted: volumes and what the
// server has are kept.
func (r *recovery) clearPending(ctx context.Context, state *engine.State) error {
	for _, operation := range state.Pending() {
		r.report("the last run was killed while it was %s %s: settled", operation.Type, engine.ResourceName(string(operation.Resource.URN)))
		if operation.Type != apitype.OperationTypeCreating {
			continue
		}
		name, _ := operation.Resource.Inputs["name"].(string)
		var err error
		switch string(operation.Resource.Type) {
		case containerType:
			_, err = r.removeContainer(ctx, name)
		case networkType:
			_, err = r.removeNetwork(ctx, name)
		case roleType:
			err = r.setAside(ctx, name)
		}
		if err != nil {
			return fmt.Errorf("%s %s, left by a run that was killed: %w", operation.Resource.Type, name, err)
		}
	}
	return r.stack.Edit(ctx, func(deployment *apitype.DeploymentV3) { deployment.PendingOperations = nil })
}

// ours says whether labels are those of this stack.
func (r *recovery) ours(labels map[string]string) error {
	stack := r.stack.Config
	if labels[dockerengine.LabelProject] != stack.Project || labels[dockerengine.LabelStack] != stack.Name {
		return errors.New("it is not this stack's (its labels wcrdb.project and wcrdb.stack say so); remove it or choose another name in the stack file")
	}
	return nil
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

// setAside makes room for a role that was created but not recorded. Such a
// role is new and owns nothing: it is dropped. If it owns something after all,
// it is renamed, as the resource SetAside does, and PutBack merges the two.
func (r *recovery) setAside(ctx context.Context, role string) error {
	connection, err := r.server(r.stack.Config.Server.Name).Superuser(ctx, r.stack.Config.Database.Name)
	if err != nil {
		return err
	}
	defer connection.Close(context.WithoutCancel(ctx))
	_, err = connection.Exec(ctx, "DROP ROLE IF EXISTS "+postgres.QuoteIdentifier(role))
	var answer *pgconn.PgError
	if errors.As(err, &answer) && answer.Code == "2BP01" { // dependent_objects_still_exist
		_, err = connection.Exec(ctx, fmt.Sprintf("ALTER ROLE %s RENAME TO %s", postgres.QuoteIdentifier(role), postgres.QuoteIdentifier(role+"__aside")))
	}
	return err
}
