package pgserver

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/witchcityrope/database/internal/postgres"
)

var (
	_ infer.CustomResource[MembershipOptionsArgs, MembershipOptionsState] = (*MembershipOptions)(nil)
	_ infer.CustomCheck[MembershipOptionsArgs]                            = (*MembershipOptions)(nil)
	_ infer.CustomRead[MembershipOptionsArgs, MembershipOptionsState]     = (*MembershipOptions)(nil)
	_ infer.CustomUpdate[MembershipOptionsArgs, MembershipOptionsState]   = (*MembershipOptions)(nil)
	_ infer.CustomDelete[MembershipOptionsState]                          = (*MembershipOptions)(nil)
)

// MembershipOptions are how one role is a member of another.
type MembershipOptions struct{ sessions *pool }

// MembershipOptionsArgs are the inputs of MembershipOptions.
type MembershipOptionsArgs struct {
	Role    string  `pulumi:"role" provider:"replaceOnChanges"`
	Member  string  `pulumi:"member" provider:"replaceOnChanges"`
	Inherit bool    `pulumi:"inherit"`
	Set     bool    `pulumi:"set"`
	Admin   bool    `pulumi:"admin"`
	Trigger *string `pulumi:"trigger,optional"`
}

// MembershipOptionsState is the state of MembershipOptions.
type MembershipOptionsState struct{ MembershipOptionsArgs }

// Annotate describes the resource.
func (r *MembershipOptions) Annotate(a infer.Annotator) {
	a.Describe(&r, "How a role is a member of another: the options of a membership that a resource of the member declares. "+
		"Deleting it gives the membership the usual options back, if there still is one. It is imported as role/member, written as in a URL.")
}

// Annotate describes the inputs.
func (args *MembershipOptionsArgs) Annotate(a infer.Annotator) {
	a.Describe(&args.Role, "The role that has members.")
	a.Describe(&args.Member, "Its member.")
	a.Describe(&args.Inherit, "Whether the member has at once what the role has. Before PostgreSQL 16 this is an attribute of the member, and must be true here.")
	a.Describe(&args.Set, "Whether the member may SET ROLE to the role. Before PostgreSQL 16 it always may.")
	a.Describe(&args.Admin, "Whether the member may make others members.")
	a.Describe(&args.Trigger, "When it changes, the options are given again: a resource of the member that changes may have made the membership anew.")
}

// Check reports all faults of the inputs.
func (*MembershipOptions) Check(ctx context.Context, request infer.CheckRequest) (infer.CheckResponse[MembershipOptionsArgs], error) {
	args, failures, err := infer.DefaultCheck[MembershipOptionsArgs](ctx, request.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[MembershipOptionsArgs]{Inputs: args, Failures: failures}, err
	}
	failures = identifierFaults(map[string]string{"role": args.Role, "member": args.Member})
	return infer.CheckResponse[MembershipOptionsArgs]{Inputs: args, Failures: onlyKnown(request.NewInputs, failures)}, nil
}

// Create gives the membership its options.
func (r *MembershipOptions) Create(ctx context.Context, request infer.CreateRequest[MembershipOptionsArgs]) (infer.CreateResponse[MembershipOptionsState], error) {
	return created(request, request.Inputs.id(), MembershipOptionsState{request.Inputs}, func() error { return r.apply(ctx, request.Inputs) })
}

// Update gives them again.
func (r *MembershipOptions) Update(ctx context.Context, request infer.UpdateRequest[MembershipOptionsArgs, MembershipOptionsState]) (infer.UpdateResponse[MembershipOptionsState], error) {
	return updated(request, MembershipOptionsState{request.Inputs}, func() error { return r.apply(ctx, request.Inputs) })
}

// Read finds what the options are: nothing means that there is no such membership.
func (r *MembershipOptions) Read(ctx context.Context, request infer.ReadRequest[MembershipOptionsArgs, MembershipOptionsState]) (infer.ReadResponse[MembershipOptionsArgs, MembershipOptionsState], error) {
	var response infer.ReadResponse[MembershipOptionsArgs, MembershipOptionsState]
	role, member, err := parseMembershipID(request.ID)
	if err != nil {
		return response, err
	}
	err = r.sessions.inTransaction(ctx, func(tx pgx.Tx) error {
		found, err := grantsOfMembership(ctx, tx, role, member)
		if err != nil || len(found) == 0 {
			return err
		}
		args := request.Inputs
		args.Role, args.Member = role, member
		args.Admin, args.Inherit, args.Set = together(found)
		response.ID, response.Inputs, response.State = request.ID, args, MembershipOptionsState{args}
		return nil
	})
	return response, err
}

// Delete gives a membership that is still there the usual options.
func (r *MembershipOptions) Delete(ctx context.Context, request infer.DeleteRequest[MembershipOptionsState]) (infer.DeleteResponse, error) {
	args := request.State.MembershipOptionsArgs
	err := r.sessions.inTransaction(ctx, func(tx pgx.Tx) error {
		found, err := grantsOfMembership(ctx, tx, args.Role, args.Member)
		if err != nil || len(found) == 0 {
			return err
		}
		args.Admin, args.Set = false, true
		err = tx.QueryRow(ctx, "SELECT rolinherit FROM pg_roles WHERE rolname = $1", args.Member).Scan(&args.Inherit)
		if err != nil {
			return fmt.Errorf("%s: %w", args, err)
		}
		return args.give(ctx, tx)
	})
	return infer.DeleteResponse{}, err
}

func (r *MembershipOptions) apply(ctx context.Context, args MembershipOptionsArgs) error {
	return r.sessions.inTransaction(ctx, func(tx pgx.Tx) error { return args.give(ctx, tx) })
}

// give makes the membership have exactly these options, whoever else has granted it too.
func (args MembershipOptionsArgs) give(ctx context.Context, tx pgx.Tx) error {
	statements, err := args.statements(majorOf(tx.Conn()))
	if err != nil {
		return err
	}
	for _, statement := range statements {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", args, err)
		}
	}
	found, err := grantsOfMembership(ctx, tx, args.Role, args.Member)
	if err != nil {
		return err
	}
	if admin, inherit, set := together(found); admin == args.Admin && inherit == args.Inherit && set == args.Set {
		return nil
	}
	for _, other := range found { // what others have granted on top
		if other.admin == args.Admin && other.inherit == args.Inherit && other.set == args.Set {
			continue
		}
		if err := other.revoke(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

func (args MembershipOptionsArgs) statements(major int) ([]string, error) {
	role, member := postgres.QuoteIdentifier(args.Role), postgres.QuoteIdentifier(args.Member)
	if major >= optionsOfMemberships {
		return []string{fmt.Sprintf("GRANT %s TO %s WITH ADMIN %t, INHERIT %t, SET %t", role, member, args.Admin, args.Inherit, args.Set)}, nil
	}
	if !args.Inherit || !args.Set {
		return nil, fmt.Errorf("%s: memberships have the options INHERIT and SET since PostgreSQL 16, and this is %d: leave them out", args, major)
	}
	if args.Admin {
		return []string{fmt.Sprintf("GRANT %s TO %s WITH ADMIN OPTION", role, member)}, nil
	}
	return []string{
		fmt.Sprintf("GRANT %s TO %s", role, member),
		fmt.Sprintf("REVOKE ADMIN OPTION FOR %s FROM %s", role, member),
	}, nil
}

// together is what the grants of one membership by several grantors come to.
func together(grants []membership) (admin, inherit, set bool) {
	for _, grant := range grants {
		admin, inherit, set = admin || grant.admin, inherit || grant.inherit, set || grant.set
	}
	return admin, inherit, set
}

// grantsOfMembership are the grants of one membership.
func grantsOfMembership(ctx context.Context, tx pgx.Tx, role, member string) ([]membership, error) {
	return memberships(ctx, tx, "g.rolname = $1 AND m.rolname = $2", role, member)
}

// String says for messages whose membership it is.
func (args MembershipOptionsArgs) String() string {
	return fmt.Sprintf("membership of role %q in %q", args.Member, args.Role)
}

func (args MembershipOptionsArgs) id() string {
	return url.PathEscape(args.Role) + "/" + url.PathEscape(args.Member)
}

func parseMembershipID(id string) (role, member string, err error) {
	first, second, two := strings.Cut(id, "/")
	role, roleErr := url.PathUnescape(first)
	member, memberErr := url.PathUnescape(second)
	if !two || role == "" || member == "" || roleErr != nil || memberErr != nil {
		return "", "", fmt.Errorf("%q does not name a membership; write role/member, for example shop_rw/shop_app", id)
	}
	return role, member, nil
}
