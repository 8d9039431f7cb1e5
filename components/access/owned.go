package access

import (
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/witchcityrope/database/components/pgserver"
	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/privileges"
)

// OwnedGrant is who may use the functions, or types, of an owner that are there:
// those who may use what he will create. Everybody could, if nothing was said.
type OwnedGrant struct {
	Owner, Class    string
	Allowed, Denied map[string][]string // schemas by role
	Except          map[string][]string // objects by role that grants of their own are about
	Future          bool                // everybody is denied what he will create, too
}

// byOwnedGrant says whether an OwnedGrant takes care of default privileges,
// because it also restores what PostgreSQL gives everybody.
func (d DefaultPrivileges) byOwnedGrant() bool {
	return d.ObjectType == config.OnType && d.Role == public && d.Schema == "" && len(d.Privileges) == 0
}

// ownedGrants follow from default privileges on functions and types.
func (p Plan) ownedGrants() []OwnedGrant {
	var made []OwnedGrant
	for _, defaults := range p.DefaultPrivileges {
		if defaults.ObjectType != config.OnFunction && defaults.ObjectType != config.OnType || defaults.Role == defaults.Owner {
			continue
		}
		at := slices.IndexFunc(made, func(o OwnedGrant) bool { return o.Owner == defaults.Owner && o.Class == defaults.ObjectType })
		if at < 0 {
			at = len(made)
			made = append(made, OwnedGrant{
				Owner: defaults.Owner, Class: defaults.ObjectType,
				Allowed: map[string][]string{}, Denied: map[string][]string{}, Except: map[string][]string{},
			})
		}
		made[at].take(p, defaults)
	}
	for i := range made {
		for _, grant := range p.ObjectGrants {
			if grant.Class == made[i].Class && made[i].about(grant.Role) {
				made[i].Except[grant.Role] = append(made[i].Except[grant.Role], grant.object())
			}
		}
	}
	return made
}

// take adds a role's default privileges, but for schemas in which a grant on all
// objects says what it has. Of what is said of one schema and of all, both hold.
func (o *OwnedGrant) take(p Plan, defaults DefaultPrivileges) {
	role, may := defaults.Role, len(defaults.Privileges) > 0
	o.Future = o.Future || defaults.byOwnedGrant()
	for _, schema := range p.Schemas {
		if defaults.Schema != "" && defaults.Schema != schema.Name || slices.ContainsFunc(p.Grants, func(g Grant) bool {
			return g.Role == role && g.ObjectType == o.Class && g.Schema == schema.Name
		}) {
			continue
		}
		is := func(name string) bool { return name == schema.Name }
		switch allowed := slices.ContainsFunc(o.Allowed[role], is); {
		case may && !allowed:
			o.Allowed[role] = append(o.Allowed[role], schema.Name)
			if o.Denied[role] = slices.DeleteFunc(o.Denied[role], is); len(o.Denied[role]) == 0 {
				delete(o.Denied, role)
			}
		case !may && !allowed:
			o.Denied[role] = append(o.Denied[role], schema.Name)
		}
	}
}

func (o OwnedGrant) about(role string) bool { return len(o.Allowed[role])+len(o.Denied[role]) > 0 }

// owned says whether an OwnedGrant decides what a role may do with a living
// object, and whether it may.
func (p Plan) owned(object privileges.Object, role string) (may, decides bool) {
	if object.Extension != "" {
		return false, false
	}
	for _, grant := range p.OwnedGrants {
		if grant.Owner != object.Owner || grant.Class != string(object.Class) || slices.Contains(grant.Except[role], object.Schema+"."+object.Name) {
			continue
		}
		if slices.Contains(grant.Allowed[role], object.Schema) {
			return true, true
		}
		decides = decides || slices.Contains(grant.Denied[role], object.Schema)
	}
	return false, decides
}

// deciders are the roles about which an OwnedGrant decides.
func (p Plan) deciders(object privileges.Object) []string {
	var roles []string
	for _, grant := range p.OwnedGrants {
		for _, role := range slices.Concat(slices.Collect(maps.Keys(grant.Allowed)), slices.Collect(maps.Keys(grant.Denied))) {
			if _, decides := p.owned(object, role); decides {
				roles = append(roles, role)
			}
		}
	}
	return roles
}

// registerOwnedGrants comes before the default privileges that are in the same
// row, so that it goes after them.
func registerOwnedGrants(s *stages, name string, plan Plan) error {
	for _, grant := range plan.OwnedGrants {
		roles := []string{grant.Owner}
		lists := func(of map[string][]string) pulumi.StringArrayMap {
			made := pulumi.StringArrayMap{}
			for role, list := range of {
				made[role] = pulumi.ToStringArray(list)
				roles = append(roles, role)
			}
			return made
		}
		args := &pgserver.OwnedGrantArgs{
			Database: pulumi.String(plan.Database), Owner: pulumi.String(grant.Owner), Class: pulumi.String(grant.Class),
			Allowed: lists(grant.Allowed), Denied: lists(grant.Denied), Except: lists(grant.Except), Future: pulumi.Bool(grant.Future),
		}
		slices.Sort(roles)
		row := defaultsRow(grant.Class)
		resource, err := pgserver.NewOwnedGrant(s.ctx, name+"-"+grant.name(plan.Owner), args, s.options(row, s.args.PgServer, s.of(slices.Compact(roles)...))...)
		if err := s.add(row, resource, err); err != nil {
			return err
		}
	}
	return nil
}

func (o OwnedGrant) name(owner string) string {
	name := "owned-" + o.Class + "s"
	if o.Owner != owner {
		name += "-by-" + o.Owner
	}
	return name
}
