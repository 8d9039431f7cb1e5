package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/witchcityrope/database/internal/postgres"
)

// asideSuffix marks roles that a server already had while they are adopted.
const asideSuffix = "__aside"

// declaredRoles checks access.roles one by one, and that memberships end somewhere.
func declaredRoles(s *Stack, faults *Faults) {
	names := s.Access.Names()
	seen := map[string]bool{}
	for i, role := range s.Access.Roles {
		at := fmt.Sprintf("access.roles[%d]", i)
		roleName(s, faults, at+".name", role.Name)
		for _, name := range names.Named(role.Name) {
			if seen[name] && name != "" {
				faults.add(at+".name", role.Name, "is there twice", "say all of it once")
			}
			seen[name] = true
		}
		if full := names.Named(role.Name)[0]; role.Login && slices.Contains([]string{names.Owner, names.ReadWrite, names.ReadOnlyGroup}, full) {
			faults.add(at+".login", true, "nobody may log in as a role that owns, or that others are members of", "declare a login that is a member of it")
		}
		oneOf(faults, at+".password", string(role.Password), string(DerivedPassword), string(KeptPassword))
		if role.Password == KeptPassword && names.Standard(names.Named(role.Name)[0]) {
			faults.add(at+".password", role.Password, "the stack hands out this login's password", "leave it out")
		}
		inRange(faults, at+".connectionLimit", role.ConnectionLimit, -1, 1<<18)
		if _, err := validUntil(role.ValidUntil); role.ValidUntil != "" && err != nil {
			faults.add(at+".validUntil", role.ValidUntil, "is not a time", "write 2030-12-31 or 2030-12-31T12:00:00Z")
		}
		members(s, faults, at+".memberOf", role)
		if s.Storage.Protect && role.Superuser {
			faults.add(at+".superuser", true, "whoever logs in could do everything to protected data", "grant what it needs; pg_read_all_data, pg_monitor and others are there to be a member of")
		}
	}
	memberCircle(s, faults)
	settingsTwice(s, faults)
	declaredLimits(s, faults)
	reassignTo(s, faults)
}

// settingsTwice refuses settings of one login's sessions that are said in both places.
func settingsTwice(s *Stack, faults *Faults) {
	names := s.Access.Names()
	for i, role := range s.Access.Roles {
		for _, login := range s.Access.Settings.List() {
			if !slices.ContainsFunc(names.Named(role.Name), func(name string) bool { return slices.Contains(names.Logins(login.Client), name) }) {
				continue
			}
			for _, setting := range sortedKeys(role.Settings) {
				if _, twice := login.Settings[setting]; twice {
					faults.add(fmt.Sprintf("access.roles[%d].settings.%s", i, setting), role.Settings[setting],
						fmt.Sprintf("is said of %s in access.settings.%s.%s, too", role.Name, login.Client, setting), "say it once")
				}
			}
		}
	}
}

// declaredLimits holds the limits of clients' logins to the budget: not below
// what their pools open, and not beyond what the server has left.
func declaredLimits(s *Stack, faults *Faults) {
	budget := s.Budget()
	fits := s.Target.Type == External || budget.Planned() <= budget.Available() // else the clients are told
	for i, role := range s.Access.Roles {
		if role.ConnectionLimit < 0 {
			continue
		}
		at := fmt.Sprintf("access.roles[%d].connectionLimit", i)
		for h, holder := range budget.Holders {
			if !slices.ContainsFunc(s.Access.Names().Named(role.Name), func(name string) bool {
				return slices.Contains(s.Access.Names().Logins(holder.Client), name)
			}) {
				continue
			}
			if role.ConnectionLimit < holder.Connections {
				faults.add(at, role.ConnectionLimit, fmt.Sprintf("%s opens up to %d", holder.Client, holder.Connections), "raise it, shrink clients."+holder.Client+", or leave it out")
				continue
			}
			budget.Holders[h].Connections = role.ConnectionLimit
			if fits && s.Target.Type == Container && budget.Planned() > budget.Available() {
				faults.add(at, role.ConnectionLimit, "the clients could take more connections than the server has: "+budget.arithmetic(), "lower it, or raise settings.max_connections")
			}
		}
	}
}

func roleName(s *Stack, faults *Faults, at, name string) {
	switch {
	case name == "":
		faults.add(at, nil, "a role needs a name", "set it")
	case plainName(faults, at, name):
	case strings.HasPrefix(name, "pg_") || slices.Contains([]string{Everybody, "none", "all", "current_user", "session_user", "current_role"}, name):
		faults.add(at, name, "has a meaning of its own in PostgreSQL", "choose another")
	case name == s.Target.Username:
		faults.add(at, name, "is the superuser that declares all else", "choose another")
	case len(name)+len(asideSuffix) > postgres.MaxIdentifierLength || strings.HasSuffix(name, asideSuffix):
		faults.add(at, name, "cannot be set aside as "+asideSuffix+" when a server already has it", fmt.Sprintf("use at most %d characters", postgres.MaxIdentifierLength-len(asideSuffix)))
	}
}

// plainName refuses what PostgreSQL could not keep, and what would garble messages.
func plainName(faults *Faults, at, name string) (refused bool) {
	if err := postgres.ValidateIdentifier(name); err != nil || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }) {
		faults.add(at, name, "is not a name that PostgreSQL keeps", "use at most 63 bytes, and no control characters")
		return true
	}
	return false
}

func members(s *Stack, faults *Faults, at string, role Role) {
	var groups []string
	for i, membership := range role.MemberOf {
		element := fmt.Sprintf("%s[%d]", at, i)
		knownRole(s, faults, element, membership.Role, false)
		if membership.Role == role.Name {
			faults.add(element, membership.Role, "is the role itself", "remove it")
		}
		if !membership.Inherit && !membership.Set && !membership.Admin {
			faults.add(element, membership.Role, "a membership that neither inherits nor sets nor administers is none", "remove it, or set one of them")
		}
		if s.Major() < 16 && (!membership.Inherit || !membership.Set) {
			faults.add(element, membership.Role, fmt.Sprintf("PostgreSQL %d has no options inherit and set of memberships", s.Major()), "leave them out, or use 16 or later")
		}
		groups = append(groups, membership.Role)
	}
	duplicates(faults, at, groups)
}

// memberCircle refuses roles that are, by way of others, members of themselves.
func memberCircle(s *Stack, faults *Faults) {
	names := s.Access.Names()
	groups := s.memberships()
	for i, role := range s.Access.Roles {
		start := names.Named(role.Name)[0]
		reached := slices.Clone(groups[start])
		for next := 0; next < len(reached); next++ {
			if reached[next] == start {
				if !slices.ContainsFunc(role.MemberOf, func(m Membership) bool { return m.Role == role.Name }) {
					faults.add(fmt.Sprintf("access.roles[%d].memberOf", i), role.Name, "is a member of itself by way of others", "break the circle")
				}
				break
			}
			for _, group := range groups[reached[next]] {
				if !slices.Contains(reached, group) {
					reached = append(reached, group)
				}
			}
		}
	}
}

func reassignTo(s *Stack, faults *Faults) {
	if s.Access.ReassignTo != "" {
		knownRole(s, faults, "access.reassignTo", s.Access.ReassignTo, false)
	}
}

// knownRole demands that a role is declared, or one that every server has: the
// superuser owns the schema public of a database made before PostgreSQL 15.
func knownRole(s *Stack, faults *Faults, at, name string, everybody bool) {
	if name == "" {
		faults.add(at, nil, "names no role", "set it")
		return
	}
	if name == Everybody && everybody || strings.HasPrefix(name, "pg_") || name == s.Target.Username {
		return
	}
	known := s.declaredNames()
	if !slices.Contains(known, name) {
		short := s.Access.Names().ShortNames()
		for _, role := range s.Access.Roles {
			short = append(short, role.Name)
		}
		faults.add(at, name, "is no role that this stack declares", suggestion(name, short))
	}
}

// declaredNames are all names of roles, short and full.
func (s *Stack) declaredNames() []string {
	names := s.Access.Names()
	known := names.ShortNames()
	for _, short := range names.ShortNames() {
		known = append(known, names.Named(short)...)
	}
	for _, role := range s.Access.Roles {
		known = append(known, role.Name)
	}
	return known
}

// privilegesOn are the privileges of each class of objects (manual, table 5.2).
var privilegesOn = map[string][]string{
	OnDatabase: {"CREATE", "CONNECT", "TEMPORARY"}, OnSchema: {"CREATE", "USAGE"},
	OnTable:    {"SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"},
	OnColumn:   {"SELECT", "INSERT", "UPDATE", "REFERENCES"},
	OnSequence: {"SELECT", "UPDATE", "USAGE"}, OnFunction: {"EXECUTE"}, OnType: {"USAGE"}, OnLanguage: {"USAGE"},
	OnLargeObject: {"SELECT", "UPDATE"}, OnParameter: {"SET", "ALTER SYSTEM"}, OnTablespace: {"CREATE"},
	OnForeignServer: {"USAGE"}, OnForeignDataWrapper: {"USAGE"},
}

// inSchemas are the classes of what lives in a schema.
var inSchemas = []string{OnTable, OnColumn, OnSequence, OnFunction, OnType}

// declaredGrants checks access.grants one by one, and that no two are about the same.
func declaredGrants(s *Stack, faults *Faults) {
	seen := map[string]bool{}
	for i, grant := range s.Access.Grants {
		at := fmt.Sprintf("access.grants[%d]", i)
		knownRole(s, faults, at+".role", grant.Role, true)
		if !class(faults, at+".on", grant.On, sortedKeys(privilegesOn)) {
			continue
		}
		if grant.On == OnParameter && s.Major() < 15 {
			faults.add(at+".on", grant.On, fmt.Sprintf("PostgreSQL %d has no privileges on parameters", s.Major()), "leave it out, or use 15 or later")
		}
		grantedPrivileges(s, faults, at+".privileges", grant.On, grant.Privileges)
		grantedObjects(s, faults, at, grant)
		if grant.GrantOption && grant.Role == Everybody {
			faults.add(at+".grantOption", true, "everybody cannot be given the right to grant", "name a role")
		}
		for _, role := range s.Access.Names().Named(grant.Role) {
			for _, key := range grantKeys(grant, role, s.Database.Name) {
				if seen[key] {
					faults.add(at, nil, "is about the same role and objects as another grant", "put their privileges together")
					break
				}
				seen[key] = true
			}
		}
	}
}

// grantKeys tell what a grant is about.
func grantKeys(grant Grant, role, database string) []string {
	objects := grant.Objects
	if len(objects) == 0 {
		objects = []string{""}
		if grant.On == OnDatabase {
			objects = []string{database}
		}
	}
	columns := grant.Columns
	if len(columns) == 0 {
		columns = []string{""}
	}
	var keys []string
	for _, object := range objects {
		for _, column := range columns {
			keys = append(keys, strings.Join([]string{role, grant.On, grant.Schema, object, column}, "\x00"))
		}
	}
	return keys
}

func class(faults *Faults, at, on string, known []string) bool {
	switch {
	case on == "":
		faults.add(at, nil, "does not say on what", "choose of "+strings.Join(known, ", "))
	case !slices.Contains(known, on):
		faults.add(at, on, "is no class of objects here", suggestion(on, known))
	default:
		return true
	}
	return false
}

func grantedPrivileges(s *Stack, faults *Faults, at, on string, privileges []string) {
	for i, privilege := range privileges {
		element := fmt.Sprintf("%s[%d]", at, i)
		switch {
		case privilege == "ALL" || privilege == "ALL PRIVILEGES":
			faults.add(element, privilege, "means more with every version of PostgreSQL", "list them: "+strings.Join(privilegesOn[on], ", "))
		case privilege == "TEMP":
			faults.add(element, privilege, "is short for TEMPORARY", "write that")
		case privilege == "MAINTAIN" && s.Major() < 17:
			faults.add(element, privilege, fmt.Sprintf("PostgreSQL %d does not have this privilege", s.Major()), "leave it out, or use 17 or later")
		case !slices.Contains(privilegesOn[on], privilege):
			faults.add(element, privilege, "is not a privilege on a "+on, suggestion(privilege, privilegesOn[on]))
		}
	}
	duplicates(faults, at, privileges)
}

var largeObjectID = regexp.MustCompile(`^[1-9][0-9]{0,9}$`)

func grantedObjects(s *Stack, faults *Faults, at string, grant Grant) {
	switch {
	case grant.On == OnSchema || slices.Contains(inSchemas, grant.On):
		declaredSchema(s, faults, at+".schema", grant.Schema, true)
	case grant.Schema != "":
		faults.add(at+".schema", grant.Schema, "a "+grant.On+" is in no schema", "leave it out")
	}
	if (grant.On == OnColumn) != (len(grant.Columns) > 0) {
		if grant.On == OnColumn {
			faults.add(at+".columns", nil, "names none", "name the columns, or grant on the table")
		} else {
			faults.add(at+".columns", strings.Join(grant.Columns, ", "), "is for on: column", "leave it out, or write on: column")
		}
	}
	switch {
	case grant.On == OnSchema && len(grant.Objects) > 0:
		faults.add(at+".objects", strings.Join(grant.Objects, ", "), "the schema is named by schema", "leave it out")
	case grant.On == OnColumn && len(grant.Objects) != 1:
		faults.add(at+".objects", nil, "columns are of one table", "name it")
	case len(grant.Objects) == 0 && !grant.Whole() && grant.On != OnSchema && grant.On != OnDatabase && grant.On != OnColumn:
		faults.add(at+".objects", nil, "names none", "name each "+grant.On)
	}
	for i, object := range grant.Objects {
		element := fmt.Sprintf("%s.objects[%d]", at, i)
		name, _, _ := strings.Cut(object, "(")
		switch {
		case grant.On == OnFunction && strings.Contains(object, "(") && !strings.HasSuffix(object, ")"):
			faults.add(element, object, "its list of types does not end", "write it as name(integer, text)")
		case grant.On == OnLargeObject:
			if oid, err := strconv.ParseUint(object, 10, 32); err != nil || oid == 0 || !largeObjectID.MatchString(object) {
				faults.add(element, object, "is not the number of a large object", "pg_largeobject_metadata lists them")
			}
		case grant.On == OnDatabase:
			if known := []string{s.Database.Name, "postgres", "template1"}; !slices.Contains(known, object) {
				faults.add(element, object, "is none that this stack declares", suggestion(object, known))
			}
		case grant.On == OnFunction:
			plainName(faults, element, name)
		default:
			plainName(faults, element, object)
		}
	}
	for i, column := range grant.Columns {
		plainName(faults, fmt.Sprintf("%s.columns[%d]", at, i), column)
	}
	duplicates(faults, at+".objects", grant.Objects)
	duplicates(faults, at+".columns", grant.Columns)
}

func declaredSchema(s *Stack, faults *Faults, at, name string, required bool) {
	if name == "" {
		if required {
			faults.add(at, nil, "names none", "name one of database.schemas")
		}
		return
	}
	var known []string
	for _, schema := range s.Database.Schemas {
		known = append(known, schema.Name)
	}
	if !slices.Contains(known, name) {
		faults.add(at, name, "is no schema that this stack declares", suggestion(name, known))
	}
}

// futureClasses are the classes that default privileges are for.
var futureClasses = []string{OnTable, OnSequence, OnFunction, OnType, OnSchema}

// declaredDefaults checks access.defaultPrivileges.
func declaredDefaults(s *Stack, faults *Faults) {
	seen := map[string]bool{}
	names := s.Access.Names()
	for i, privileges := range s.Access.DefaultPrivileges {
		at := fmt.Sprintf("access.defaultPrivileges[%d]", i)
		knownRole(s, faults, at+".owner", privileges.Owner, false)
		knownRole(s, faults, at+".role", privileges.Role, true)
		if !class(faults, at+".on", privileges.On, futureClasses) {
			continue
		}
		grantedPrivileges(s, faults, at+".privileges", privileges.On, privileges.Privileges)
		declaredSchema(s, faults, at+".schema", privileges.Schema, false)
		switch {
		case privileges.Schema != "" && privileges.On == OnSchema:
			faults.add(at+".schema", privileges.Schema, "schemas are not in schemas", "leave it out")
		case privileges.Schema != "" && len(privileges.Privileges) == 0:
			faults.add(at+".privileges", nil, "what holds everywhere cannot be taken away in one schema (manual, ALTER DEFAULT PRIVILEGES)",
				"leave schema out, or remove the entry")
		case privileges.GrantOption && privileges.Role == Everybody:
			faults.add(at+".grantOption", true, "everybody cannot be given the right to grant", "name a role")
		}
		for _, owner := range names.Named(privileges.Owner) {
			for _, role := range names.Named(privileges.Role) {
				key := strings.Join([]string{owner, role, privileges.On, privileges.Schema}, "\x00")
				if seen[key] {
					faults.add(at, nil, "is about the same owner, role and class as another", "put their privileges together")
				}
				seen[key] = true
			}
		}
	}
}
