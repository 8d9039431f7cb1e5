package pgserver

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/witchcityrope/database/internal/postgres"
)

// roleSuffix marks the name of a role that was set aside.
const roleSuffix = "__aside"

// AdoptionArgs are the inputs of SetAside and PutBack, the two halves of the adoption of roles that a
// server has but no Pulumi state knows. In between, other resources create roles of the same names.
type AdoptionArgs struct {
	Roles   []string `pulumi:"roles"`
	Trigger *string  `pulumi:"trigger,optional"`
}

// AdoptionState is the state of SetAside and PutBack.
type AdoptionState struct{ AdoptionArgs }

// Annotate describes the inputs.
func (args *AdoptionArgs) Annotate(a infer.Annotator) {
	a.Describe(&args.Roles, "Names of the roles that other resources create.")
	a.Describe(&args.Trigger, "When it changes, every role is looked at again; give both halves the same.")
}

// checkAdoption reports all faults of the inputs.
func checkAdoption(ctx context.Context, request infer.CheckRequest) (infer.CheckResponse[AdoptionArgs], error) {
	args, failures, err := infer.DefaultCheck[AdoptionArgs](ctx, request.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[AdoptionArgs]{Inputs: args, Failures: failures}, err
	}
	if request.NewInputs.Get("roles").HasComputed() {
		return infer.CheckResponse[AdoptionArgs]{Inputs: args}, nil
	}
	for i, role := range args.Roles {
		err := postgres.ValidateIdentifier(aside(role))
		switch {
		case role == "":
			err = fmt.Errorf("is empty; name a role")
		case strings.HasSuffix(role, roleSuffix):
			err = fmt.Errorf("%q ends in %s, which marks roles that were set aside; choose another name", role, roleSuffix)
		case slices.Contains(args.Roles[:i], role):
			err = fmt.Errorf("%q is there twice; remove one", role)
		case err != nil:
			err = fmt.Errorf("with the suffix %s, under which the role is set aside: %w", roleSuffix, err)
		}
		if err != nil {
			failures = append(failures, p.CheckFailure{Property: fmt.Sprintf("roles[%d]", i), Reason: err.Error()})
		}
	}
	return infer.CheckResponse[AdoptionArgs]{Inputs: args, Failures: failures}, nil
}

// aside is the name under which a role is set aside.
func aside(role string) string { return role + roleSuffix }

// asides are the names under which roles are set aside.
func asides(roles []string) []string {
	names := make([]string, len(roles))
	for i, role := range roles {
		names[i] = aside(role)
	}
	return names
}

// existing returns which of the names are roles.
func existing(ctx context.Context, tx pgx.Tx, names []string) ([]string, error) {
	rows, err := tx.Query(ctx, "SELECT rolname FROM pg_roles WHERE rolname = ANY($1::text[])", names)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func rename(ctx context.Context, tx pgx.Tx, from, to string) error {
	_, err := tx.Exec(ctx, "ALTER ROLE "+postgres.QuoteIdentifier(from)+" RENAME TO "+postgres.QuoteIdentifier(to))
	if err != nil {
		return fmt.Errorf("renaming role %q to %q: %w", from, to, err)
	}
	return nil
}
