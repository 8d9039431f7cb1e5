package pgserver

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/pulumi/pulumi-go-provider/infer"
)

var (
	_ infer.CustomResource[AdoptionArgs, AdoptionState] = (*SetAside)(nil)
	_ infer.CustomCheck[AdoptionArgs]                   = (*SetAside)(nil)
	_ infer.CustomUpdate[AdoptionArgs, AdoptionState]   = (*SetAside)(nil)
)

// SetAside makes room for roles that other resources will create.
type SetAside struct{ server dialer }

// Annotate describes the resource.
func (r *SetAside) Annotate(a infer.Annotator) {
	a.Describe(&r, "Makes room for roles that other resources will create: a role that is there already is renamed, "+
		"until PutBack gives it its name back. It must be made before those resources. Deleting it changes nothing.")
}

// Check reports all faults of the inputs.
func (*SetAside) Check(ctx context.Context, request infer.CheckRequest) (infer.CheckResponse[AdoptionArgs], error) {
	return checkAdoption(ctx, request)
}

// Create sets all roles aside.
func (r *SetAside) Create(ctx context.Context, request infer.CreateRequest[AdoptionArgs]) (infer.CreateResponse[AdoptionState], error) {
	return created(request, "set-aside", AdoptionState{request.Inputs}, func() error { return r.apply(ctx, request.Inputs.Roles) })
}

// Update sets those roles aside that are new in the list, or all of them where the trigger has changed.
func (r *SetAside) Update(ctx context.Context, request infer.UpdateRequest[AdoptionArgs, AdoptionState]) (infer.UpdateResponse[AdoptionState], error) {
	response := infer.UpdateResponse[AdoptionState]{Output: AdoptionState{request.Inputs}}
	if request.DryRun {
		return response, nil
	}
	roles := slices.Clone(request.Inputs.Roles)
	if sameTrigger(request.Inputs.Trigger, request.State.Trigger) {
		roles = slices.DeleteFunc(roles, func(role string) bool { return slices.Contains(request.State.Roles, role) })
	}
	return response, r.apply(ctx, roles)
}

// apply first finishes what an interrupted run has left, so that nothing is in the way, and then
// renames the roles that are there.
func (r *SetAside) apply(ctx context.Context, roles []string) error {
	if len(roles) == 0 {
		return nil
	}
	return r.server.asSuperuser(ctx, func(s *session) error {
		return s.inTransaction(ctx, func(tx pgx.Tx) error {
			if slices.Contains(roles, s.config.Username) {
				return fmt.Errorf("roles: %q is the provider's own login and cannot be set aside; take it out of the list", s.config.Username)
			}
			if err := merge(ctx, tx, roles); err != nil {
				return err
			}
			present, err := existing(ctx, tx, roles)
			if err != nil {
				return err
			}
			for _, role := range present {
				if err := rename(ctx, tx, role, aside(role)); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func sameTrigger(a, b *string) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }
