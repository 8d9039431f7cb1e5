package access

import (
	"maps"
	"slices"

	"github.com/witchcityrope/database/config"
)

// declare adds what the long form says: roles, or more about those that every
// stack has; grants and default privileges, in the place of those about the same.
func (p *Plan) declare(stack *config.Stack, names config.Names, verifier func(role string) string) {
	for _, declared := range stack.Access.Roles {
		for _, name := range names.Named(declared.Name) {
			p.declareRole(stack, name, declared, names, verifier)
		}
	}
	p.inOrder()
	for _, grant := range stack.Access.Grants {
		for _, role := range names.Named(grant.Role) {
			p.declareGrant(role, grant)
		}
	}
	for _, privileges := range stack.Access.DefaultPrivileges {
		for _, owner := range names.Named(privileges.Owner) {
			for _, role := range names.Named(privileges.Role) {
				p.setDefault(DefaultPrivileges{
					Owner: owner, Role: role, ObjectType: privileges.On, Schema: privileges.Schema,
					Privileges: sorted(privileges.Privileges), GrantOption: privileges.GrantOption,
				})
			}
		}
	}
}

func (p *Plan) declareRole(stack *config.Stack, name string, declared config.Role, names config.Names, verifier func(role string) string) {
	at := slices.IndexFunc(p.Roles, func(role Role) bool { return role.Name == name })
	if at < 0 {
		at = len(p.Roles)
		p.Roles = append(p.Roles, Role{Name: name, Login: declared.Login, ConnectionLimit: -1})
		if declared.Login && declared.Password == config.DerivedPassword {
			p.Roles[at].Verifier = verifier(name)
		}
	}
	role := &p.Roles[at]
	if declared.ConnectionLimit >= 0 { // else what the budget gives, or none
		role.ConnectionLimit = declared.ConnectionLimit
	}
	role.ValidUntil, role.NoInherit = declared.Validity(), !declared.Inherit
	role.CreateDatabase = role.CreateDatabase || declared.CreateDatabase
	role.CreateRole, role.Superuser = declared.CreateRole, declared.Superuser
	role.Replication, role.BypassRowLevelSecurity = declared.Replication, declared.BypassRowLevelSecurity
	for _, setting := range slices.Sorted(maps.Keys(declared.Settings)) {
		if value := string(declared.Settings[setting]); !role.Session.take(stack, setting, value) {
			p.SessionDefaults = append(p.SessionDefaults, SessionDefault{Role: name, Name: setting, Value: value})
		}
	}
	for _, membership := range declared.MemberOf {
		for _, group := range names.Named(membership.Role) {
			if !slices.Contains(role.MemberOf, group) {
				role.MemberOf = append(role.MemberOf, group)
			}
			if !membership.Usual() {
				membership.Role = group
				role.Memberships = append(role.Memberships, membership)
			}
		}
	}
}

// inOrder puts roles behind those that they are members of. Where none is a
// member of another that comes later, the order stays.
func (p *Plan) inOrder() {
	var ordered []Role
	placed := map[string]bool{}
	var place func(role Role)
	place = func(role Role) {
		if placed[role.Name] {
			return
		}
		placed[role.Name] = true
		for _, group := range role.MemberOf {
			if at := slices.IndexFunc(p.Roles, func(r Role) bool { return r.Name == group }); at >= 0 {
				place(p.Roles[at])
			}
		}
		ordered = append(ordered, role)
	}
	for _, role := range p.Roles {
		place(role)
	}
	p.Roles = ordered
}

func (p *Plan) declareGrant(role string, grant config.Grant) {
	switch {
	case grant.On == config.OnDatabase:
		databases := grant.Objects
		if len(databases) == 0 {
			databases = []string{p.Database}
		}
		for _, database := range databases {
			p.setGrant(Grant{Database: database, Role: role, ObjectType: grant.On, Privileges: sorted(grant.Privileges), GrantOption: grant.GrantOption})
		}
	case grant.On == config.OnSchema || grant.Whole():
		p.setGrant(Grant{
			Database: p.Database, Role: role, Schema: grant.Schema, ObjectType: grant.On,
			Privileges: sorted(grant.Privileges), GrantOption: grant.GrantOption,
		})
		if grant.Whole() && grant.Future && len(grant.Privileges) > 0 {
			p.setDefault(DefaultPrivileges{
				Owner: p.ownerOf(grant.Schema), Role: role, ObjectType: grant.On, Schema: grant.Schema,
				Privileges: sorted(grant.Privileges), GrantOption: grant.GrantOption,
			})
		}
	default:
		for _, object := range grant.Objects {
			p.setObjectGrant(role, object, grant)
		}
	}
}

// setGrant takes the place of the grant about the same.
func (p *Plan) setGrant(grant Grant) {
	put(&p.Grants, grant, func(g Grant) bool {
		return g.Role == grant.Role && g.ObjectType == grant.ObjectType && g.Database == grant.Database && g.Schema == grant.Schema
	})
}

// setDefault takes the place of the default privileges about the same.
func (p *Plan) setDefault(privileges DefaultPrivileges) {
	put(&p.DefaultPrivileges, privileges, func(d DefaultPrivileges) bool {
		return d.Role == privileges.Role && d.Owner == privileges.Owner && d.ObjectType == privileges.ObjectType && d.Schema == privileges.Schema
	})
}

// setObjectGrant puts what is granted on a table and on its columns into one:
// revoking on the table revokes on its columns.
func (p *Plan) setObjectGrant(role, object string, grant config.Grant) {
	class := grant.On
	if class == config.OnColumn {
		class = config.OnTable
	}
	at := slices.IndexFunc(p.ObjectGrants, func(g ObjectGrant) bool {
		return g.Role == role && g.Class == class && g.Schema == grant.Schema && g.Object == object
	})
	if at < 0 {
		at = len(p.ObjectGrants)
		p.ObjectGrants = append(p.ObjectGrants, ObjectGrant{Role: role, Class: class, Schema: grant.Schema, Object: object})
	}
	made := &p.ObjectGrants[at]
	if grant.On != config.OnColumn {
		made.Privileges, made.GrantOption = sorted(grant.Privileges), grant.GrantOption
		return
	}
	if made.Columns == nil {
		made.Columns = map[string][]string{}
	}
	for _, column := range grant.Columns {
		made.Columns[column] = sorted(grant.Privileges)
		if grant.GrantOption {
			made.GrantableColumns = sorted(append(made.GrantableColumns, column))
		}
	}
}

// except leaves the tables that a role has a grant of its own on out of its grant
// on all tables of their schema.
func (p *Plan) except() {
	for i, all := range p.Grants {
		if all.ObjectType != config.OnTable {
			continue
		}
		for _, single := range p.ObjectGrants {
			if single.Class == config.OnTable && single.Role == all.Role && single.Schema == all.Schema {
				p.Grants[i].Except = append(p.Grants[i].Except, single.Object)
			}
		}
	}
}

// ownerOf is who creates in a schema.
func (p *Plan) ownerOf(schema string) string {
	for _, declared := range p.Schemas {
		if declared.Name == schema {
			return declared.Owner
		}
	}
	return p.Owner
}

func put[T any](list *[]T, element T, same func(T) bool) {
	if at := slices.IndexFunc(*list, same); at >= 0 {
		(*list)[at] = element
		return
	}
	*list = append(*list, element)
}

func sorted(privileges []string) []string { return slices.Sorted(slices.Values(privileges)) }

// name of the resource: of one who owns all that has no other owner, everywhere,
// only the class and the role are said.
func (d DefaultPrivileges) name(owner string) string {
	name := "default-" + d.ObjectType + "-" + d.Role
	if d.Owner != owner {
		name += "-by-" + d.Owner
	}
	if d.Schema != "" {
		name += "-in-" + d.Schema
	}
	return name
}

// object is the object with its schema.
func (g ObjectGrant) object() string {
	if g.Schema == "" {
		return g.Object
	}
	return g.Schema + "." + g.Object
}

// row is what of the catalogue the grant changes.
func (g ObjectGrant) row() string { return g.Class + " " + g.object() }
