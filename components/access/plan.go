// Package access declares the roles of a database and what they may do: an
// owner that nobody logs in as, a migrator that acts as the owner, logins that
// only read and write, and privileges both on what exists and on what the
// migrator will create later, in every schema.
package access

import (
	"slices"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/password"
)

// Role is one role. Verifier is set for logins only.
type Role struct {
	Name           string
	Login          bool
	Verifier       string // SCRAM-SHA-256; secret
	MemberOf       []string
	Memberships    []config.Membership // those of MemberOf that have other than the usual options
	AssumeRole     string              // the role that its sessions act as
	CreateDatabase bool
	Session        Session

	CreateRole, Superuser, Replication, BypassRowLevelSecurity bool

	NoInherit       bool   // has what it will be a member of only after SET ROLE
	ConnectionLimit int    // -1: none of its own
	ValidUntil      string // infinity, or as a server in UTC writes it
}

// Schema is a schema that exists before the first migration.
type Schema struct{ Name, Owner string }

// Grant is what a role may do with one object, or with all objects of a type
// in a schema. An empty list of privileges takes all away.
type Grant struct {
	Database, Role, Schema, ObjectType string
	Privileges                         []string
	GrantOption                        bool
	Except                             []string // tables of the schema about which ObjectGrants decide
}

// ObjectGrant is what a role may do with one named object, and with columns of it.
type ObjectGrant struct {
	Role, Class, Schema, Object string
	Privileges                  []string
	Columns                     map[string][]string
	GrantOption                 bool     // of Privileges
	GrantableColumns            []string // of Columns
}

// DefaultPrivileges is what a role may do with objects of a type that Owner
// will create, in whatever schema: objects that are created in one schema and
// moved to another keep what they were created with.
type DefaultPrivileges struct {
	Role, Owner, ObjectType string
	Schema                  string // only where they are created there; everywhere if empty
	Privileges              []string
	GrantOption             bool
}

// Plan is everything that is to be declared, in the order of its registration.
type Plan struct {
	Database          string
	Major             int // of the server
	Superuser         string
	Owner             string // of all that has no other
	Roles             []Role
	SessionDefaults   []SessionDefault
	Schemas           []Schema
	Extensions        []config.Extension
	Grants            []Grant
	ObjectGrants      []ObjectGrant
	DefaultPrivileges []DefaultPrivileges
	OwnedGrants       []OwnedGrant
}

// public is the pseudo role that stands for everybody (manual, section 5.8).
const public = config.Everybody

// NewPlan makes the plan of a stack. Its verifiers are secret; without a
// derivation there are none.
func NewPlan(stack *config.Stack, derivation *password.Derivation) Plan {
	names := stack.Access.Names()
	role := func(name string) Role { return Role{Name: name, ConnectionLimit: -1, ValidUntil: "infinity"} }
	verifier := func(role string) string {
		if derivation == nil {
			return ""
		}
		return derivation.Verifier(role, names.Generation(role))
	}
	login := func(name string) Role {
		made := role(name)
		made.Login, made.Verifier, made.MemberOf = true, verifier(name), names.MemberOf(name)
		made.ConnectionLimit = stack.ConnectionLimit(name)
		if stack.UsesReserved(name) {
			made.MemberOf = append(made.MemberOf, "pg_use_reserved_connections")
		}
		return made
	}
	plan := Plan{
		Database:   stack.Database.Name,
		Major:      stack.Major(),
		Superuser:  stack.Target.Username,
		Owner:      names.Owner,
		Extensions: stack.Database.Extensions,
		Roles: []Role{
			role(names.Owner), role(names.ReadWrite), role(names.ReadOnlyGroup),
			login(names.ReadOnly), login(names.Monitor), login(names.Backup), login(names.Health),
		},
	}
	for _, slot := range names.AppSlots {
		role := login(slot)
		role.CreateDatabase = stack.Access.Application.CreateDatabases
		plan.Roles = append(plan.Roles, role)
	}
	for _, slot := range names.MigratorSlots {
		role := login(slot)
		role.AssumeRole = names.Owner // who so owns all that either slot creates
		plan.Roles = append(plan.Roles, role)
	}
	plan.addSettings(stack, names)
	for _, schema := range stack.Database.Schemas {
		owner := names.Owner
		if schema.Owner != "" {
			owner = names.Named(schema.Owner)[0]
		}
		plan.Schemas = append(plan.Schemas, Schema{Name: schema.Name, Owner: owner})
	}
	plan.Grants = slices.Concat(databaseGrants(plan.Database, names), schemaGrants(plan, names), objectGrants(plan, names, stack.Access.Application))
	plan.DefaultPrivileges = defaultPrivileges(names, stack.Access.Application)
	plan.declare(stack, names, verifier)
	plan.except()
	plan.OwnedGrants = plan.ownedGrants()
	return plan
}

// databaseGrants says who may connect. PUBLIC may not: neither to this
// database nor to those that every cluster has.
func databaseGrants(database string, names config.Names) []Grant {
	grant := func(database, role string, privileges ...string) Grant {
		return Grant{Database: database, Role: role, ObjectType: "database", Privileges: privileges}
	}
	grants := []Grant{
		grant("postgres", public), grant("template1", public), grant(database, public),
		grant(database, names.Owner, "CONNECT", "CREATE", "TEMPORARY"),
	}
	for _, role := range []string{names.ReadWrite, names.ReadOnlyGroup, names.Monitor, names.Backup, names.Health} {
		grants = append(grants, grant(database, role, "CONNECT"))
	}
	return grants
}

func schemaGrants(plan Plan, names config.Names) []Grant {
	var grants []Grant
	grant := func(schema, role string, privileges ...string) {
		grants = append(grants, Grant{Database: plan.Database, Role: role, Schema: schema, ObjectType: "schema", Privileges: privileges})
	}
	for _, schema := range plan.Schemas {
		if schema.Name == public {
			grant(schema.Name, public)
		}
		grant(schema.Name, names.ReadWrite, "USAGE")
		grant(schema.Name, names.ReadOnlyGroup, "USAGE")
		if slices.ContainsFunc(plan.Extensions, func(e config.Extension) bool {
			return e.Name == "pg_stat_statements" && e.Schema == schema.Name
		}) {
			grant(schema.Name, names.Monitor, "USAGE")
		}
	}
	return grants
}

// Privileges of the two groups, by type of object.
var (
	readTables     = []string{"SELECT"}
	writeTables    = []string{"DELETE", "INSERT", "SELECT", "UPDATE"}
	readSequences  = []string{"SELECT"}
	writeSequences = []string{"SELECT", "USAGE"}
)

func tablePrivileges(application config.Application) []string {
	if application.Truncate {
		return append(slices.Clone(writeTables), "TRUNCATE")
	}
	return writeTables
}

func objectGrants(plan Plan, names config.Names, application config.Application) []Grant {
	var grants []Grant
	for _, schema := range plan.Schemas {
		grant := func(role, objectType string, privileges []string) {
			grants = append(grants, Grant{Database: plan.Database, Role: role, Schema: schema.Name, ObjectType: objectType, Privileges: privileges})
		}
		grant(names.ReadWrite, "table", tablePrivileges(application))
		grant(names.ReadOnlyGroup, "table", readTables)
		grant(names.ReadWrite, "sequence", writeSequences)
		grant(names.ReadOnlyGroup, "sequence", readSequences)
	}
	return grants
}

func defaultPrivileges(names config.Names, application config.Application) []DefaultPrivileges {
	to := func(role, objectType string, privileges ...string) DefaultPrivileges {
		return DefaultPrivileges{Role: role, Owner: names.Owner, ObjectType: objectType, Privileges: privileges}
	}
	return []DefaultPrivileges{
		to(names.ReadWrite, "schema", "USAGE"),
		to(names.ReadOnlyGroup, "schema", "USAGE"),
		to(names.ReadWrite, "table", tablePrivileges(application)...),
		to(names.ReadOnlyGroup, "table", readTables...),
		to(names.ReadWrite, "sequence", writeSequences...),
		to(names.ReadOnlyGroup, "sequence", readSequences...),
		to(public, "function"),
		to(names.ReadWrite, "function", "EXECUTE"),
	}
}
