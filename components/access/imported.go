package access

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/privileges"
)

// Imported is what a stack file has to say, beside what it says already, for
// an up to leave a living database as it is.
type Imported struct {
	Schemas           []config.Schema
	Extensions        []config.Extension
	Roles             []config.Role
	Grants            []config.Grant
	DefaultPrivileges []config.DefaultPrivileges
	// Notes are about what a stack file cannot say.
	Notes []string
}

// Empty says that the stack file describes the database.
func (i Imported) Empty() bool {
	return len(i.Schemas)+len(i.Extensions)+len(i.Roles)+len(i.Grants)+len(i.DefaultPrivileges) == 0
}

// importer compares a database with a plan.
type importer struct {
	plan   Plan
	living privileges.Living
	names  config.Names
	made   Imported
}

// Import describes a living database by what differs from the plan.
func Import(plan Plan, names config.Names, living privileges.Living) Imported {
	i := &importer{plan: plan, living: living, names: names}
	i.schemas()
	i.extensions()
	i.roles()
	i.grants()
	i.defaults()
	return i.made
}

func (i *importer) note(format string, args ...any) {
	i.made.Notes = append(i.made.Notes, fmt.Sprintf(format, args...))
}

// short is how a stack file calls a role.
func (i *importer) short(role string) string {
	for _, short := range i.names.ShortNames() {
		if named := i.names.Named(short); len(named) == 1 && named[0] == role {
			return short
		}
	}
	return role
}

func (i *importer) schemas() {
	changed := false
	schemas := []config.Schema{}
	for _, object := range i.living.Objects {
		if object.Class != privileges.Schema {
			continue
		}
		at := slices.IndexFunc(i.plan.Schemas, func(s Schema) bool { return s.Name == object.Name })
		changed = changed || at < 0 || i.plan.Schemas[at].Owner != object.Owner
		schema := config.Schema{Name: object.Name}
		if object.Owner != i.plan.Owner {
			schema.Owner = i.short(object.Owner)
		}
		schemas = append(schemas, schema)
	}
	if changed {
		i.made.Schemas = schemas
	}
}

func (i *importer) extensions() {
	changed := false
	var extensions []config.Extension
	for _, found := range i.living.Extensions {
		extension := config.Extension{Name: found.Name, Schema: found.Schema}
		at := slices.IndexFunc(i.plan.Extensions, func(e config.Extension) bool { return e.Name == found.Name && e.Schema == found.Schema })
		if at >= 0 && i.plan.Extensions[at].Version != "" {
			extension.Version = found.Version
		}
		changed = changed || at < 0 || i.plan.Extensions[at] != extension
		extensions = append(extensions, extension)
	}
	if changed {
		i.made.Extensions = extensions
	}
}

func (i *importer) roles() {
	for _, found := range i.living.Attributes {
		if found.Name == i.plan.Superuser {
			continue
		}
		role := config.Role{
			Name: i.short(found.Name), Login: found.Login, Password: config.DerivedPassword, ConnectionLimit: found.ConnectionLimit,
			ValidUntil: found.ValidUntil, Inherit: found.Inherit, CreateDatabase: found.CreateDatabase, CreateRole: found.CreateRole,
			Replication: found.Replication, BypassRowLevelSecurity: found.BypassRLS, Superuser: found.Superuser, MemberOf: i.memberOf(found.Name),
		}
		for _, assignment := range found.Settings {
			name, value := found.Setting(assignment)
			if name == "role" {
				continue
			}
			if role.Settings == nil {
				role.Settings = config.Settings{}
			}
			role.Settings[name] = config.Setting(value)
		}
		at := slices.IndexFunc(i.plan.Roles, func(r Role) bool { return r.Name == found.Name })
		if at < 0 {
			if found.Login {
				role.Password = config.KeptPassword
			}
			i.made.Roles = append(i.made.Roles, role)
			continue
		}
		if limit := i.plan.Roles[at].ConnectionLimit; limit >= 0 && found.ConnectionLimit < 0 && i.names.Standard(found.Name) {
			i.note("%s may have any number of sessions at once: an up limits it to %d, as clients says", found.Name, limit)
			role.ConnectionLimit = limit
		}
		if !i.same(i.plan.Roles[at], role) {
			i.made.Roles = append(i.made.Roles, role)
		}
	}
}

// memberOf is what a role is a member of, whoever made it so.
func (i *importer) memberOf(member string) []config.Membership {
	groups := map[string]config.Membership{}
	for _, found := range i.living.Memberships {
		if found.Member != member {
			continue
		}
		group := groups[found.Role]
		group.Role = i.short(found.Role)
		group.Inherit, group.Set, group.Admin = group.Inherit || found.Inherit, group.Set || found.Set, group.Admin || found.Admin
		groups[found.Role] = group
	}
	var list []config.Membership
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		list = append(list, groups[name])
	}
	return list
}

// same says whether the plan has the role as it is; passwords and settings of
// sessions are compared elsewhere.
func (i *importer) same(planned Role, role config.Role) bool {
	declared := map[string]config.Membership{}
	for _, group := range planned.MemberOf {
		declared[group] = config.Membership{Role: i.short(group), Inherit: true, Set: true}
	}
	for _, membership := range planned.Memberships {
		membership.Role = i.short(membership.Role)
		declared[i.names.Named(membership.Role)[0]] = membership
	}
	groups := map[string]config.Membership{}
	for _, membership := range role.MemberOf {
		groups[i.names.Named(membership.Role)[0]] = membership
	}
	validity := "infinity"
	if role.ValidUntil != "" {
		validity = role.Validity()
	}
	return maps.Equal(declared, groups) && planned.Login == role.Login && planned.ConnectionLimit == role.ConnectionLimit &&
		planned.ValidUntil == validity && planned.NoInherit == !role.Inherit && planned.CreateDatabase == role.CreateDatabase &&
		planned.CreateRole == role.CreateRole && planned.Replication == role.Replication &&
		planned.BypassRowLevelSecurity == role.BypassRowLevelSecurity && planned.Superuser == role.Superuser
}

// held is what one role has of one object; Grantable if it may grant all of it.
type held struct {
	privileges []string
	grantable  bool
}

func (h held) equal(other held) bool {
	return slices.Equal(h.privileges, other.privileges) && (h.grantable == other.grantable || len(h.privileges) == 0)
}

// holders are the roles with privileges on an object, but for its owner.
func holders(object privileges.Object) map[string]held {
	all := map[string]held{}
	for _, entry := range object.ACL {
		if entry.Grantee == object.Owner {
			continue
		}
		has, known := all[entry.Grantee]
		has.grantable = entry.Grantable && (has.grantable || !known)
		if !slices.Contains(has.privileges, string(entry.Privilege)) {
			has.privileges = append(has.privileges, string(entry.Privilege))
		}
		slices.Sort(has.privileges)
		all[entry.Grantee] = has
	}
	return all
}

// builtIn is what everybody has of an object that nobody has touched.
func builtIn(class privileges.Class) []string {
	return map[privileges.Class][]string{
		privileges.Database: {"CONNECT", "TEMPORARY"}, privileges.Function: {"EXECUTE"}, privileges.Type: {"USAGE"},
	}[class]
}

// on is what a role has of an object, with what is built in.
func on(object privileges.Object, role string) held {
	if object.ACL == nil && role == public {
		return held{privileges: builtIn(object.Class)}
	}
	return holders(object)[role]
}

func (i *importer) grants() {
	for _, object := range i.living.Objects {
		switch object.Class {
		case privileges.Database:
			if slices.Contains([]string{i.plan.Database, "postgres", "template1"}, object.Name) {
				i.single(object, config.Grant{On: config.OnDatabase, Objects: []string{object.Name}})
			}
		case privileges.Schema:
			i.single(object, config.Grant{On: config.OnSchema, Schema: object.Name})
		case privileges.Type, privileges.LargeObject, privileges.Column:
			if object.Extension == "" {
				i.named(object)
			}
		}
	}
	for _, class := range []privileges.Class{privileges.Table, privileges.Sequence, privileges.Function} {
		for _, schema := range i.living.Objects {
			if schema.Class == privileges.Schema {
				i.inSchema(class, schema.Name)
			}
		}
	}
}

// single compares what a grant of the plan can be about as one.
func (i *importer) single(object privileges.Object, grant config.Grant) {
	schema, database := grant.Schema, i.plan.Database
	if object.Class == privileges.Database {
		database = object.Name
	}
	roles := holders(object)
	roles[public] = on(object, public)
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		has := roles[role]
		at := slices.IndexFunc(i.plan.Grants, func(g Grant) bool {
			return g.Role == role && g.ObjectType == grant.On && g.Database == database && g.Schema == schema
		})
		switch {
		case at >= 0 && has.equal(held{sorted(i.plan.Grants[at].Privileges), i.plan.Grants[at].GrantOption}):
		case at < 0 && slices.Equal(has.privileges, builtInUnless(role, object.Class)):
		default:
			grant.Role, grant.Privileges, grant.GrantOption, grant.Future = i.short(role), has.privileges, has.grantable, true
			i.made.Grants = append(i.made.Grants, grant)
		}
	}
}

// builtInUnless is what a role has where nobody says anything.
func builtInUnless(role string, class privileges.Class) []string {
	if role == public {
		return builtIn(class)
	}
	return nil
}

// expected is what a role has of an object on which nothing is granted by itself.
func (i *importer) expected(object privileges.Object, role string) []string {
	may, decides := i.plan.owned(object, role)
	switch {
	case decides && may:
		return builtIn(object.Class)
	case decides:
		return nil
	}
	return builtInUnless(role, object.Class)
}

// named describes what is granted on one object.
func (i *importer) named(object privileges.Object) {
	roles := holders(object)
	if object.ACL != nil && len(builtIn(object.Class)) > 0 {
		roles[public] = on(object, public)
	}
	for _, role := range i.plan.deciders(object) {
		roles[role] = on(object, role)
	}
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		has := roles[role]
		if slices.Equal(has.privileges, i.expected(object, role)) || i.planned(object, role, has) {
			continue
		}
		grant := config.Grant{Role: i.short(role), On: string(object.Class), Schema: object.Schema, Objects: []string{object.Name}, Privileges: has.privileges,
			GrantOption: has.grantable, Future: true}
		if object.Class == privileges.Column {
			grant.Columns = []string{object.Column}
		}
		i.add(grant)
	}
}

// planned says whether the plan's grants on single objects have it.
func (i *importer) planned(object privileges.Object, role string, has held) bool {
	class := string(object.Class)
	if object.Class == privileges.Column {
		class = config.OnTable
	}
	return slices.ContainsFunc(i.plan.ObjectGrants, func(g ObjectGrant) bool {
		wanted, option := g.Privileges, g.GrantOption
		if object.Class == privileges.Column {
			wanted, option = g.Columns[object.Column], slices.Contains(g.GrantableColumns, object.Column)
		}
		return g.Role == role && g.Class == class && g.Schema == object.Schema && g.Object == object.Name && has.equal(held{sorted(wanted), option})
	})
}

// add joins grants that differ only in their objects.
func (i *importer) add(grant config.Grant) {
	at := slices.IndexFunc(i.made.Grants, func(g config.Grant) bool {
		return g.Role == grant.Role && g.On == grant.On && g.Schema == grant.Schema && g.GrantOption == grant.GrantOption && len(g.Objects) > 0 &&
			slices.Equal(g.Privileges, grant.Privileges) && (grant.On != config.OnColumn || slices.Equal(g.Objects, grant.Objects))
	})
	switch {
	case at < 0:
		i.made.Grants = append(i.made.Grants, grant)
	case grant.On == config.OnColumn:
		i.made.Grants[at].Columns = append(i.made.Grants[at].Columns, grant.Columns...)
	default:
		i.made.Grants[at].Objects = append(i.made.Grants[at].Objects, grant.Objects...)
	}
}

// inSchema describes what is granted on the objects of a class in a schema: on
// all of them, where a role has the same of all, else one by one.
func (i *importer) inSchema(class privileges.Class, schema string) {
	var objects []privileges.Object
	roles := map[string]bool{}
	for _, object := range i.living.Objects {
		if object.Class == class && object.Schema == schema {
			objects = append(objects, object)
			for role := range holders(object) {
				roles[role] = true
			}
			if object.ACL != nil && object.Extension == "" && len(builtIn(class)) > 0 {
				roles[public] = true
			}
			for _, role := range i.plan.deciders(object) {
				roles[role] = true
			}
		}
	}
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		at := slices.IndexFunc(i.plan.Grants, func(g Grant) bool {
			return g.Role == role && g.ObjectType == string(class) && g.Schema == schema
		})
		foreign := slices.DeleteFunc(slices.Clone(objects), func(o privileges.Object) bool {
			return o.Owner == role || at >= 0 && i.planned(o, role, on(o, role))
		})
		if len(foreign) == 0 {
			continue
		}
		first := on(foreign[0], role)
		uniform := !slices.ContainsFunc(foreign, func(o privileges.Object) bool { return !on(o, role).equal(first) }) && role != public &&
			!slices.ContainsFunc(foreign, func(o privileges.Object) bool { _, decides := i.plan.owned(o, role); return decides })
		switch {
		case uniform && at >= 0 && first.equal(held{sorted(i.plan.Grants[at].Privileges), i.plan.Grants[at].GrantOption}):
		case uniform && (at >= 0 || len(foreign) > 1):
			i.made.Grants = append(i.made.Grants, config.Grant{Role: i.short(role), On: string(class), Schema: schema,
				Privileges: first.privileges, GrantOption: first.grantable, Future: false})
		case at >= 0 && class == privileges.Table:
			for _, object := range foreign {
				if has := on(object, role); !has.equal(held{sorted(i.plan.Grants[at].Privileges), i.plan.Grants[at].GrantOption}) {
					i.add(config.Grant{Role: i.short(role), On: config.OnTable, Schema: schema, Objects: []string{object.Name},
						Privileges: has.privileges, GrantOption: has.grantable, Future: true})
				}
			}
		case at >= 0:
			i.note("%s has not the same privileges on every %s in schema %s, where the stack file grants on all of them: an up makes them the same%s",
				role, class, schema, i.evened(foreign, i.plan.Grants[at]))
		default:
			for _, object := range foreign {
				if object.Extension == "" {
					only := object
					only.ACL = slices.DeleteFunc(slices.Clone(object.ACL), func(e privileges.Entry) bool { return e.Grantee != role })
					if object.ACL != nil && only.ACL == nil {
						only.ACL = privileges.ACL{}
					}
					i.namedFor(only, role)
				}
			}
		}
	}
}

// evened is what a role loses where it gets the same of all objects.
func (i *importer) evened(objects []privileges.Object, all Grant) string {
	r := revocations{plan: i.plan, living: i.living}
	for _, object := range objects {
		r.lose(object, all.Role, all.Privileges, all.GrantOption)
	}
	if len(r.lost) == 0 {
		return ", and takes nothing away"
	}
	return ": " + strings.Join(r.lost, ", ")
}

func (i *importer) namedFor(object privileges.Object, role string) {
	has := on(object, role)
	if slices.Equal(has.privileges, i.expected(object, role)) || i.planned(object, role, has) {
		return
	}
	i.add(config.Grant{Role: i.short(role), On: string(object.Class), Schema: object.Schema, Objects: []string{object.Name},
		Privileges: has.privileges, GrantOption: has.grantable, Future: true})
}

// defaults describes default privileges.
func (i *importer) defaults() {
	for _, found := range i.living.Defaults {
		if found.Class == privileges.LargeObject {
			i.note("default privileges of %s on large objects cannot be declared", found.Owner)
			continue
		}
		roles := holders(privileges.Object{Class: found.Class, Owner: found.Owner, ACL: found.ACL})
		if found.Schema == "" {
			if _, has := roles[public]; !has {
				roles[public] = held{} // what is built in was taken away
			}
		}
		for _, role := range slices.Sorted(maps.Keys(roles)) {
			has := roles[role]
			at := slices.IndexFunc(i.plan.DefaultPrivileges, func(d DefaultPrivileges) bool {
				return d.Owner == found.Owner && d.Role == role && d.ObjectType == string(found.Class) && d.Schema == found.Schema
			})
			switch {
			case at >= 0 && has.equal(held{sorted(i.plan.DefaultPrivileges[at].Privileges), i.plan.DefaultPrivileges[at].GrantOption}):
			case at < 0 && slices.Equal(has.privileges, builtInUnless(role, found.Class)):
			default:
				i.made.DefaultPrivileges = append(i.made.DefaultPrivileges, config.DefaultPrivileges{
					Owner: cmp.Or(i.short(found.Owner), found.Owner), Role: i.short(role), On: string(found.Class), Schema: found.Schema,
					Privileges: has.privileges, GrantOption: has.grantable,
				})
			}
		}
	}
}
