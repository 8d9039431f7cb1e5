package docker

import (
	"errors"
	"fmt"
	"math/big"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"
)

const (
	defaultRestart     = "no"
	defaultNetworkMode = "bridge"
	mebibyte           = 1 << 20
)

// config is the portable half of what the engine is asked to create.
func (a ContainerArgs) config() (*container.Config, error) {
	exposed, _, err := a.ports()
	if err != nil {
		return nil, err
	}
	config := &container.Config{
		Image: a.Image, Hostname: value(a.Hostname), Cmd: a.Command, Entrypoint: a.Entrypoints, Env: a.Envs,
		User: value(a.User), WorkingDir: value(a.WorkingDir), Labels: labelMap(a.Labels),
		StopSignal: value(a.StopSignal), StopTimeout: a.StopTimeout, ExposedPorts: exposed,
	}
	for _, v := range a.Volumes {
		if config.Volumes == nil {
			config.Volumes = map[string]struct{}{}
		}
		config.Volumes[value(v.ContainerPath)] = struct{}{}
	}
	if a.Healthcheck != nil {
		if config.Healthcheck, err = a.Healthcheck.config(); err != nil {
			return nil, err
		}
	}
	return config, nil
}

// hostConfig is the half that depends on the host.
func (a ContainerArgs) hostConfig() (*container.HostConfig, error) {
	_, bindings, err := a.ports()
	if err != nil {
		return nil, err
	}
	cpus, err := nanoCPUs(value(a.Cpus))
	if err != nil {
		return nil, err
	}
	init := value(a.Init)
	resources := a.adjustable()
	resources.NanoCPUs = cpus
	config := &container.HostConfig{
		Resources: resources, RestartPolicy: a.restartPolicy(), Init: &init,
		NetworkMode: container.NetworkMode(or(a.NetworkMode, defaultNetworkMode)), PortBindings: bindings,
		ShmSize: int64(value(a.ShmSize)) * mebibyte, Tmpfs: a.Tmpfs, Mounts: a.mounts(),
		LogConfig:      container.LogConfig{Type: value(a.LogDriver), Config: a.LogOpts},
		ReadonlyRootfs: value(a.ReadOnly), SecurityOpt: a.SecurityOpts, DNS: a.DNS,
	}
	if a.Capabilities != nil {
		config.CapAdd, config.CapDrop = a.Capabilities.Adds, a.Capabilities.Drops
	}
	for _, h := range a.Hosts {
		config.ExtraHosts = append(config.ExtraHosts, h.Host+":"+h.IP)
	}
	for _, v := range a.Volumes {
		bind, err := v.bind()
		if err != nil {
			return nil, err
		}
		if bind != "" {
			config.Binds = append(config.Binds, bind)
		}
	}
	return config, nil
}

// adjustable are the resources that can be changed while the container runs.
func (a ContainerArgs) adjustable() container.Resources {
	swap := int64(value(a.MemorySwap))
	if swap > 0 {
		swap *= mebibyte
	}
	return container.Resources{
		Memory: int64(value(a.Memory)) * mebibyte, MemorySwap: swap,
		MemoryReservation: int64(value(a.MemoryReservation)) * mebibyte,
		CPUShares:         int64(value(a.CPUShares)), CpusetCpus: value(a.CPUSet),
	}
}

func (a ContainerArgs) restartPolicy() container.RestartPolicy {
	return container.RestartPolicy{
		Name:              container.RestartPolicyMode(or(a.Restart, defaultRestart)),
		MaximumRetryCount: value(a.MaxRetryCount),
	}
}

func (a ContainerArgs) ports() (nat.PortSet, nat.PortMap, error) {
	exposed, bindings := nat.PortSet{}, nat.PortMap{}
	for _, p := range a.Ports {
		port, err := nat.NewPort(or(p.Protocol, "tcp"), strconv.Itoa(p.Internal))
		if err != nil {
			return nil, nil, fmt.Errorf("ports: %w", err)
		}
		exposed[port] = struct{}{}
		binding := nat.PortBinding{HostIP: value(p.IP)}
		if p.External != nil {
			binding.HostPort = strconv.Itoa(*p.External)
		}
		bindings[port] = append(bindings[port], binding)
	}
	return exposed, bindings, nil
}

func (v ContainerVolume) bind() (string, error) {
	source := or(v.VolumeName, value(v.HostPath))
	if value(v.ContainerPath) == "" {
		return "", fmt.Errorf("volumes: the mount of %q names no containerPath", source)
	}
	if source == "" {
		return "", nil
	}
	mode := "rw"
	if value(v.ReadOnly) {
		mode = "ro"
	}
	return strings.Join([]string{source, *v.ContainerPath, mode}, ":"), nil
}

func (a ContainerArgs) mounts() []mount.Mount {
	var mounts []mount.Mount
	for _, m := range a.Mounts {
		entry := mount.Mount{Type: mount.Type(m.Type), Source: value(m.Source), Target: m.Target, ReadOnly: value(m.ReadOnly)}
		if m.TmpfsOptions != nil {
			entry.TmpfsOptions = &mount.TmpfsOptions{
				SizeBytes: int64(value(m.TmpfsOptions.SizeBytes)), Mode: os.FileMode(value(m.TmpfsOptions.Mode)), //nolint:gosec // a file mode
			}
		}
		mounts = append(mounts, entry)
	}
	return mounts
}

func (n NetworksAdvanced) endpoint() *network.EndpointSettings {
	return &network.EndpointSettings{
		Aliases:    n.Aliases,
		IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: value(n.Ipv4Address), IPv6Address: value(n.Ipv6Address)},
	}
}

func (h Healthcheck) config() (*container.HealthConfig, error) {
	interval, err1 := duration("interval", h.Interval)
	timeout, err2 := duration("timeout", h.Timeout)
	startPeriod, err3 := duration("startPeriod", h.StartPeriod)
	startInterval, err4 := duration("startInterval", h.StartInterval)
	return &container.HealthConfig{
		Test: h.Tests, Interval: interval, Timeout: timeout,
		StartPeriod: startPeriod, StartInterval: startInterval, Retries: value(h.Retries),
	}, errors.Join(err1, err2, err3, err4)
}

func duration(name string, text *string) (time.Duration, error) {
	if value(text) == "" {
		return 0, nil
	}
	parsed, err := time.ParseDuration(*text)
	if err != nil {
		return 0, fmt.Errorf("healthcheck.%s: %q is not a duration like 10s", name, *text)
	}
	return parsed, nil
}

// nanoCPUs reads a decimal number of CPUs without the rounding of floating point.
func nanoCPUs(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	number, ok := new(big.Rat).SetString(text)
	if !ok {
		return 0, fmt.Errorf("cpus: %q is not a number like 1.5", text)
	}
	nano := number.Mul(number, big.NewRat(1e9, 1))
	if !nano.IsInt() {
		return 0, fmt.Errorf("cpus: %q has more than nine decimal places", text)
	}
	return nano.Num().Int64(), nil
}
