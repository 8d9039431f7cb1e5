package server

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/witchcityrope/database/components/pgserver"
	"github.com/witchcityrope/database/components/settings"
	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/dockerengine"
)

// Args are what the server is made with.
type Args struct {
	Docker   pulumi.ProviderResource
	PgServer pulumi.ProviderResource
	// Bundle and CA are PEM; both nil where TLS is off.
	Bundle, CA pulumi.StringInput
}

// Server is a running server that lets in whom it should.
type Server struct {
	pulumi.ResourceState
	Container *docker.Container
	// Network is the name of the internal one.
	Network pulumi.StringOutput
	// Version of PostgreSQL, as it says itself.
	Version pulumi.StringOutput `pulumi:"version"`
	// Superuser is ready as soon as the superuser can come in.
	Superuser pulumi.Resource
	// Ready are the resources after which everybody can come in as planned.
	Ready []pulumi.Resource
	// Each applies to whatever lives inside the server: gone with the
	// container, and made anew with it where its storage does not survive.
	Each []pulumi.ResourceOption
}

// New registers the plan.
func New(ctx *pulumi.Context, name string, plan Plan, args Args, opts ...pulumi.ResourceOption) (*Server, error) {
	server := &Server{}
	if err := ctx.RegisterComponentResource("database:server:Server", name, server, opts...); err != nil {
		return nil, err
	}
	needs, err := registerNeeds(ctx, name, plan, pulumi.Parent(server), pulumi.Provider(args.Docker))
	if err != nil {
		return nil, err
	}
	if plan.Stack.Storage.Type != config.Tmpfs {
		initialised, err := registerDataDirectory(ctx, name, plan, pulumi.Parent(server), pulumi.Provider(args.PgServer), pulumi.DependsOn(needs.others))
		if err != nil {
			return nil, fmt.Errorf("data directory: %w", err)
		}
		needs.others = append(needs.others, initialised)
	}
	server.Network = needs.internal.Name
	server.Container, err = registerContainer(ctx, name, plan, needs, pulumi.Parent(server), pulumi.Provider(args.Docker), pulumi.DependsOn(needs.others))
	if err != nil {
		return nil, fmt.Errorf("container: %w", err)
	}
	server.Each = []pulumi.ResourceOption{pulumi.DeletedWith(server.Container)}
	if plan.Stack.Storage.Type == config.Tmpfs {
		server.Each = append(server.Each, pulumi.ReplacementTrigger(server.Container.ID()))
	}
	if err := server.registerInside(ctx, name, plan, args); err != nil {
		return nil, err
	}
	return server, ctx.RegisterResourceOutputs(server, pulumi.Map{"version": server.Version})
}

// needs are what the container cannot start without.
type needs struct {
	internal, admin *docker.Network
	others          []pulumi.Resource
}

func registerNeeds(ctx *pulumi.Context, name string, plan Plan, opts ...pulumi.ResourceOption) (*needs, error) {
	image, err := docker.NewRemoteImage(ctx, name+"-image", &docker.RemoteImageArgs{
		Name: pulumi.String(plan.Image), KeepLocally: pulumi.Bool(true),
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	internal, err := docker.NewNetwork(ctx, name+"-network", &docker.NetworkArgs{
		Name: pulumi.String(plan.Stack.Network.Name), Driver: pulumi.String("bridge"), Internal: pulumi.Bool(true),
		IpamConfigs: docker.NetworkIpamConfigArray{docker.NetworkIpamConfigArgs{Subnet: pulumi.String(plan.Stack.Network.Subnet)}},
		Labels:      networkLabels(plan.Stack),
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("internal network: %w", err)
	}
	// A published port needs a network that is not internal; without
	// masquerading nothing can leave through it.
	admin, err := docker.NewNetwork(ctx, name+"-admin-network", &docker.NetworkArgs{
		Name: pulumi.String(plan.Stack.Network.AdminName), Driver: pulumi.String("bridge"),
		IpamConfigs: docker.NetworkIpamConfigArray{docker.NetworkIpamConfigArgs{Subnet: pulumi.String(plan.Stack.Network.AdminSubnet)}},
		Options:     pulumi.StringMap{"com.docker.network.bridge.enable_ip_masquerade": pulumi.String("false")},
		Labels:      networkLabels(plan.Stack),
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("admin network: %w", err)
	}
	needs := &needs{internal: internal, admin: admin, others: []pulumi.Resource{image}}
	if plan.Stack.Storage.Type == config.Tmpfs {
		return needs, nil
	}
	volume, err := registerVolume(ctx, name, plan.Stack, opts...)
	needs.others = append(needs.others, volume)
	return needs, err
}

// registerDataDirectory has the data directory initialised while the networks are
// made, for which the docker plugin waits two seconds each time. Only a new cluster
// reads what it is told.
func registerDataDirectory(ctx *pulumi.Context, name string, plan Plan, opts ...pulumi.ResourceOption) (pulumi.Resource, error) {
	return pgserver.NewDataDirectory(ctx, name+"-data-directory", &pgserver.DataDirectoryArgs{
		Volume: pulumi.String(plan.Stack.Storage.Volume), Path: pulumi.String(mountPath), Image: pulumi.String(plan.Image),
		Environment: pulumi.ToSecret(pulumi.ToStringArray(plan.Environment)).(pulumi.StringArrayOutput),
		Container:   pulumi.String(plan.Stack.Initialiser()), Labels: pulumi.ToStringMap(dockerengine.LabelsOf(plan.Stack.Project, plan.Stack.Name)),
	}, append(opts, pulumi.IgnoreChanges([]string{"path", "image", "environment", "container", "labels"}))...)
}

// registerVolume registers the data's volume. Editing the labels or driver
// options of a volume replaces it, which would lose the data: they are ignored
// once it exists.
func registerVolume(ctx *pulumi.Context, name string, stack *config.Stack, opts ...pulumi.ResourceOption) (pulumi.Resource, error) {
	args := &docker.VolumeArgs{
		Name: pulumi.String(stack.Storage.Volume), Driver: pulumi.String("local"),
		Labels: docker.VolumeLabelArray{
			docker.VolumeLabelArgs{Label: pulumi.String(dockerengine.LabelProject), Value: pulumi.String(stack.Project)},
			docker.VolumeLabelArgs{Label: pulumi.String(dockerengine.LabelStack), Value: pulumi.String(stack.Name)},
		},
	}
	if stack.Storage.Type == config.Bind {
		args.DriverOpts = pulumi.StringMap{
			"type": pulumi.String("none"), "o": pulumi.String("bind"), "device": pulumi.String(stack.Storage.Path),
		}
	}
	opts = append(slices.Clone(opts), pulumi.IgnoreChanges([]string{"labels", "driverOpts"}))
	if stack.Storage.Protect {
		opts = append(opts, pulumi.Protect(true), pulumi.RetainOnDelete(true))
	}
	volume, err := docker.NewVolume(ctx, name+"-volume", args, opts...)
	if err != nil {
		return nil, fmt.Errorf("volume: %w", err)
	}
	return volume, nil
}

func registerContainer(ctx *pulumi.Context, name string, plan Plan, needs *needs, opts ...pulumi.ResourceOption) (*docker.Container, error) {
	server, check := plan.Stack.Server, plan.Stack.Server.HealthCheck
	args := &docker.ContainerArgs{
		Name:     pulumi.String(server.Name),
		Image:    pulumi.String(plan.Image),
		Command:  pulumi.ToStringArray(plan.Command),
		Hostname: pulumi.String(server.Name),
		Dns:      pulumi.ToStringArray(dockerengine.NoNameServers()),
		// Only a new cluster reads them.
		Envs:                pulumi.ToSecret(pulumi.ToStringArray(plan.Environment)).(pulumi.StringArrayOutput),
		Restart:             pulumi.String(server.Restart),
		MustRun:             pulumi.Bool(false), // or a refresh deletes a stopped container
		Wait:                pulumi.Bool(false), // for a health check's interval; the superuser resource awaits readiness
		DestroyGraceSeconds: pulumi.Int(seconds(server.StopTimeout)),
		StopTimeout:         pulumi.Int(seconds(server.StopTimeout)),
		StopSignal:          pulumi.String("SIGINT"), // fast shutdown (manual, section 19.5)
		Cpus:                pulumi.String(dockerengine.CPUs(server.CPUs)),
		Memory:              pulumi.Int(server.Memory.MiB()),
		MemorySwap:          pulumi.Int(server.Memory.MiB()),
		MemoryReservation:   pulumi.Int(server.MemoryReservation.MiB()),
		ShmSize:             pulumi.Int(server.SharedMemory.MiB()),
		LogDriver:           pulumi.String("json-file"),
		LogOpts: pulumi.StringMap{
			"max-size": pulumi.Sprintf("%dk", int(server.Log.MaxSize)/1024), "max-file": pulumi.String(strconv.Itoa(server.Log.MaxFiles)),
		},
		// By the networks' own names, so that a network is replaced only after
		// the container on it is deleted.
		// Both have aliases: a refresh by the published plugin matches the two by
		// position, though they are a set, and would give one the other's.
		NetworksAdvanced: docker.ContainerNetworksAdvancedArray{
			docker.ContainerNetworksAdvancedArgs{
				Name: needs.admin.Name, Aliases: pulumi.ToStringArray([]string{server.Name}),
			},
			docker.ContainerNetworksAdvancedArgs{
				Name: needs.internal.Name, Aliases: pulumi.ToStringArray([]string{plan.Stack.Network.Alias}),
			},
		},
		Ports: docker.ContainerPortArray{docker.ContainerPortArgs{
			Internal: pulumi.Int(port), External: pulumi.Int(plan.Stack.Network.Publish.Port),
			Ip: pulumi.String(plan.Stack.Network.Publish.Address), Protocol: pulumi.String("tcp"),
		}},
		Healthcheck: docker.ContainerHealthcheckArgs{
			Tests:    pulumi.ToStringArray(plan.HealthCheck),
			Interval: duration(check.Interval), Timeout: duration(check.Timeout),
			StartPeriod: duration(check.StartPeriod), Retries: pulumi.Int(check.Retries),
		},
		Labels: containerLabels(plan.Labels),
	}
	if plan.Stack.Storage.Type == config.Tmpfs {
		args.Tmpfs = pulumi.ToStringMap(plan.Tmpfs)
	} else {
		args.Volumes = docker.ContainerVolumeArray{docker.ContainerVolumeArgs{
			VolumeName: pulumi.String(plan.Stack.Storage.Volume), ContainerPath: pulumi.String(mountPath),
		}}
	}
	// Name, port and volume are one container's at a time.
	opts = append(opts, pulumi.IgnoreChanges([]string{"envs"}), pulumi.DeleteBeforeReplace(true))
	return docker.NewContainer(ctx, name+"-container", args, opts...)
}

// registerInside registers what is done inside the running server, in an order
// in which nobody is locked out: the password, the certificate, TLS, and only
// then the rules that demand it.
func (s *Server) registerInside(ctx *pulumi.Context, name string, plan Plan, args Args) error {
	after := func(resource pulumi.Resource) []pulumi.ResourceOption {
		return append([]pulumi.ResourceOption{pulumi.Parent(s), pulumi.Provider(args.PgServer), pulumi.DependsOn([]pulumi.Resource{resource})}, s.Each...)
	}
	superuser, err := pgserver.NewSuperuser(ctx, name+"-superuser", &pgserver.SuperuserArgs{
		Username: pulumi.String(plan.Stack.Target.Username),
		Verifier: pulumi.ToSecret(pulumi.String(plan.SuperuserVerifier)).(pulumi.StringOutput),
		Server:   s.Container.ID().ToStringOutput(),
	}, after(s.Container)...)
	if err != nil {
		return fmt.Errorf("superuser: %w", err)
	}
	s.Superuser, s.Version = superuser, superuser.ServerVersion
	pgpass, err := pgserver.NewServerFile(ctx, name+"-health-password", &pgserver.ServerFileArgs{
		Path: pulumi.String(pgpassFile), Content: pulumi.ToSecret(pulumi.String(plan.PGPass)).(pulumi.StringOutput),
		Reload: pulumi.Bool(false), Check: pulumi.String("none"),
	}, after(superuser)...)
	if err != nil {
		return fmt.Errorf("password of the health check: %w", err)
	}
	var last pulumi.Resource = superuser
	if args.Bundle != nil {
		if last, err = s.registerTLS(ctx, name, args, after, superuser); err != nil {
			return err
		}
	}
	hba, err := pgserver.NewServerFile(ctx, name+"-access-rules", &pgserver.ServerFileArgs{
		Path: pulumi.String(hbaFile), Content: pulumi.String(plan.HBA), Reload: pulumi.Bool(true), Check: pulumi.String("hba"),
	}, after(last)...)
	if err != nil {
		return fmt.Errorf("access rules: %w", err)
	}
	s.Ready = []pulumi.Resource{hba, pgpass}
	return nil
}

// registerTLS registers the certificate before the CAs that verify it: those
// that are there verify the next one too, while those to come may no longer
// verify the one that is there.
func (s *Server) registerTLS(ctx *pulumi.Context, name string, args Args, after func(pulumi.Resource) []pulumi.ResourceOption, superuser pulumi.Resource) (pulumi.Resource, error) {
	bundle, err := pgserver.NewServerFile(ctx, name+"-certificate", &pgserver.ServerFileArgs{
		Path: pulumi.String(settings.BundleFile), Content: args.Bundle, Reload: pulumi.Bool(true), Check: pulumi.String("tls"),
	}, after(superuser)...)
	if err != nil {
		return nil, fmt.Errorf("file of the certificate: %w", err)
	}
	ca, err := pgserver.NewServerFile(ctx, name+"-ca", &pgserver.ServerFileArgs{
		Path: pulumi.String(settings.CAFile), Content: args.CA, Reload: pulumi.Bool(false), Check: pulumi.String("none"),
	}, after(bundle)...)
	if err != nil {
		return nil, fmt.Errorf("file of the CAs: %w", err)
	}
	ssl, err := pgserver.NewSystemSetting(ctx, name+"-ssl", &pgserver.SystemSettingArgs{
		Name: pulumi.String("ssl"), Value: pulumi.String("on"),
	}, after(ca)...)
	if err != nil {
		return nil, fmt.Errorf("ssl: %w", err)
	}
	return ssl, nil
}

func networkLabels(stack *config.Stack) docker.NetworkLabelArray {
	return docker.NetworkLabelArray{
		docker.NetworkLabelArgs{Label: pulumi.String(dockerengine.LabelProject), Value: pulumi.String(stack.Project)},
		docker.NetworkLabelArgs{Label: pulumi.String(dockerengine.LabelStack), Value: pulumi.String(stack.Name)},
	}
}

func containerLabels(labels map[string]string) docker.ContainerLabelArray {
	var array docker.ContainerLabelArray
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		array = append(array, docker.ContainerLabelArgs{Label: pulumi.String(label), Value: pulumi.String(labels[label])})
	}
	return array
}

func duration(d config.Duration) pulumi.StringInput { return pulumi.String(time.Duration(d).String()) }
