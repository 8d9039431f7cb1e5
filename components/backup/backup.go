package backup

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/witchcityrope/database/internal/agent"
	"github.com/witchcityrope/database/internal/dockerengine"
)

// Args are what the container is made with.
type Args struct {
	Docker pulumi.ProviderResource
	// Network is the name of the one that the server is on.
	Network pulumi.StringInput
	// CA is PEM; nil where TLS is off.
	CA pulumi.StringInput
	// Ready are the resources after which the login can come in.
	Ready []pulumi.Resource
}

// Backup is the container that makes backups.
type Backup struct {
	pulumi.ResourceState
	Container *docker.Container
}

// New registers the plan.
func New(ctx *pulumi.Context, name string, plan Plan, args Args, opts ...pulumi.ResourceOption) (*Backup, error) {
	made := &Backup{}
	if err := ctx.RegisterComponentResource("database:backup:Backup", name, made, opts...); err != nil {
		return nil, err
	}
	var err error
	made.Container, err = docker.NewContainer(ctx, name+"-agent", plan.container(args),
		pulumi.Parent(made), pulumi.Provider(args.Docker), pulumi.DependsOn(args.Ready), pulumi.DeleteBeforeReplace(true))
	if err != nil {
		return nil, fmt.Errorf("container that makes backups: %w", err)
	}
	return made, ctx.RegisterResourceOutputs(made, pulumi.Map{})
}

func (p Plan) container(args Args) *docker.ContainerArgs {
	memory, stop := p.Stack.Backup.Memory.MiB(), int(p.Stop.Seconds())
	return &docker.ContainerArgs{
		Name:                pulumi.String(p.Stack.BackupContainer()),
		Image:               pulumi.String(p.Image),
		Entrypoints:         pulumi.ToStringArray([]string{agent.Program}),
		Hostname:            pulumi.String(p.Stack.BackupContainer()),
		Dns:                 pulumi.ToStringArray(dockerengine.NoNameServers()),
		Restart:             pulumi.String(p.Stack.Server.Restart),
		MustRun:             pulumi.Bool(false),
		Wait:                pulumi.Bool(false),
		DestroyGraceSeconds: pulumi.Int(stop),
		StopTimeout:         pulumi.Int(stop),
		StopSignal:          pulumi.String("SIGTERM"), // the image's is for PostgreSQL
		Cpus:                pulumi.String(p.Cpus),
		Memory:              pulumi.Int(memory),
		MemorySwap:          pulumi.Int(memory),
		LogDriver:           pulumi.String("json-file"),
		LogOpts: pulumi.StringMap{
			"max-size": pulumi.Sprintf("%dk", int(p.Stack.Server.Log.MaxSize)/1024), "max-file": pulumi.String(strconv.Itoa(p.Stack.Server.Log.MaxFiles)),
		},
		// The server's network only: no way out, and no port.
		NetworksAdvanced: docker.ContainerNetworksAdvancedArray{docker.ContainerNetworksAdvancedArgs{
			Name: args.Network, Aliases: pulumi.ToStringArray([]string{p.Stack.BackupContainer()}),
		}},
		Volumes: docker.ContainerVolumeArray{p.volume()},
		Uploads: p.uploads(args.CA),
		Healthcheck: docker.ContainerHealthcheckArgs{
			Tests: pulumi.ToStringArray([]string{"CMD", agent.Program, "health"}), Interval: pulumi.String("1m0s"), Timeout: pulumi.String("10s"),
			StartPeriod: pulumi.String("10s"), Retries: pulumi.Int(1),
		},
		Labels: p.labels(),
	}
}

// volume is where the backups are. It is no resource: no run deletes it.
func (p Plan) volume() docker.ContainerVolumeArgs {
	if p.Stack.Backup.Directory != "" {
		return docker.ContainerVolumeArgs{HostPath: pulumi.String(p.Target), ContainerPath: pulumi.String(agent.BackupsDir)}
	}
	return docker.ContainerVolumeArgs{VolumeName: pulumi.String(p.Target), ContainerPath: pulumi.String(agent.BackupsDir)}
}

// uploads are the program and what it needs to know. The password is in a file
// that only the program's user can read: docker inspect does not show it.
func (p Plan) uploads(ca pulumi.StringInput) docker.ContainerUploadArray {
	files := docker.ContainerUploadArray{
		docker.ContainerUploadArgs{
			File: pulumi.String(agent.Program), Source: pulumi.String(p.Binary.Path), SourceHash: pulumi.String(p.Binary.Version),
			Permissions: pulumi.String("0755"),
		},
		docker.ContainerUploadArgs{File: pulumi.String(agent.SettingsFile), Content: pulumi.String(p.Settings), Permissions: pulumi.String("0644")},
		docker.ContainerUploadArgs{
			File:    pulumi.String(agent.PasswordFile),
			Content: pulumi.ToSecret(pulumi.String(p.Password)).(pulumi.StringOutput), Permissions: pulumi.String("0600"),
		},
	}
	if ca != nil {
		files = append(files, docker.ContainerUploadArgs{File: pulumi.String(agent.CAFile), Content: ca.ToStringOutput().ToStringPtrOutput(), Permissions: pulumi.String("0644")})
	}
	return files
}

func (p Plan) labels() docker.ContainerLabelArray {
	var array docker.ContainerLabelArray
	for _, label := range slices.Sorted(maps.Keys(p.Labels)) {
		array = append(array, docker.ContainerLabelArgs{Label: pulumi.String(label), Value: pulumi.String(p.Labels[label])})
	}
	return array
}
