package docker

// ContainerArgs are the inputs of a Container.
type ContainerArgs struct {
	Name  *string `pulumi:"name,optional"`
	Image string  `pulumi:"image"`

	// What runs in it.
	Command     []string     `pulumi:"command,optional"`
	Entrypoints []string     `pulumi:"entrypoints,optional"`
	Envs        []string     `pulumi:"envs,optional"`
	User        *string      `pulumi:"user,optional"`
	WorkingDir  *string      `pulumi:"workingDir,optional"`
	Healthcheck *Healthcheck `pulumi:"healthcheck,optional"`
	Init        *bool        `pulumi:"init,optional"`
	Labels      []Label      `pulumi:"labels,optional"`

	// How it starts and stops.
	Restart             *string `pulumi:"restart,optional"`
	MaxRetryCount       *int    `pulumi:"maxRetryCount,optional"`
	MustRun             *bool   `pulumi:"mustRun,optional"`
	Wait                *bool   `pulumi:"wait,optional"`
	WaitTimeout         *int    `pulumi:"waitTimeout,optional"`
	StopSignal          *string `pulumi:"stopSignal,optional"`
	StopTimeout         *int    `pulumi:"stopTimeout,optional"`
	DestroyGraceSeconds *int    `pulumi:"destroyGraceSeconds,optional"`
	RemoveVolumes       *bool   `pulumi:"removeVolumes,optional"`

	// What it may use. Memory and shared memory are in MiB.
	Memory            *int    `pulumi:"memory,optional"`
	MemorySwap        *int    `pulumi:"memorySwap,optional"`
	MemoryReservation *int    `pulumi:"memoryReservation,optional"`
	ShmSize           *int    `pulumi:"shmSize,optional"`
	Cpus              *string `pulumi:"cpus,optional"`
	CPUSet            *string `pulumi:"cpuSet,optional"`
	CPUShares         *int    `pulumi:"cpuShares,optional"`

	// Whom it can talk to.
	Hostname         *string            `pulumi:"hostname,optional"`
	NetworkMode      *string            `pulumi:"networkMode,optional"`
	NetworksAdvanced []NetworksAdvanced `pulumi:"networksAdvanced,optional"`
	Ports            []Port             `pulumi:"ports,optional"`
	Hosts            []Host             `pulumi:"hosts,optional"`
	DNS              []string           `pulumi:"dns,optional"`

	// What it stores, and where it logs.
	Volumes   []ContainerVolume `pulumi:"volumes,optional"`
	Mounts    []Mount           `pulumi:"mounts,optional"`
	Tmpfs     map[string]string `pulumi:"tmpfs,optional"`
	Uploads   []Upload          `pulumi:"uploads,optional"`
	LogDriver *string           `pulumi:"logDriver,optional"`
	LogOpts   map[string]string `pulumi:"logOpts,optional"`

	// What it may not do.
	ReadOnly     *bool         `pulumi:"readOnly,optional"`
	Capabilities *Capabilities `pulumi:"capabilities,optional"`
	SecurityOpts []string      `pulumi:"securityOpts,optional"`
}

// ContainerState is a Container as it is kept.
type ContainerState struct {
	ContainerArgs
	Bridge       string        `pulumi:"bridge"`
	ExitCode     int           `pulumi:"exitCode"`
	NetworkDatas []NetworkData `pulumi:"networkDatas"`
}

// Healthcheck is how the engine finds out whether a container is well.
type Healthcheck struct {
	Tests         []string `pulumi:"tests,optional"`
	Interval      *string  `pulumi:"interval,optional"`
	Timeout       *string  `pulumi:"timeout,optional"`
	StartPeriod   *string  `pulumi:"startPeriod,optional"`
	StartInterval *string  `pulumi:"startInterval,optional"`
	Retries       *int     `pulumi:"retries,optional"`
}

// NetworksAdvanced is one network that the container is connected to.
type NetworksAdvanced struct {
	Name        string   `pulumi:"name"`
	Aliases     []string `pulumi:"aliases,optional"`
	Ipv4Address *string  `pulumi:"ipv4Address,optional"`
	Ipv6Address *string  `pulumi:"ipv6Address,optional"`
}

// Port is one port published on the host.
type Port struct {
	Internal int     `pulumi:"internal"`
	External *int    `pulumi:"external,optional"`
	IP       *string `pulumi:"ip,optional"`
	Protocol *string `pulumi:"protocol,optional"`
}

// Host is one line of the container's hosts file.
type Host struct {
	Host string `pulumi:"host"`
	IP   string `pulumi:"ip"`
}

// ContainerVolume is a volume or a folder of the host, mounted in the container.
type ContainerVolume struct {
	ContainerPath *string `pulumi:"containerPath,optional"`
	VolumeName    *string `pulumi:"volumeName,optional"`
	HostPath      *string `pulumi:"hostPath,optional"`
	ReadOnly      *bool   `pulumi:"readOnly,optional"`
}

// Mount is a mount of any type.
type Mount struct {
	Type         string        `pulumi:"type"`
	Target       string        `pulumi:"target"`
	Source       *string       `pulumi:"source,optional"`
	ReadOnly     *bool         `pulumi:"readOnly,optional"`
	TmpfsOptions *TmpfsOptions `pulumi:"tmpfsOptions,optional"`
}

// Upload is a file that is put into the container before it starts.
type Upload struct {
	File          string  `pulumi:"file"`
	Content       *string `pulumi:"content,optional"`
	ContentBase64 *string `pulumi:"contentBase64,optional"`
	// Source is the path of a file of this machine, SourceHash what tells that its content changed.
	Source      *string `pulumi:"source,optional"`
	SourceHash  *string `pulumi:"sourceHash,optional"`
	Executable  *bool   `pulumi:"executable,optional"`
	Permissions *string `pulumi:"permissions,optional"`
}

// TmpfsOptions limit a mount of type tmpfs.
type TmpfsOptions struct {
	Mode      *int `pulumi:"mode,optional"`
	SizeBytes *int `pulumi:"sizeBytes,optional"`
}

// Capabilities are kernel capabilities given and taken.
type Capabilities struct {
	Adds  []string `pulumi:"adds,optional"`
	Drops []string `pulumi:"drops,optional"`
}

// NetworkData is what the container got from one network.
type NetworkData struct {
	NetworkName    string `pulumi:"networkName"`
	IPAddress      string `pulumi:"ipAddress"`
	IPPrefixLength int    `pulumi:"ipPrefixLength"`
	Gateway        string `pulumi:"gateway"`
	MacAddress     string `pulumi:"macAddress"`
}
