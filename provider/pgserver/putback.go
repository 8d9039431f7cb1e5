package pgserver

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/witchcityrope/database/internal/postgres"
)

var (
	_ infer.CustomResource[AdoptionArgs, AdoptionState] = (*PutBack)(nil)
	_ infer.CustomCheck[AdoptionArgs]                   = (*PutBack)(nil)
	_ infer.CustomRead[AdoptionArgs, AdoptionState]     = (*PutBack)(nil)
	_ infer.CustomUpdate[AdoptionArgs, AdoptionState]   = (*PutBack)(nil)
)

// PutBack lets roles that were set aside take the place of those that were created meanwhile.
type PutBack struct{ server dialer }

// Annotate describes the resource.
func (r *PutBack) Annotate(a infer.Annotator) {
	a.Describe(&r, "Lets roles that SetAside has renamed take the place of those that were created meanwhile. Each gets its name back "+
		"and the attributes, password, settings and memberships of the created one, and keeps all that it owns and may do. "+
		"It must be made after the resources that create the roles. Deleting it changes nothing.")
}

// Check reports all faults of the inputs.
func (*PutBack) Check(ctx context.Context, request infer.CheckRequest) (infer.CheckResponse[AdoptionArgs], error) {
	return checkAdoption(ctx, request)
}

// Create puts all roles back.
func (r *PutBack) Create(ctx context.Context, request infer.CreateRequest[AdoptionArgs]) (infer.CreateResponse[AdoptionState], error) {
	return created(request, "put-back", AdoptionState{request.Inputs}, func() error { return r.apply(ctx, request.Inputs.Roles) })
}

// Update puts all roles back.
func (r *PutBack) Update(ctx context.Context, request infer.UpdateRequest[AdoptionArgs, AdoptionState]) (infer.UpdateResponse[AdoptionState], error) {
	return updated(request, AdoptionState{request.Inputs}, func() error { return r.apply(ctx, request.Inputs.Roles) })
}

// Read leaves those roles out of the list that are still set aside, so that the next update puts them back.
func (r *PutBack) Read(ctx context.Context, request infer.ReadRequest[AdoptionArgs, AdoptionState]) (infer.ReadResponse[AdoptionArgs, AdoptionState], error) {
	inputs := request.Inputs
	err := r.server.with(ctx, infer.GetConfig[Config](ctx), func(s *session) error {
		return s.inTransaction(ctx, func(tx pgx.Tx) error {
			left, err := existing(ctx, tx, asides(inputs.Roles))
			inputs.Roles = slices.DeleteFunc(slices.Clone(inputs.Roles), func(role string) bool { return slices.Contains(left, aside(role)) })
			return err
		})
	})
	return infer.ReadResponse[AdoptionArgs, AdoptionState]{ID: request.ID, Inputs: inputs, State: AdoptionState{inputs}}, err
}

func (r *PutBack) apply(ctx context.Context, roles []string) error {
	return r.server.asSuperuser(ctx, func(s *session) error {
		return s.inTransaction(ctx, func(tx pgx.Tx) error { return merge(ctx, tx, roles) })
	})
}

// merge gives every role that was set aside its name back. Where a fresh role has the name meanwhile,
// the old one takes its place and all that it is.
func merge(ctx context.Context, tx pgx.Tx, roles []string) error {
	left, err := existing(ctx, tx, asides(roles))
	if err != nil || len(left) == 0 {
		return err
	}
	roles = slices.DeleteFunc(slices.Clone(roles), func(role string) bool { return !slices.Contains(left, aside(role)) })
	fresh, err := inspect(ctx, tx, roles)
	if err != nil {
		return err
	}
	memberships, err := membershipsOf(ctx, tx, fresh.names())
	if err != nil {
		return err
	}
	for _, role := range fresh {
		if err := dropFresh(ctx, tx, role.name); err != nil {
			return err
		}
	}
	for _, role := range roles {
		if err := rename(ctx, tx, aside(role), role); err != nil {
			return err
		}
	}
	for _, role := range fresh {
		if err := role.impose(ctx, tx); err != nil {
			return err
		}
	}
	return imposeMemberships(ctx, tx, fresh.names(), memberships)
}

// dropFresh drops a role that another resource has just created, and that so owns nothing yet.
func dropFresh(ctx context.Context, tx pgx.Tx, role string) error {
	_, err := tx.Exec(ctx, "DROP ROLE "+postgres.QuoteIdentifier(role))
	if isCode(err, dependentObjectsLeft) {
		return fmt.Errorf("role %q was set aside as %q, and the one created in its place cannot be dropped: %w. "+
			"It owns or may do something already. Put back before granting; or, if it is the right one, hand over with REASSIGN OWNED and DROP OWNED first",
			role, aside(role), explain(err))
	}
	if err != nil {
		return fmt.Errorf("dropping the role %q that takes the place of %q: %w", role, aside(role), err)
	}
	return nil
}
