package privileges

import "slices"

// Class of objects.
type Class string

// Classes of objects. A column's privileges are its table's and its own.
const (
	Database    Class = "database"
	Schema      Class = "schema"
	Table       Class = "table" // views, materialized views and foreign tables, too
	Column      Class = "column"
	Sequence    Class = "sequence"
	Function    Class = "function" // procedures and aggregates, too
	Type        Class = "type"
	LargeObject Class = "largeObject"
	// RoleClass is a role as something that others may use.
	RoleClass Class = "role"
)

// Classes in the order in which people read them.
var Classes = []Class{Database, Schema, Table, Column, Sequence, Function, Type, LargeObject, RoleClass}

// Privilege as GRANT names it.
type Privilege string

// The privileges of PostgreSQL.
const (
	Select     Privilege = "SELECT"
	Insert     Privilege = "INSERT"
	Update     Privilege = "UPDATE"
	Delete     Privilege = "DELETE"
	Truncate   Privilege = "TRUNCATE"
	References Privilege = "REFERENCES"
	Trigger    Privilege = "TRIGGER"
	Maintain   Privilege = "MAINTAIN"
	Usage      Privilege = "USAGE"
	Create     Privilege = "CREATE"
	Connect    Privilege = "CONNECT"
	Temporary  Privilege = "TEMPORARY"
	Execute    Privilege = "EXECUTE"
	// Own is to alter and drop the object, which no GRANT gives.
	Own Privilege = "OWN"
	// Set is to SET ROLE.
	Set Privilege = "SET"
	// Admin is to make others members of a role.
	Admin Privilege = "ADMIN"
)

// Attributes of roles, as CREATE ROLE names them.
const (
	Login          Privilege = "LOGIN"
	CreateRole     Privilege = "CREATEROLE"
	CreateDatabase Privilege = "CREATEDB"
	Replication    Privilege = "REPLICATION"
	BypassRLS      Privilege = "BYPASSRLS"
)

// Verbs are the privileges that a class has.
func (m Model) Verbs(class Class) []Privilege {
	switch class {
	case Database:
		return []Privilege{Connect, Create, Temporary}
	case Schema:
		return []Privilege{Usage, Create}
	case Table:
		verbs := []Privilege{Select, Insert, Update, Delete, Truncate, References, Trigger}
		if m.Major >= 17 {
			verbs = append(verbs, Maintain)
		}
		return verbs
	case Column:
		return []Privilege{Select, Insert, Update, References}
	case Sequence:
		return []Privilege{Usage, Select, Update}
	case Function:
		return []Privilege{Execute}
	case Type:
		return []Privilege{Usage}
	case LargeObject:
		return []Privilege{Select, Update}
	case RoleClass:
		return []Privilege{Usage, Set}
	}
	return nil
}

// forEverybody are the privileges that PUBLIC has on a new object.
func forEverybody(class Class) []Privilege {
	switch class {
	case Database:
		return []Privilege{Connect, Temporary}
	case Function:
		return []Privilege{Execute}
	case Type:
		return []Privilege{Usage}
	}
	return nil
}

// builtIn is the list of an object that nobody has granted anything on.
func (m Model) builtIn(class Class, owner string) ACL {
	acl := ACL{}
	if class == Column {
		return acl // what there is, is the table's
	}
	for _, privilege := range forEverybody(class) {
		acl = append(acl, Entry{Grantee: Public, Privilege: privilege, Grantor: owner})
	}
	for _, privilege := range m.Verbs(class) {
		acl = append(acl, Entry{Grantee: owner, Privilege: privilege, Grantor: owner, Grantable: false})
	}
	return acl
}

// List is the access control list that decides about an object.
func (m Model) List(object Object) ACL {
	if object.ACL == nil {
		return m.builtIn(object.Class, object.Owner)
	}
	return object.ACL
}

// Granted takes a GRANT into the list of an object.
func (a ACL) Granted(grantor, grantee string, privileges ...Privilege) ACL {
	granted := slices.Clone(a)
	for _, privilege := range privileges {
		if !granted.has(grantee, privilege) {
			granted = append(granted, Entry{Grantee: grantee, Privilege: privilege, Grantor: grantor})
		}
	}
	return granted
}

// Grantable lets a grantee give its privileges to others.
func (a ACL) Grantable(grantee string) ACL {
	grantable := slices.Clone(a)
	for i := range grantable {
		grantable[i].Grantable = grantable[i].Grantable || grantable[i].Grantee == grantee
	}
	return grantable
}

// MayGrant says whether a grantee has a privilege WITH GRANT OPTION.
func (a ACL) MayGrant(grantee string, privilege Privilege) bool {
	return slices.ContainsFunc(a, func(entry Entry) bool {
		return entry.Grantee == grantee && entry.Privilege == privilege && entry.Grantable
	})
}

// Without leaves out all that a grantee has.
func (a ACL) Without(grantee string) ACL {
	return slices.DeleteFunc(append(ACL{}, a...), func(entry Entry) bool { return entry.Grantee == grantee })
}

func (a ACL) has(grantee string, privilege Privilege) bool {
	return slices.ContainsFunc(a, func(entry Entry) bool { return entry.Grantee == grantee && entry.Privilege == privilege })
}

// Judged are a class's verbs and, where objects of it have owners, Own.
func (m Model) Judged(class Class) []Privilege {
	if class == RoleClass || class == Column {
		return m.Verbs(class)
	}
	return append(m.Verbs(class), Own)
}
