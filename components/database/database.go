// Package database is the program: it reads a stack's configuration, wires the
// server plane and the database plane together and makes the outputs.
package database

import (
	"fmt"

	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi-postgresql/sdk/v3/go/postgresql"
	"github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/witchcityrope/database/components/access"
	"github.com/witchcityrope/database/components/backup"
	"github.com/witchcityrope/database/components/certificate"
	"github.com/witchcityrope/database/components/pgserver"
	"github.com/witchcityrope/database/components/server"
	"github.com/witchcityrope/database/components/settings"
	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/agent"
	"github.com/witchcityrope/database/internal/dockerengine"
)

// Options are what the caller of the program decides, not the stack.
type Options struct {
	// ProjectDir is the folder of Pulumi.yaml; the engine's own notion of it if empty.
	ProjectDir string
	// Image replaces the stack's image where that cannot be had.
	Image string
	// ConfigKeys are the project's keys in the stack file, without the
	// project's name; asked of the language host if nil.
	ConfigKeys []string
	// Agent is the program that makes backups; if nil, it is built from the
	// project's sources, where backups are enabled and something is to be done.
	Agent *agent.Binary
}

func (o Options) agent(ctx *pulumi.Context, stack *config.Stack) (agent.Binary, error) {
	if !stack.Backup.Enabled {
		return agent.Binary{}, nil
	}
	if o.Agent != nil {
		return *o.Agent, nil
	}
	binary, err := agent.Find(o.ProjectDir)
	if err != nil || ctx.DryRun() {
		return binary, err
	}
	architecture, err := dockerengine.Architecture(ctx.Context())
	if err != nil {
		return binary, err
	}
	return binary, binary.Build(ctx.Context(), o.ProjectDir, architecture)
}

// Program is the Pulumi program.
func Program(options Options) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		if options.ProjectDir == "" {
			options.ProjectDir = ctx.RootDirectory()
		}
		values, err := stackValues(ctx, options.ConfigKeys)
		if err != nil {
			return err
		}
		stack, err := config.Decode(ctx.Project(), ctx.Stack(), values)
		if err != nil {
			return err
		}
		if err := say(ctx, stack.Notices()); err != nil {
			return err
		}
		if err := access.CheckContract(stack); err != nil {
			return err
		}
		given, err := readSecrets(ctx, stack, options.ProjectDir)
		if err != nil {
			return err
		}
		binary, err := options.agent(ctx, stack)
		if err != nil {
			return err
		}
		plan, err := newPlan(stack, options.Image, given, binary)
		if err != nil {
			return err
		}
		database, err := New(ctx, "database", plan)
		if err != nil {
			return err
		}
		return database.export(ctx)
	}
}

// say warns, in a preview, of what is accepted but worth knowing.
func say(ctx *pulumi.Context, notices []config.Notice) error {
	if !ctx.DryRun() {
		return nil
	}
	for _, notice := range notices {
		if err := ctx.Log.Warn(notice.String(), nil); err != nil {
			return err
		}
	}
	return nil
}

// Database is a stack's database: the top of everything that is declared.
type Database struct {
	pulumi.ResourceState
	plan        plan
	certificate *certificate.Certificate // nil where TLS is off or the server is external
	server      *server.Server           // nil where the server is external
	docker      *docker.Provider         // nil where the server is external
}

// New registers the plan.
func New(ctx *pulumi.Context, name string, plan plan, opts ...pulumi.ResourceOption) (*Database, error) {
	database := &Database{plan: plan}
	if err := ctx.RegisterComponentResource("database:database:Database", name, database, opts...); err != nil {
		return nil, err
	}
	pgServer, postgreSQL, err := database.connect(ctx, name)
	if err != nil {
		return nil, err
	}
	args := access.Args{PgServer: pgServer, PostgreSQL: postgreSQL}
	changed := settings.Args{PgServer: pgServer}
	if plan.stack.Target.Type == config.Container {
		if err := database.registerServer(ctx, name, pgServer); err != nil {
			return nil, err
		}
		superuser := []pulumi.Resource{database.server.Superuser}
		args.Superuser, args.Ready, args.Each = superuser, database.server.Ready, database.server.Each
		changed.Ready, changed.Each = superuser, database.server.Each
	}
	if _, err := settings.New(ctx, name+"-settings", plan.settings, changed, pulumi.Parent(database)); err != nil {
		return nil, err
	}
	declared, err := access.New(ctx, name+"-access", plan.access, args, pulumi.Parent(database))
	if err != nil {
		return nil, err
	}
	if plan.backup != nil {
		if err := database.registerBackup(ctx, name, declared); err != nil {
			return nil, err
		}
	}
	return database, ctx.RegisterResourceOutputs(database, pulumi.Map{})
}

// connect registers the two providers that talk SQL. Their settings come from
// the configuration alone: a preview is exact and needs no server.
func (d *Database) connect(ctx *pulumi.Context, name string) (*pgserver.Provider, *postgresql.Provider, error) {
	stack, login := d.plan.stack, d.plan.superuser
	pgServer, err := pgserver.NewProvider(ctx, name+"-pgserver", &pgserver.ProviderArgs{
		Host: pulumi.String(stack.Host()), Port: pulumi.Int(stack.Port()), Username: pulumi.String(stack.Target.Username),
		Password:          pulumi.ToSecret(pulumi.String(login.password)).(pulumi.StringOutput),
		FallbackPasswords: pulumi.ToSecret(pulumi.ToStringArray(login.fallbacks)).(pulumi.StringArrayOutput),
		TLSMode:           pulumi.String(login.tlsMode),
		CAFile:            optional(stack.Target.CAFile),
		ReadyTimeout:      pulumi.Int(int(login.readyTimeout.Seconds())),
	}, pulumi.Parent(d))
	if err != nil {
		return nil, nil, fmt.Errorf("provider pgserver: %w", err)
	}
	postgreSQL, err := postgresql.NewProvider(ctx, name+"-postgresql", &postgresql.ProviderArgs{
		Host: pulumi.String(stack.Host()), Port: pulumi.Int(stack.Port()), Username: pulumi.String(stack.Target.Username),
		Password: pulumi.ToSecret(pulumi.String(login.password)).(pulumi.StringOutput),
		Database: pulumi.String(stack.Database.Name), Sslmode: pulumi.String(login.sslMode),
		Sslrootcert: optional(stack.Target.CAFile),
		Superuser:   pulumi.Bool(true), ConnectTimeout: pulumi.Int(15),
	}, pulumi.Parent(d))
	if err != nil {
		return nil, nil, fmt.Errorf("provider postgresql: %w", err)
	}
	return pgServer, postgreSQL, nil
}

// registerServer registers the server plane.
func (d *Database) registerServer(ctx *pulumi.Context, name string, pgServer pulumi.ProviderResource) error {
	dockerProvider, err := docker.NewProvider(ctx, name+"-docker", &docker.ProviderArgs{}, pulumi.Parent(d))
	if err != nil {
		return fmt.Errorf("provider docker: %w", err)
	}
	d.docker = dockerProvider
	args := server.Args{Docker: dockerProvider, PgServer: pgServer}
	if d.plan.stack.TLS.Enabled {
		tlsProvider, err := tls.NewProvider(ctx, name+"-tls", &tls.ProviderArgs{}, pulumi.Parent(d))
		if err != nil {
			return fmt.Errorf("provider tls: %w", err)
		}
		d.certificate, err = certificate.New(ctx, name+"-certificate", d.plan.certificate, pulumi.Parent(d), pulumi.Provider(tlsProvider))
		if err != nil {
			return err
		}
		args.Bundle, args.CA = d.certificate.Bundle, d.certificate.CA
	}
	d.server, err = server.New(ctx, name+"-server", d.plan.server, args, pulumi.Parent(d))
	return err
}

// registerBackup registers the container that makes backups, once its login can come in.
func (d *Database) registerBackup(ctx *pulumi.Context, name string, declared *access.Access) error {
	args := backup.Args{Docker: d.docker, Network: d.server.Network, Ready: declared.Ready}
	if d.certificate != nil {
		args.CA = d.certificate.CA
	}
	_, err := backup.New(ctx, name+"-backup", *d.plan.backup, args, pulumi.Parent(d))
	return err
}

func optional(value string) pulumi.StringPtrInput {
	if value == "" {
		return nil
	}
	return pulumi.StringPtr(value)
}
