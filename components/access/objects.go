package access

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/witchcityrope/database/components/pgserver"
)

// registerMembershipOptions registers what postgresql:Role cannot say of the
// memberships that it makes. Whenever it changes a role, it makes them anew.
func registerMembershipOptions(s *stages, name string, plan Plan) error {
	for _, role := range plan.Roles {
		for _, membership := range role.Memberships {
			row := "role " + role.Name
			resource, err := pgserver.NewMembershipOptions(s.ctx, name+"-membership-"+role.Name+"-in-"+membership.Role, &pgserver.MembershipOptionsArgs{
				Role: pulumi.String(membership.Role), Member: pulumi.String(role.Name),
				Inherit: pulumi.Bool(membership.Inherit), Set: pulumi.Bool(membership.Set), Admin: pulumi.Bool(membership.Admin),
				Trigger: pulumi.String(role.fingerprint()),
			}, s.options(row, s.args.PgServer, s.of(membership.Role, role.Name))...)
			if err := s.add(row, resource, err); err != nil {
				return err
			}
		}
	}
	return nil
}

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
