package access

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-postgresql/sdk/v3/go/postgresql"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/witchcityrope/database/components/pgserver"
	"github.com/witchcityrope/database/config"
)

// Args are what the declared roles are made in.
type Args struct {
	PostgreSQL pulumi.ProviderResource
	PgServer   pulumi.ProviderResource
	// Superuser are the resources after which PgServer can come in, Ready those
	// after which PostgreSQL can, too.
	Superuser, Ready []pulumi.Resource
	// Each applies to every resource that lives in the database.
	Each []pulumi.ResourceOption
}

// Access is the declared access to one database.
type Access struct {
	pulumi.ResourceState
	// Ready are the resources after which every login may do what it may.
	Ready []pulumi.Resource
}

// New registers the plan in stages. Within a stage, what changes the same row
// of a catalogue is chained, because PostgreSQL answers concurrent changes of
// one row with "tuple concurrently updated"; the rest may go side by side.
func New(ctx *pulumi.Context, name string, plan Plan, args Args, opts ...pulumi.ResourceOption) (*Access, error) {
	access := &Access{}
	if err := ctx.RegisterComponentResource("database:access:Access", name, access, opts...); err != nil {
		return nil, err
	}
	staged := &stages{ctx: ctx, parent: access, args: args, before: args.Superuser, aside: map[string]pulumi.Resource{}, roles: map[string]pulumi.Resource{}}
	for _, stage := range [][]func(*stages, string, Plan) error{
		{registerDatabase, registerSetAside, logins}, {registerRoles}, {registerPutBack},
		{registerSchemas, registerSessionDefaults, registerMembershipOptions, registerDatabaseGrants},
		{registerExtensions, registerSchemaGrants, registerOwnedGrants, registerDefaultPrivileges},
		{registerGrantsOnAll}, // of functions that owned grants are about, too
		{registerObjectGrants},
	} {
		for _, register := range stage {
			if err := register(staged, name, plan); err != nil {
				return nil, err
			}
		}
		staged.next()
	}
	access.Ready = staged.before
	return access, ctx.RegisterResourceOutputs(access, pulumi.Map{})
}

// stages registers resources stage by stage, and chain by chain within one.
type stages struct {
	ctx    *pulumi.Context
	parent pulumi.Resource
	args   Args

	before []pulumi.Resource          // the ends of the stage before
	chains map[string]pulumi.Resource // the ends of this stage's chains so far
	aside  map[string]pulumi.Resource // the ends of chains that no later stage waits for
	roles  map[string]pulumi.Resource
}

// next begins a new stage.
func (s *stages) next() {
	if len(s.chains) == 0 {
		return
	}
	s.before = nil
	for _, row := range slices.Sorted(maps.Keys(s.chains)) {
		s.before = append(s.before, s.chains[row])
	}
	s.chains = nil
}

// options of the next resource that changes a row.
func (s *stages) options(row string, provider pulumi.ProviderResource, more ...pulumi.ResourceOption) []pulumi.ResourceOption {
	after := s.before
	if last, started := s.aside[row]; started {
		after = []pulumi.Resource{last}
	} else if last, started := s.chains[row]; started {
		after = []pulumi.Resource{last}
	}
	options := []pulumi.ResourceOption{pulumi.Parent(s.parent), pulumi.Provider(provider), pulumi.DependsOn(after)}
	return append(append(options, s.args.Each...), more...)
}

// of makes a resource depend on the roles that it names, as far as they are
// declared: when both go, it goes first. What comes in between is updated, and
// then depends on neither.
func (s *stages) of(names ...string) pulumi.ResourceOption {
	var roles []pulumi.Resource
	for _, name := range names {
		if role, declared := s.roles[name]; declared {
			roles = append(roles, role)
		}
	}
	return pulumi.DependsOn(roles)
}

// add makes a resource the end of a row's chain.
func (s *stages) add(row string, resource pulumi.Resource, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", row, err)
	}
	if s.chains == nil {
		s.chains = map[string]pulumi.Resource{}
	}
	s.chains[row] = resource
	return nil
}

// addAside makes a resource the end of a row's chain that nothing else waits for.
func (s *stages) addAside(row string, resource pulumi.Resource, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", row, err)
	}
	s.aside[row] = resource
	return nil
}

func registerDatabase(s *stages, name string, plan Plan) error {
	row := "database " + plan.Database
	resource, err := pgserver.NewDatabase(s.ctx, name+"-database",
		&pgserver.DatabaseArgs{Name: pulumi.String(plan.Database)}, s.options(row, s.args.PgServer)...)
	return s.add(row, resource, err)
}

// logins makes what follows wait until everybody can come in as planned.
func logins(s *stages, _ string, _ Plan) error {
	for i, ready := range s.args.Ready {
		if err := s.add(fmt.Sprintf("logins %d", i), ready, nil); err != nil {
			return err
		}
	}
	return nil
}

func adoption(plan Plan) *pgserver.AdoptionArgs {
	var names []string
	for _, role := range plan.Roles {
		names = append(names, role.Name)
	}
	return &pgserver.AdoptionArgs{Roles: pulumi.ToStringArray(names)}
}

func registerSetAside(s *stages, name string, plan Plan) error {
	const row = "roles that are there"
	resource, err := pgserver.NewSetAside(s.ctx, name+"-set-aside", adoption(plan), s.options(row, s.args.PgServer)...)
	return s.add(row, resource, err)
}

func registerPutBack(s *stages, name string, plan Plan) error {
	const row = "roles that were there"
	resource, err := pgserver.NewPutBack(s.ctx, name+"-put-back", adoption(plan), s.options(row, s.args.PgServer)...)
	return s.add(row, resource, err)
}

// registerSessionDefaults registers what sessions begin with, chained by whose
// sessions: all settings of one role, or of the database, are one row.
func registerSessionDefaults(s *stages, name string, plan Plan) error {
	for _, setting := range plan.SessionDefaults {
		args := &pgserver.SessionDefaultArgs{Name: pulumi.String(setting.Name), Value: pulumi.String(setting.Value)}
		of := "database-" + plan.Database
		if setting.Role != "" {
			of, args.Role = setting.Role, pulumi.StringPtr(setting.Role)
		} else {
			args.Database = pulumi.StringPtr(plan.Database)
		}
		row := "sessions of " + of
		resource, err := pgserver.NewSessionDefault(s.ctx, strings.Join([]string{name, "session", of, setting.Name}, "-"), args, s.options(row, s.args.PgServer, s.of(setting.Role))...)
		if err := s.add(row, resource, err); err != nil {
			return err
		}
	}
	return nil
}

// registerRoles registers each role after those that it is a member of.
func registerRoles(s *stages, name string, plan Plan) error {
	for _, role := range plan.Roles {
		args := &postgresql.RoleArgs{
			Name: pulumi.String(role.Name), Login: pulumi.Bool(role.Login), Roles: pulumi.ToStringArray(role.MemberOf),
			// What a role has not is declared too: a refresh compares only what is.
			Superuser: pulumi.Bool(role.Superuser), CreateRole: pulumi.Bool(role.CreateRole), CreateDatabase: pulumi.Bool(role.CreateDatabase),
			Replication: pulumi.Bool(role.Replication), BypassRowLevelSecurity: pulumi.Bool(role.BypassRowLevelSecurity),
			Inherit: pulumi.Bool(!role.NoInherit), ConnectionLimit: pulumi.Int(role.ConnectionLimit),
		}
		if role.ValidUntil != "infinity" {
			args.ValidUntil = pulumi.String(role.ValidUntil)
		}
		if role.Verifier != "" {
			args.Password = pulumi.ToSecret(pulumi.String(role.Verifier)).(pulumi.StringOutput)
		}
		if role.AssumeRole != "" {
			args.AssumeRole = pulumi.String(role.AssumeRole)
		}
		role.Session.declare(args)
		row := "role " + role.Name
		resource, err := postgresql.NewRole(s.ctx, name+"-role-"+role.Name, args, s.options(row, s.args.PostgreSQL, s.of(role.MemberOf...))...)
		s.roles[role.Name] = resource
		if err := s.add(row, resource, err); err != nil {
			return err
		}
	}
	return nil
}

// Schemas and extensions hold data or carry types of columns: removing one
// from the configuration forgets it and drops nothing.
func registerSchemas(s *stages, name string, plan Plan) error {
	for _, schema := range plan.Schemas {
		row := "schema " + schema.Name
		resource, err := postgresql.NewSchema(s.ctx, name+"-schema-"+schema.Name, &postgresql.SchemaArgs{
			Name: pulumi.String(schema.Name), Owner: pulumi.String(schema.Owner), Database: pulumi.String(plan.Database),
		}, s.options(row, s.args.PostgreSQL, pulumi.RetainOnDelete(true))...)
		if err := s.add(row, resource, err); err != nil {
			return err
		}
	}
	return nil
}

func registerExtensions(s *stages, name string, plan Plan) error {
	const row = "extensions"
	for _, extension := range plan.Extensions {
		args := &postgresql.ExtensionArgs{
			Name: pulumi.String(extension.Name), Schema: pulumi.String(extension.Schema), Database: pulumi.String(plan.Database),
		}
		if extension.Version != "" {
			args.Version = pulumi.String(extension.Version)
		}
		resource, err := postgresql.NewExtension(s.ctx, name+"-extension-"+extension.Name, args, s.options(row, s.args.PostgreSQL, pulumi.RetainOnDelete(true))...)
		if err := s.add(row, resource, err); err != nil {
			return err
		}
	}
	return nil
}

// registerDatabaseGrants registers who may connect, chained by database: nothing
// else waits for it.
func registerDatabaseGrants(s *stages, name string, plan Plan) error {
	for _, grant := range plan.Grants {
		if grant.Schema == "" {
			row, resource, err := s.grant(name, plan, grant)
			if err := s.addAside(row, resource, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// registerSchemaGrants registers who may use schemas, chained by schema.
func registerSchemaGrants(s *stages, name string, plan Plan) error {
	return registerGrants(s, name, plan, func(g Grant) bool { return g.ObjectType == config.OnSchema })
}

// registerGrantsOnAll registers grants on all objects of a type in a schema,
// chained by type and schema.
func registerGrantsOnAll(s *stages, name string, plan Plan) error {
	return registerGrants(s, name, plan, func(g Grant) bool { return g.Schema != "" && g.ObjectType != config.OnSchema })
}

func registerGrants(s *stages, name string, plan Plan, which func(Grant) bool) error {
	for _, grant := range plan.Grants {
		if !which(grant) {
			continue
		}
		row, resource, err := s.grant(name, plan, grant)
		if err := s.add(row, resource, err); err != nil {
			return err
		}
	}
	return nil
}

// registerDefaultPrivileges chains them by the type of object: nothing else waits
// for them.
func registerDefaultPrivileges(s *stages, name string, plan Plan) error {
	// Made anew before the old ones are deleted, they would be deleted with them.
	replaced := pulumi.DeleteBeforeReplace(true)
	for _, privileges := range plan.DefaultPrivileges {
		if privileges.byOwnedGrant() {
			continue
		}
		row := defaultsRow(privileges.ObjectType)
		args := &postgresql.DefaultPrivilegesArgs{
			Database: pulumi.String(plan.Database), Role: pulumi.String(privileges.Role), Owner: pulumi.String(privileges.Owner),
			ObjectType: pulumi.String(privileges.ObjectType), Privileges: pulumi.ToStringArray(privileges.Privileges),
		}
		if privileges.Schema != "" {
			args.Schema = pulumi.String(privileges.Schema)
		}
		if privileges.GrantOption {
			args.WithGrantOption = pulumi.Bool(true)
		}
		resource, err := postgresql.NewDefaultPrivileges(s.ctx, name+"-"+privileges.name(plan.Owner), args, s.options(row, s.args.PostgreSQL, replaced, s.of(privileges.Role))...)
		if err := s.addAside(row, resource, err); err != nil {
			return err
		}
	}
	return nil
}

// defaultsRow is the row of default privileges: there is one for every owner and
// type of object.
func defaultsRow(objectType string) string { return "default privileges on " + objectType }

// grant registers a grant at the end of its chain.
func (s *stages) grant(name string, plan Plan, grant Grant) (row string, resource pulumi.Resource, err error) {
	object := cmp.Or(grant.Schema, grant.Database)
	row = grant.ObjectType + " " + object
	name = strings.Join([]string{name, "grant", grant.ObjectType, grant.Role, object}, "-")
	if grant.single() {
		// From the declared database: whoever is in template1 is in the way of CREATE DATABASE.
		resource, err = pgserver.NewObjectGrant(s.ctx, name, &pgserver.ObjectGrantArgs{
			Database: pulumi.String(plan.Database), Role: pulumi.String(grant.Role), Class: pulumi.String(grant.ObjectType),
			Object: pulumi.String(object), Privileges: pulumi.ToStringArray(grant.Privileges), GrantOption: pulumi.Bool(grant.GrantOption),
		}, s.options(row, s.args.PgServer, s.of(grant.Role))...)
		return row, resource, err
	}
	resource, err = pgserver.NewSchemaGrant(s.ctx, name, &pgserver.SchemaGrantArgs{
		Database: pulumi.String(plan.Database), Role: pulumi.String(grant.Role), Class: pulumi.String(grant.ObjectType), Schema: pulumi.String(grant.Schema),
		Except: pulumi.ToStringArray(grant.Except), Privileges: pulumi.ToStringArray(grant.Privileges), GrantOption: pulumi.Bool(grant.GrantOption),
	}, s.options(row, s.args.PgServer, s.of(grant.Role))...)
	return row, resource, err
}

// single says whether the grant is on one object: a schema or a database.
func (g Grant) single() bool {
	return g.ObjectType == config.OnSchema || g.ObjectType == config.OnDatabase
}
