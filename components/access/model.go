package access

import (
	"maps"
	"slices"
	"strings"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/privileges"
)

// NewModel is who may do what once a stack's plan is applied. It needs no secret.
func NewModel(stack *config.Stack) privileges.Model {
	model := NewPlan(stack, nil).Model(stack.Major())
	for _, assertion := range stack.Access.Contract {
		for _, role := range contractRoles(stack, model, assertion.Role) {
			model.Contract = append(model.Contract, asserted(role, assertion))
		}
	}
	return model
}

// Clients are those whom people know by name, with their roles, and everybody.
func Clients(stack *config.Stack) []privileges.Client {
	names := stack.Access.Names()
	var clients []privileges.Client
	for _, name := range config.LoginNames {
		if name == config.Superuser {
			continue // who may do everything
		}
		clients = append(clients, privileges.Client{Name: name, Roles: names.Named(name)})
	}
	return append(clients, privileges.Client{Name: "everybody", Roles: []string{privileges.Public}})
}

// Model is who may do what once the plan is applied: on what is there, and on
// what the migrator will create as the owner. Objects stand for all of their
// class in a schema.
func (p Plan) Model(major int) privileges.Model {
	model := privileges.Model{Major: major, Database: p.Database}
	p.modelRoles(&model)
	p.modelDefaults(&model)
	p.modelDatabases(&model)
	for _, schema := range p.Schemas {
		p.modelSchema(&model, schema)
	}
	for _, owner := range p.owners() {
		model.Objects = append(model.Objects, model.Created(privileges.Object{Class: privileges.Schema, New: true}, owner))
		for _, class := range inSchemas {
			model.Objects = append(model.Objects, model.Created(privileges.Object{Class: class, New: true}, owner))
		}
		model.Objects = append(model.Objects, model.Created(privileges.Object{Class: privileges.LargeObject, New: true}, owner))
	}
	p.modelNamed(&model)
	for _, role := range model.Roles {
		if !role.Superuser {
			model.Objects = append(model.Objects, privileges.Object{Class: privileges.RoleClass, Name: role.Name})
		}
	}
	return model
}

var inSchemas = []privileges.Class{privileges.Table, privileges.Sequence, privileges.Function, privileges.Type}

// owners are the roles that somebody acts as in order to create.
func (p Plan) owners() []string {
	owners := []string{p.Owner}
	for _, role := range p.Roles {
		if role.AssumeRole != "" && !slices.Contains(owners, role.AssumeRole) {
			owners = append(owners, role.AssumeRole)
		}
	}
	return owners
}

func (p Plan) modelRoles(model *privileges.Model) {
	model.Roles = []privileges.Role{{Name: p.Superuser, Login: true, Superuser: true, Inherit: true}}
	known := func(name string) bool {
		return slices.ContainsFunc(model.Roles, func(role privileges.Role) bool { return role.Name == name })
	}
	for _, role := range p.Roles {
		model.Roles = append(model.Roles, privileges.Role{
			Name: role.Name, Login: role.Login, Superuser: role.Superuser, Inherit: !role.NoInherit,
			CreateRole: role.CreateRole, CreateDatabase: role.CreateDatabase, Replication: role.Replication, BypassRLS: role.BypassRowLevelSecurity,
		})
	}
	for _, role := range p.Roles {
		for _, of := range role.MemberOf {
			if !known(of) {
				model.Roles = append(model.Roles, privileges.Role{Name: of, Inherit: true}) // one of PostgreSQL's own
			}
			membership, _ := role.membership(of)
			model.Memberships = append(model.Memberships, membership)
		}
	}
}

// membership has the usual options, unless others are declared.
func (r Role) membership(of string) (made privileges.Membership, declared bool) {
	made = privileges.Membership{Role: of, Member: r.Name, Inherit: !r.NoInherit, Set: true}
	for _, membership := range r.Memberships {
		if membership.Role == of {
			made.Inherit, made.Set, made.Admin = membership.Inherit, membership.Set, membership.Admin
			declared = true
		}
	}
	return made, declared
}

func (p Plan) modelDefaults(model *privileges.Model) {
	for _, each := range p.DefaultPrivileges {
		wanted := privileges.Default{Owner: each.Owner, Schema: each.Schema, Class: privileges.Class(each.ObjectType), ACL: privileges.ACL{}}
		i := slices.IndexFunc(model.Defaults, func(known privileges.Default) bool {
			return known.Owner == wanted.Owner && known.Schema == wanted.Schema && known.Class == wanted.Class
		})
		if i < 0 {
			if each.Schema == "" { // instead of what the class has, not beside it
				wanted.ACL = model.List(privileges.Object{Class: wanted.Class, Owner: each.Owner})
			}
			model.Defaults = append(model.Defaults, wanted)
			i = len(model.Defaults) - 1
		}
		model.Defaults[i].ACL = replaced(model.Defaults[i].ACL, each.Owner, each.Role, each.Privileges, each.GrantOption)
	}
}

// replaced gives a role these privileges in place of all that it had, as the
// grants of postgresql do.
func replaced(acl privileges.ACL, grantor, role string, granted []string, grantOption bool) privileges.ACL {
	verbs := make([]privileges.Privilege, len(granted))
	for i, verb := range granted {
		verbs[i] = privileges.Privilege(verb)
	}
	acl = acl.Without(role).Granted(grantor, role, verbs...)
	if grantOption {
		acl = acl.Grantable(role)
	}
	return acl
}

// granted applies the plan's grants to an object.
func (p Plan) granted(model *privileges.Model, object privileges.Object) privileges.Object {
	for _, grant := range p.Grants {
		on := privileges.Object{Class: privileges.Class(grant.ObjectType), Schema: grant.Schema}
		switch on.Class {
		case privileges.Database:
			on.Name = grant.Database
		case privileges.Schema:
			on.Schema, on.Name = "", grant.Schema
		}
		if on.Class == object.Class && on.Schema == object.Schema && on.Name == object.Name {
			object.ACL = replaced(model.List(object), object.Owner, grant.Role, grant.Privileges, grant.GrantOption)
		}
	}
	return object
}

func (p Plan) modelDatabases(model *privileges.Model) {
	names := []string{p.Database}
	for _, grant := range p.Grants {
		if !slices.Contains(names, grant.Database) {
			names = append(names, grant.Database)
		}
	}
	for _, name := range names {
		model.Objects = append(model.Objects, p.granted(model, privileges.Object{Class: privileges.Database, Name: name, Owner: p.Superuser}))
	}
}

// modelSchema adds a schema, what is in it and what will be.
func (p Plan) modelSchema(model *privileges.Model, schema Schema) {
	object := model.Created(privileges.Object{Class: privileges.Schema, Name: schema.Name}, p.Superuser)
	object.Owner = schema.Owner
	object.ACL = model.List(object)
	if schema.Name == public { // which initdb has made
		object.ACL = object.ACL.Granted(schema.Owner, privileges.Public, privileges.Usage)
		if model.Major < 15 {
			object.ACL = object.ACL.Granted(schema.Owner, privileges.Public, privileges.Create)
		}
	}
	model.Objects = append(model.Objects, p.granted(model, object))
	for _, class := range inSchemas {
		created := model.Created(privileges.Object{Class: class, Schema: schema.Name}, schema.Owner)
		model.Objects = append(model.Objects, p.granted(model, created))
		created.New = true
		model.Objects = append(model.Objects, created)
	}
}

// modelNamed adds the objects that grants name, with what is granted on all of
// their schema.
func (p Plan) modelNamed(model *privileges.Model) {
	for _, grant := range p.ObjectGrants {
		class := privileges.Class(grant.Class)
		if !slices.Contains(privileges.Classes, class) {
			continue // of the cluster, such as tablespaces
		}
		named := privileges.Object{Class: class, Schema: grant.Schema, Name: grant.Object}
		of, _ := model.Find(privileges.Object{Class: class, Schema: grant.Schema, New: class == privileges.LargeObject})
		named.Owner, named.ACL = of.Owner, of.ACL
		grantOn(model, named, grant.Role, grant.Privileges, grant.GrantOption)
		for _, column := range slices.Sorted(maps.Keys(grant.Columns)) {
			grantOn(model, privileges.Object{
				Class: privileges.Column, Schema: grant.Schema, Name: grant.Object, Column: column, Owner: of.Owner,
			}, grant.Role, grant.Columns[column], slices.Contains(grant.GrantableColumns, column))
		}
	}
}

// grantOn grants on an object of the model, and adds it if it is not there.
func grantOn(model *privileges.Model, object privileges.Object, role string, granted []string, grantOption bool) {
	at := slices.IndexFunc(model.Objects, object.Same)
	if at < 0 {
		at = len(model.Objects)
		model.Objects = append(model.Objects, object)
	}
	known := &model.Objects[at]
	known.ACL = replaced(model.List(*known), known.Owner, role, granted, grantOption)
}

// predefined says whether a role is one of PostgreSQL's own.
func predefined(role string) bool { return strings.HasPrefix(role, "pg_") }
