package operation

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/engine"
	"github.com/witchcityrope/database/internal/postgres"
)

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
		case directoryType:
			name = r.stack.Config.Initialiser()
			err = r.awaitInitialiser(ctx)
		case roleType:
			err = r.setAside(ctx, name)
		}
		if err != nil {
			return fmt.Errorf("%s %s, left by a run that was killed: %w", operation.Resource.Type, name, err)
		}
	}
	return r.stack.Edit(ctx, func(deployment *apitype.DeploymentV3) { deployment.PendingOperations = nil })
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
