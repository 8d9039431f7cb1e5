package access

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-postgresql/sdk/v3/go/postgresql"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/witchcityrope/database/components/pgserver"
)

// Args are what the declared roles are made in.
type Args struct {
	PostgreSQL pulumi.ProviderResource
	PgServer   pulumi.ProviderResource
	// Ready are the resources after which the server accepts logins.
	Ready []pulumi.Resource
	// Each applies to every resource that lives in the database.
	Each []pulumi.ResourceOption
}

// Access is the declared access to one database.
type Access struct{ pulumi.ResourceState }

// New registers the plan as one chain: PostgreSQL answers concurrent changes
// of one catalogue row with "tuple concurrently updated".
func New(ctx *pulumi.Context, name string, plan Plan, args Args, opts ...pulumi.ResourceOption) (*Access, error) {
	access := &Access{}
	if err := ctx.RegisterComponentResource("database:access:Access", name, access, opts...); err != nil {
		return nil, err
	}
	links := &chain{ctx: ctx, parent: access, args: args, last: args.Ready}
	for _, register := range []func(*chain, string, Plan) error{
		registerDatabase, registerRoles, registerSchemas, registerExtensions, registerGrants, registerDefaultPrivileges,
	} {
		if err := register(links, name, plan); err != nil {
			return nil, err
		}
	}
	return access, ctx.RegisterResourceOutputs(access, pulumi.Map{})
}

// chain registers resources one after the other.
type chain struct {
	ctx    *pulumi.Context
	parent pulumi.Resource
	args   Args
	last   []pulumi.Resource
}

func (c *chain) options(provider pulumi.ProviderResource, more ...pulumi.ResourceOption) []pulumi.ResourceOption {
	options := []pulumi.ResourceOption{pulumi.Parent(c.parent), pulumi.Provider(provider), pulumi.DependsOn(c.last)}
	return append(append(options, c.args.Each...), more...)
}

func (c *chain) add(resource pulumi.Resource, err error) error {
	if err != nil {
		return err
	}
	c.last = []pulumi.Resource{resource}
	return nil
}

func registerDatabase(c *chain, name string, plan Plan) error {
	return c.add(pgserver.NewDatabase(c.ctx, name+"-database",
		&pgserver.DatabaseArgs{Name: pulumi.String(plan.Database)}, c.options(c.args.PgServer)...))
}

func registerRoles(c *chain, name string, plan Plan) error {
	var names []string
	for _, role := range plan.Roles {
		names = append(names, role.Name)
	}
	adoption := &pgserver.AdoptionArgs{Roles: pulumi.ToStringArray(names)}
	if err := c.add(pgserver.NewSetAside(c.ctx, name+"-set-aside", adoption, c.options(c.args.PgServer)...)); err != nil {
		return err
	}
	for _, role := range plan.Roles {
		args := &postgresql.RoleArgs{
			Name: pulumi.String(role.Name), Login: pulumi.Bool(role.Login), Roles: pulumi.ToStringArray(role.MemberOf),
		}
		if role.Verifier != "" {
			args.Password = pulumi.ToSecret(pulumi.String(role.Verifier)).(pulumi.StringOutput)
		}
		if role.AssumeRole != "" {
			args.AssumeRole = pulumi.String(role.AssumeRole)
		}
		if role.CreateDatabase {
			args.CreateDatabase = pulumi.Bool(true)
		}
		if err := c.add(postgresql.NewRole(c.ctx, name+"-role-"+role.Name, args, c.options(c.args.PostgreSQL)...)); err != nil {
			return fmt.Errorf("role %s: %w", role.Name, err)
		}
	}
	return c.add(pgserver.NewPutBack(c.ctx, name+"-put-back", adoption, c.options(c.args.PgServer)...))
}

// Schemas and extensions hold data or carry types of columns: removing one
// from the configuration forgets it and drops nothing.
func registerSchemas(c *chain, name string, plan Plan) error {
	for _, schema := range plan.Schemas {
		if err := c.add(postgresql.NewSchema(c.ctx, name+"-schema-"+schema.Name, &postgresql.SchemaArgs{
			Name: pulumi.String(schema.Name), Owner: pulumi.String(schema.Owner), Database: pulumi.String(plan.Database),
		}, c.options(c.args.PostgreSQL, pulumi.RetainOnDelete(true))...)); err != nil {
			return fmt.Errorf("schema %s: %w", schema.Name, err)
		}
	}
	return nil
}

func registerExtensions(c *chain, name string, plan Plan) error {
	for _, extension := range plan.Extensions {
		if err := c.add(postgresql.NewExtension(c.ctx, name+"-extension-"+extension, &postgresql.ExtensionArgs{
			Name: pulumi.String(extension), Schema: pulumi.String(extensionSchema), Database: pulumi.String(plan.Database),
		}, c.options(c.args.PostgreSQL, pulumi.RetainOnDelete(true))...)); err != nil {
			return fmt.Errorf("extension %s: %w", extension, err)
		}
	}
	return nil
}

func registerGrants(c *chain, name string, plan Plan) error {
	for _, grant := range plan.Grants {
		parts := []string{name, "grant", grant.ObjectType, grant.Role}
		if grant.ObjectType == "database" {
			parts = append(parts, grant.Database)
		} else {
			parts = append(parts, grant.Schema)
		}
		args := &postgresql.GrantArgs{
			Database: pulumi.String(grant.Database), Role: pulumi.String(grant.Role),
			ObjectType: pulumi.String(grant.ObjectType), Privileges: pulumi.ToStringArray(grant.Privileges),
		}
		if grant.Schema != "" {
			args.Schema = pulumi.String(grant.Schema)
		}
		if err := c.add(postgresql.NewGrant(c.ctx, strings.Join(parts, "-"), args, c.options(c.args.PostgreSQL)...)); err != nil {
			return fmt.Errorf("grant %s: %w", strings.Join(parts[2:], " "), err)
		}
	}
	return nil
}

func registerDefaultPrivileges(c *chain, name string, plan Plan) error {
	for _, privileges := range plan.DefaultPrivileges {
		if err := c.add(postgresql.NewDefaultPrivileges(c.ctx, fmt.Sprintf("%s-default-%s-%s", name, privileges.ObjectType, privileges.Role), &postgresql.DefaultPrivilegesArgs{
			Database: pulumi.String(plan.Database), Role: pulumi.String(privileges.Role), Owner: pulumi.String(privileges.Owner),
			ObjectType: pulumi.String(privileges.ObjectType), Privileges: pulumi.ToStringArray(privileges.Privileges),
		}, c.options(c.args.PostgreSQL)...)); err != nil {
			return fmt.Errorf("default privileges of %s on %ss: %w", privileges.Role, privileges.ObjectType, err)
		}
	}
	return nil
}
