package access

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/witchcityrope/database/components/pgserver"
)

// registerMembershipOptions registers how roles are members of others, which
// postgresql:Role neither says nor reads. Whenever it changes a role, it makes
// its memberships anew, with the usual options: others have to be given again.
func registerMembershipOptions(s *stages, name string, plan Plan) error {
	for _, role := range plan.Roles {
		for _, of := range role.MemberOf {
			row := "role " + role.Name
			membership, declared := role.membership(of)
			args := &pgserver.MembershipOptionsArgs{
				Role: pulumi.String(of), Member: pulumi.String(role.Name),
				Inherit: pulumi.Bool(membership.Inherit), Set: pulumi.Bool(membership.Set), Admin: pulumi.Bool(membership.Admin),
			}
			if declared {
				args.Trigger = pulumi.String(role.fingerprint())
			} else if plan.Major < optionsOfMemberships {
				args.Inherit = pulumi.Bool(true)
			}
			resource, err := pgserver.NewMembershipOptions(s.ctx, name+"-membership-"+role.Name+"-in-"+of, args,
				s.options(row, s.args.PgServer, s.of(of, role.Name))...)
			if err := s.add(row, resource, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// optionsOfMemberships is the major version since which memberships have options
// of their own; before, whether they are inherited is an attribute of the member.
const optionsOfMemberships = 16

// fingerprint differs where the role differs. It tells nothing of the verifier.
func (r Role) fingerprint() string {
	r.Memberships = nil
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v", r))
	return hex.EncodeToString(sum[:8])
}

// registerObjectGrants registers grants on single objects, after those on all of
// a schema, and chained by object.
func registerObjectGrants(s *stages, name string, plan Plan) error {
	for _, grant := range plan.ObjectGrants {
		columns := pulumi.StringArrayMap{}
		for column, privileges := range grant.Columns {
			columns[column] = pulumi.ToStringArray(privileges)
		}
		args := &pgserver.ObjectGrantArgs{
			Database: pulumi.String(plan.Database), Role: pulumi.String(grant.Role), Class: pulumi.String(grant.Class),
			Object: pulumi.String(grant.Object), Privileges: pulumi.ToStringArray(grant.Privileges),
			Columns: columns, GrantOption: pulumi.Bool(grant.GrantOption),
		}
		if len(grant.GrantableColumns) > 0 {
			args.GrantableColumns = pulumi.ToStringArray(grant.GrantableColumns)
		}
		if grant.Schema != "" {
			args.Schema = pulumi.String(grant.Schema)
		}
		resource, err := pgserver.NewObjectGrant(s.ctx, strings.Join([]string{name, "grant", grant.Class, grant.Role, grant.object()}, "-"),
			args, s.options(grant.row(), s.args.PgServer, s.of(grant.Role))...)
		if err := s.add(grant.row(), resource, err); err != nil {
			return err
		}
	}
	return nil
}
