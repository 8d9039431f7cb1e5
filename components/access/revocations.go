package access

import (
	"fmt"
	"slices"
	"strings"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/privileges"
)

// Revocations are what an up would take away as the stack file is: of roles and
// objects that it declares, what it does not.
func Revocations(plan Plan, living privileges.Living) []string {
	r := revocations{plan: plan, living: living}
	r.grants()
	r.objectGrants()
	r.ownedGrants()
	r.schemas()
	r.roles()
	r.defaults()
	slices.Sort(r.lost)
	return slices.Compact(r.lost)
}

type revocations struct {
	plan   Plan
	living privileges.Living
	lost   []string
}

func (r *revocations) add(format string, args ...any) {
	r.lost = append(r.lost, fmt.Sprintf(format, args...))
}

// lose compares what a role has of an object with all that it is to have.
func (r *revocations) lose(object privileges.Object, role string, wanted []string, grantOption bool) {
	name := object.Name
	if object.Schema != "" {
		name = object.Schema + "." + name
	}
	if object.Column != "" {
		name += "." + object.Column
	}
	for _, privilege := range on(object, role).privileges {
		if !slices.Contains(wanted, privilege) {
			r.add("%s loses %s on %s %s", role, privilege, object.Class, name)
		} else if !grantOption && slices.ContainsFunc(object.ACL, func(e privileges.Entry) bool {
			return e.Grantee == role && string(e.Privilege) == privilege && e.Grantable
		}) {
			r.add("%s may not grant %s on %s %s to others any more", role, privilege, object.Class, name)
		}
	}
}

func (r *revocations) grants() {
	for _, grant := range r.plan.Grants {
		for _, object := range r.living.Objects {
			if object.Owner == grant.Role || slices.Contains(grant.Except, object.Name) {
				continue
			}
			inSchema := grant.Schema != "" && object.Schema == grant.Schema && object.Extension == ""
			switch {
			case object.Class == privileges.Column && grant.ObjectType == config.OnTable && inSchema:
				r.lose(object, grant.Role, grant.Privileges, grant.GrantOption) // revoked with the table's
			case string(object.Class) != grant.ObjectType:
			case inSchema || object.Class == privileges.Schema && object.Name == grant.Schema || object.Class == privileges.Database && object.Name == grant.Database:
				r.lose(object, grant.Role, grant.Privileges, grant.GrantOption)
			}
		}
	}
}

func (r *revocations) objectGrants() {
	for _, grant := range r.plan.ObjectGrants {
		for _, object := range r.living.Objects {
			switch {
			case object.Owner == grant.Role || object.Schema != grant.Schema || object.Name != grant.Object:
			case string(object.Class) == grant.Class:
				r.lose(object, grant.Role, grant.Privileges, grant.GrantOption)
			case object.Class == privileges.Column && grant.Class == config.OnTable:
				r.lose(object, grant.Role, grant.Columns[object.Column], slices.Contains(grant.GrantableColumns, object.Column))
			}
		}
	}
}

func (r *revocations) ownedGrants() {
	for _, object := range r.living.Objects {
		for _, role := range r.plan.deciders(object) {
			if may, _ := r.plan.owned(object, role); !may {
				r.lose(object, role, nil, false)
			}
		}
	}
}

func (r *revocations) schemas() {
	for _, schema := range r.plan.Schemas {
		for _, object := range r.living.Objects {
			if object.Class == privileges.Schema && object.Name == schema.Name && object.Owner != schema.Owner {
				r.add("%s does not own schema %s any more", object.Owner, schema.Name)
			}
		}
	}
}

func (r *revocations) roles() {
	for _, role := range r.plan.Roles {
		for _, membership := range r.living.Memberships {
			if membership.Member == role.Name {
				r.membership(role, membership)
			}
		}
		for _, found := range r.living.Attributes {
			if found.Name == role.Name {
				r.attributes(role, found)
				r.settings(role, found)
			}
		}
	}
}

func (r *revocations) membership(role Role, found privileges.Membership) {
	if !slices.Contains(role.MemberOf, found.Role) {
		r.add("%s is no member of %s any more", role.Name, found.Role)
		return
	}
	wanted, _ := role.membership(found.Role)
	if found.Admin && !wanted.Admin {
		r.add("%s may not make others members of %s any more", role.Name, found.Role)
	}
	if r.living.Major < 16 {
		return // which have no other options
	}
	if found.Inherit && !wanted.Inherit {
		r.add("%s has what %s has only after SET ROLE", role.Name, found.Role)
	}
	if found.Set && !wanted.Set {
		r.add("%s may not SET ROLE to %s any more", role.Name, found.Role)
	}
}

func (r *revocations) attributes(role Role, found privileges.Attributes) {
	for _, attribute := range []struct {
		name           string
		wanted, really bool
	}{
		{"LOGIN", role.Login, found.Login}, {"SUPERUSER", role.Superuser, found.Superuser}, {"CREATEDB", role.CreateDatabase, found.CreateDatabase},
		{"CREATEROLE", role.CreateRole, found.CreateRole}, {"REPLICATION", role.Replication, found.Replication}, {"BYPASSRLS", role.BypassRowLevelSecurity, found.BypassRLS},
		{"INHERIT", !role.NoInherit, found.Inherit},
	} {
		if attribute.really && !attribute.wanted {
			r.add("%s loses %s", role.Name, strings.ToLower(attribute.name))
		}
	}
	if limit := role.ConnectionLimit; limit >= 0 && (found.ConnectionLimit < 0 || found.ConnectionLimit > limit) {
		r.add("%s may have %d sessions at once, and no more", role.Name, limit)
	}
	validity := config.Role{ValidUntil: found.ValidUntil}.Validity()
	if role.ValidUntil != "infinity" && (validity == "infinity" || validity > role.ValidUntil) {
		r.add("%s has a password until %s, and no longer", role.Name, role.ValidUntil)
	}
}

// settings are lost where the role's resource, which sets and reads these
// itself, has none.
func (r *revocations) settings(role Role, found privileges.Attributes) {
	for _, assignment := range found.Settings {
		name, value := found.Setting(assignment)
		kept := true
		switch name {
		case "search_path":
			kept = len(role.Session.SearchPaths) > 0
		case "statement_timeout":
			kept = role.Session.StatementTimeout > 0
		case "idle_in_transaction_session_timeout":
			kept = role.Session.IdleInTransactionTimeout > 0
		case "role":
			kept = role.AssumeRole != ""
		}
		if !kept && !slices.ContainsFunc(r.plan.SessionDefaults, func(d SessionDefault) bool { return d.Role == role.Name && d.Name == name }) {
			r.add("%s begins its sessions without %s = %s", role.Name, name, value)
		}
	}
}

func (r *revocations) defaults() {
	for _, declared := range r.plan.DefaultPrivileges {
		for _, found := range r.living.Defaults {
			if found.Owner != declared.Owner || string(found.Class) != declared.ObjectType || found.Schema != declared.Schema {
				continue
			}
			for _, entry := range found.ACL {
				switch {
				case entry.Grantee != declared.Role || entry.Grantee == declared.Owner:
				case !slices.Contains(declared.Privileges, string(entry.Privilege)):
					r.add("%s loses %s on each %s that %s will create", entry.Grantee, entry.Privilege, found.Class, found.Owner)
				case entry.Grantable && !declared.GrantOption:
					r.add("%s may not grant %s on each %s that %s will create to others any more", entry.Grantee, entry.Privilege, found.Class, found.Owner)
				}
			}
		}
	}
}
