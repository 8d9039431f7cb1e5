// Package privileges says who may do what in a PostgreSQL cluster: roles,
// memberships, objects with their owners and access control lists, and default
// privileges as plain values, and PostgreSQL's own rules to judge them by
// (manual, sections 5.8 and 22). It talks to no server.
package privileges

// Public is the pseudo role that stands for everybody.
const Public = "public"

// Model is what decides about access: of one database, and of what all
// databases of its cluster share.
type Model struct {
	// Major version of the server: 16 gave memberships options, 17 a privilege.
	Major int
	// Database is the one that schemas and what is in them belong to.
	Database    string
	Roles       []Role
	Memberships []Membership
	Objects     []Object
	Defaults    []Default
	// Contract is what must and what must not be, whatever the rest says.
	Contract []Assertion
}

// Role is a role's name and its attributes.
type Role struct {
	Name      string
	Login     bool
	Superuser bool
	Inherit   bool // what memberships decide from 16 on
	// What no grant gives.
	CreateRole, CreateDatabase, Replication, BypassRLS bool
}

// Attributes are those of a role that let it do something.
func (r Role) Attributes() map[Privilege]bool {
	return map[Privilege]bool{
		Login: r.Login, CreateRole: r.CreateRole, CreateDatabase: r.CreateDatabase, Replication: r.Replication, BypassRLS: r.BypassRLS,
	}
}

// Membership makes Member a member of Role.
type Membership struct {
	Role, Member string
	// Inherit: Role's privileges are Member's at once. Before 16, the member's
	// own attribute decides instead.
	Inherit bool
	// Set: Member may SET ROLE to Role. Before 16, every member may.
	Set bool
	// Admin: Member may make others members of Role.
	Admin   bool
	Grantor string
}

// Object is what privileges are about. The empty name stands for every object
// of the class in the schema.
type Object struct {
	Class Class
	// New stands for those that are still to be created, with the empty schema
	// in schemas that are.
	New    bool   `db:"-"`
	Schema string // of tables, columns, sequences, functions and types
	Name   string // of a function with its arguments' types; of a column, its table's
	Column string
	Owner  string
	ACL    ACL
	// Extension that the object belongs to.
	Extension string
}

// ACL is an access control list. PostgreSQL tells one that nobody has touched
// (nil, the class's default) from one that lets nobody in (empty).
type ACL []Entry

// Entry of an access control list: one privilege of one grantee.
type Entry struct {
	Grantee   string // or Public
	Privilege Privilege
	Grantor   string
	Grantable bool
}

// Default is what ALTER DEFAULT PRIVILEGES has left for objects that Owner
// will create: instead of the class's default, or, in a schema, beside it.
type Default struct {
	Owner  string
	Schema string // empty: in every schema
	Class  Class
	ACL    ACL
}

type key struct {
	class                Class
	isNew                bool
	schema, name, column string
}

func (o Object) key() key { return key{o.Class, o.New, o.Schema, o.Name, o.Column} }

// Same says whether two have the same class and names.
func (o Object) Same(other Object) bool { return o.key() == other.key() }

// Find is the model's object with the class and names of another.
func (m Model) Find(wanted Object) (Object, bool) {
	for _, object := range m.Objects {
		if object.key() == wanted.key() {
			return object, true
		}
	}
	return Object{}, false
}

func (m Model) role(name string) (Role, bool) {
	for _, role := range m.Roles {
		if role.Name == name {
			return role, true
		}
	}
	return Role{}, false
}

// owner of the model's database, who is a member of pg_database_owner.
func (m Model) owner() string {
	database, _ := m.Find(Object{Class: Database, Name: m.Database})
	return database.Owner
}
