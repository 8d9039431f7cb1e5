package privileges

import "slices"

// Predefined roles that are privileges themselves (manual, section 22.5).
const (
	readAllData   = "pg_read_all_data"
	writeAllData  = "pg_write_all_data"
	maintainAll   = "pg_maintain"
	databaseOwner = "pg_database_owner"
)

// May says whether a role may do something to an object as itself, without
// SET ROLE: what has_table_privilege and its like say. The path is the
// shortest by which the access comes.
func (m Model) May(role string, verb Privilege, object Object) (bool, Path) {
	paths := m.Paths(role, verb, object)
	if len(paths) == 0 {
		return false, Path{}
	}
	return true, paths[0]
}

// Paths are all ways by which a role's access to an object comes, shortest
// first: whoever takes access away has to close each.
func (m Model) Paths(role string, verb Privilege, object Object) []Path {
	if found, known := m.role(role); known && found.Superuser {
		return []Path{{Chain: []string{role}, By: Superuser, Verb: verb, Object: object}}
	}
	if object.Class == RoleClass {
		return m.rolePaths(role, verb, object)
	}
	acl := m.List(object)
	var paths []Path
	for _, chain := range m.inherited(role) {
		last := chain[len(chain)-1]
		found := func(by By) {
			paths = append(paths, Path{Chain: chain, By: by, Verb: verb, Object: object})
		}
		if verb == Own {
			if last == object.Owner {
				found(Ownership)
			}
			continue
		}
		switch {
		case role != Public && !acl.has(last, verb):
			if predefined(last, verb, object.Class) {
				found(Predefined)
			}
		case role != Public && last == object.Owner:
			found(Ownership)
		case role != Public:
			found(Grant)
		}
		if len(chain) == 1 && acl.has(Public, verb) {
			found(Everybody)
		}
	}
	if object.Class == Column {
		paths = append(m.tablePaths(role, verb, object), paths...)
	}
	return paths
}

// tablePaths are those by which the privilege on a column comes from its table.
func (m Model) tablePaths(role string, verb Privilege, column Object) []Path {
	table, there := m.Find(Object{Class: Table, Schema: column.Schema, Name: column.Name})
	if !there {
		return nil
	}
	return m.Paths(role, verb, table)
}

// rolePaths are those by which a role has another's privileges or may become it.
func (m Model) rolePaths(role string, verb Privilege, object Object) []Path {
	chains := m.inherited(role)
	if verb == Set {
		chains = m.settable(role)
	}
	var paths []Path
	for _, chain := range chains {
		if verb != Own && chain[len(chain)-1] == object.Name {
			paths = append(paths, Path{Chain: chain, By: Member, Verb: verb, Object: object})
		}
	}
	return paths
}

// predefined says whether a predefined role has a privilege on all objects of a class.
func predefined(role string, verb Privilege, class Class) bool {
	relation := class == Table || class == Sequence
	switch role {
	case readAllData:
		return relation && verb == Select || class == Schema && verb == Usage
	case writeAllData:
		return relation && slices.Contains([]Privilege{Insert, Update, Delete}, verb) && (class == Table || verb == Update) || class == Schema && verb == Usage
	case maintainAll:
		return class == Table && verb == Maintain
	}
	return false
}

// inherited are the chains of memberships from a role to all whose privileges
// it has at once, itself first, nearest first.
func (m Model) inherited(role string) [][]string {
	return m.reach(role, func(membership Membership) bool {
		if m.Major >= 16 {
			return membership.Inherit
		}
		member, _ := m.role(membership.Member)
		return member.Inherit
	})
}

// settable are the chains to all that a role may SET ROLE to, itself first.
func (m Model) settable(role string) [][]string {
	if found, known := m.role(role); known && found.Superuser {
		chains := [][]string{{role}}
		for _, other := range m.Roles {
			if other.Name != role {
				chains = append(chains, []string{role, other.Name})
			}
		}
		return chains
	}
	return m.reach(role, func(membership Membership) bool { return m.Major < 16 || membership.Set })
}

// reach walks up the memberships that follow takes. The owner of the database
// counts as a member of pg_database_owner without being made one.
func (m Model) reach(role string, follow func(Membership) bool) [][]string {
	chains := [][]string{{role}}
	if role == Public {
		return chains
	}
	memberships := m.Memberships
	if owner := m.owner(); owner != "" {
		memberships = append(slices.Clone(memberships), Membership{Role: databaseOwner, Member: owner, Inherit: true, Set: true})
	}
	seen := map[string]bool{role: true}
	for next := 0; next < len(chains); next++ {
		chain := chains[next]
		for _, membership := range memberships {
			if membership.Member == chain[len(chain)-1] && !seen[membership.Role] && follow(membership) {
				seen[membership.Role] = true
				chains = append(chains, append(slices.Clone(chain), membership.Role))
			}
		}
	}
	return chains
}

// Reach says how a role comes to something at once, by becoming another with
// SET ROLE, or by making itself a member of a role that it administers: what it
// can do if it wants to.
func (m Model) Reach(role string, verb Privilege, object Object) (bool, Path) {
	if may, path := m.May(role, verb, object); may {
		return true, path
	}
	all := []reached{{role: role}}
	seen := map[string]bool{role: true}
	for next := 0; next < len(all); next++ {
		from := all[next]
		for _, step := range m.steps(from.role) {
			if seen[step.role] {
				continue
			}
			seen[step.role] = true
			step.become = append(slices.Clone(from.become), step.become...)
			if may, path := m.May(step.role, verb, object); may {
				path.Become = step.become
				return true, path
			}
			all = append(all, step)
		}
	}
	return false, Path{}
}

// reached is a role that another can become, and by which steps.
type reached struct {
	role   string
	become []string
}

// steps are the roles that one can become at once: by SET ROLE, or by granting
// itself a role that it has ADMIN OPTION on, which those whose privileges it
// inherits may have for it.
func (m Model) steps(role string) (found []reached) {
	for _, chain := range m.settable(role)[1:] {
		other := chain[len(chain)-1]
		found = append(found, reached{other, []string{role + " may SET ROLE " + other}})
	}
	for _, chain := range m.inherited(role) {
		last := chain[len(chain)-1]
		for _, membership := range m.Memberships {
			if membership.Member != last || !membership.Admin {
				continue
			}
			found = append(found, reached{membership.Role, append(memberSteps(chain), last+" may make anybody a member of "+membership.Role)})
		}
	}
	if known, _ := m.role(role); known.CreateRole && m.Major < 16 {
		for _, other := range m.Roles {
			if !other.Superuser {
				found = append(found, reached{other.Name, []string{role + " has CREATEROLE"}})
			}
		}
	}
	return found
}
