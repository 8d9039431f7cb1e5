package operation

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/consequence"
	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/engine"
	"github.com/witchcityrope/database/internal/live"
	"github.com/witchcityrope/database/internal/password"
)

// Types of the resources that recovery knows.
const (
	containerType = "docker:index/container:Container"
	volumeType    = "docker:index/volume:Volume"
	networkType   = "docker:index/network:Network"
	directoryType = "pgserver:index:DataDirectory"
	roleType      = "postgresql:index/role:Role"
	providerType  = "pulumi:providers:pgserver"
	settingType   = "pgserver:index:SystemSetting"
	fileType      = "pgserver:index:ServerFile"
	databaseType  = "pgserver:index:Database"
)

// recovery repairs what the engine cannot: what a killed run has left between
// the state and reality, and a container that is stopped or gone, without
// which nothing that lives in its server can even be looked at.
type recovery struct {
	stack      *engine.Stack
	docker     client.APIClient
	derivation *password.Derivation
	report     Reporter
	approve    func(consequence.Forecast) error
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
	if agent, ok := state.FindBackupAgent(containerType); ok {
		if err := r.reviveAgent(ctx, agent, &found); err != nil {
			return found, err
		}
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
	attached, err := r.attached(ctx, declared)
	if err == nil && !attached {
		r.report("a network of the container is gone or was made anew: the container is replaced, its data kept")
		found.detached(declared)
	}
	return found, err
}

// detached notes a container that is not on its networks as they are now.
func (f *finding) detached(declared apitype.ResourceV3) {
	f.replace, f.refresh = append(f.replace, string(declared.URN)), true
	f.drift = append(f.drift, engine.Change{Operation: "detached", Type: containerType, Name: engine.ResourceName(string(declared.URN))})
}

// reviveAgent makes the container that makes backups run, on its networks. One
// that is gone a refresh finds.
func (r *recovery) reviveAgent(ctx context.Context, declared apitype.ResourceV3, found *finding) error {
	state, err := live.Container(ctx, r.docker, string(declared.ID))
	if err != nil || state == live.Missing {
		found.refresh = found.refresh || state == live.Missing
		return err
	}
	attached, err := r.attached(ctx, declared)
	if err != nil {
		return err
	}
	if !attached {
		r.report("a network of the container that makes backups is gone or was made anew: it is replaced")
		found.detached(declared)
		return nil
	}
	if state == live.Running {
		return nil
	}
	r.report("the container that makes backups is stopped: it is started")
	found.drift = append(found.drift, engine.Change{Operation: "stopped", Type: containerType, Name: engine.ResourceName(string(declared.URN))})
	return r.docker.ContainerStart(ctx, string(declared.ID), container.StartOptions{})
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
	return r.discard(ctx, declared)
}

// discard removes a container whose data is in memory, and forgets what was in it.
func (r *recovery) discard(ctx context.Context, declared apitype.ResourceV3) error {
	if _, err := r.removeContainer(ctx, string(declared.ID)); err != nil {
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
// then has its first password again, or no longer the database that was made.
func (r *recovery) emptied(ctx context.Context, container string) (bool, error) {
	state, err := r.stack.State(ctx)
	if err != nil {
		return false, err
	}
	made, _ := state.Find(databaseType)
	name, known := made.Inputs["name"].(string)
	if !known {
		name = r.stack.Config.Database.Name
	}
	connection, err := r.server(container).Superuser(ctx, name)
	var answer *pgconn.PgError
	switch {
	case err == nil:
		return false, connection.Close(ctx)
	case errors.As(err, &answer) && answer.Code == "3D000": // invalid_catalog_name
		return true, nil
	case errors.As(err, &answer) && answer.Code == "28P01": // invalid_password
		fresh, failed := r.server(container).Fresh(ctx)
		if fresh || failed != nil {
			return fresh, failed
		}
	}
	return false, err
}

// attached says whether the running container is on both of its networks as
// they are now.
func (r *recovery) attached(ctx context.Context, declared apitype.ResourceV3) (bool, error) {
	found, ok, err := dockerengine.Container(ctx, r.docker, string(declared.ID))
	if err != nil || !ok {
		return true, err // gone: made anew anyway
	}
	networks, _ := declared.Inputs["networksAdvanced"].([]any)
	for _, entry := range networks {
		name, _ := entry.(map[string]any)["name"].(string)
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
