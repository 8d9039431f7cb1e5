package docker

import (
	"cmp"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/go-connections/nat"
)

// observe puts what is really there into the inputs that were given. Like the published provider it looks neither
// at environment, labels and volumes, which an image adds to, nor at the networks.
func (a *ContainerArgs) observe(found container.InspectResponse) {
	imported := a.Name == nil
	host := found.HostConfig
	image := found.Config.Image
	if byID(a.Image) {
		image = found.Image
	}
	if image != "" {
		a.Image = image
	}
	adopt(&a.Name, strings.TrimPrefix(found.Name, "/"), imported)
	if len(a.Command) > 0 && !slices.Equal(a.Command, found.Config.Cmd) {
		a.Command = found.Config.Cmd
	}
	refresh(&a.Hostname, found.Config.Hostname)
	refresh(&a.User, found.Config.User)
	refresh(&a.StopSignal, found.Config.StopSignal)
	refresh(&a.StopTimeout, value(found.Config.StopTimeout))
	adopt(&a.Restart, string(host.RestartPolicy.Name), imported)
	refresh(&a.MaxRetryCount, host.RestartPolicy.MaximumRetryCount)
	refresh(&a.Memory, int(host.Memory/mebibyte))
	refresh(&a.MemoryReservation, int(host.MemoryReservation/mebibyte))
	refresh(&a.MemorySwap, int(max(host.MemorySwap/mebibyte, min(host.MemorySwap, 0))))
	refresh(&a.ShmSize, int(host.ShmSize/mebibyte))
	refresh(&a.CPUSet, host.CpusetCpus)
	refresh(&a.CPUShares, int(host.CPUShares))
	refresh(&a.NetworkMode, string(host.NetworkMode))
	refresh(&a.ReadOnly, host.ReadonlyRootfs)
	refresh(&a.LogDriver, host.LogConfig.Type)
	if wanted, err := nanoCPUs(value(a.Cpus)); err == nil && wanted != 0 && wanted != host.NanoCPUs {
		actual := new(big.Rat).SetFrac64(host.NanoCPUs, 1e9).FloatString(9)
		a.Cpus = &actual
	}
	if len(a.Tmpfs) > 0 && !maps.Equal(a.Tmpfs, host.Tmpfs) {
		a.Tmpfs = host.Tmpfs
	}
	if len(a.LogOpts) > 0 && !maps.Equal(a.LogOpts, host.LogConfig.Config) {
		a.LogOpts = host.LogConfig.Config
	}
	if len(a.Mounts) > 0 && !sameMounts(a.mounts(), host.Mounts) {
		a.Mounts = mountList(host.Mounts)
	}
	if a.Healthcheck != nil {
		a.Healthcheck.observe(found.Config.Healthcheck)
	}
	if published := portList(found.NetworkSettings.Ports); (imported || len(a.Ports) > 0) && !samePorts(a.Ports, published) {
		a.Ports = published
	}
}

// observe puts the outputs into the state.
func (s *ContainerState) observe(found container.InspectResponse) {
	s.Bridge = found.NetworkSettings.Bridge //nolint:staticcheck // the published output
	if len(s.Entrypoints) == 0 {
		s.Entrypoints = found.Config.Entrypoint
	}
	if !found.State.Running {
		s.ExitCode = found.State.ExitCode
	}
	s.NetworkDatas = []NetworkData{} // required: a container that is on no network has none
	for _, name := range slices.Sorted(maps.Keys(found.NetworkSettings.Networks)) {
		endpoint := found.NetworkSettings.Networks[name]
		s.NetworkDatas = append(s.NetworkDatas, NetworkData{
			NetworkName: name, IPAddress: endpoint.IPAddress, IPPrefixLength: endpoint.IPPrefixLen,
			Gateway: endpoint.Gateway, MacAddress: endpoint.MacAddress,
		})
	}
}

// observe compares what the texts mean, so that 60s and 1m0s are the same.
func (h *Healthcheck) observe(found *container.HealthConfig) {
	wanted, err := h.config()
	if err != nil || found == nil {
		return
	}
	if !reflect.DeepEqual(wanted, found) {
		interval, timeout := found.Interval.String(), found.Timeout.String()
		startPeriod, retries := found.StartPeriod.String(), found.Retries
		*h = Healthcheck{
			Tests: found.Test, Interval: &interval, Timeout: &timeout, StartPeriod: &startPeriod,
			StartInterval: h.StartInterval, Retries: &retries,
		}
	}
}

func sameMounts(wanted, found []mount.Mount) bool {
	byTarget := func(a, b mount.Mount) int { return cmp.Compare(a.Target, b.Target) }
	return reflect.DeepEqual(slices.SortedFunc(slices.Values(wanted), byTarget), slices.SortedFunc(slices.Values(found), byTarget))
}

func mountList(found []mount.Mount) []Mount {
	var mounts []Mount
	for _, m := range found {
		entry := Mount{Type: string(m.Type), Target: m.Target}
		if m.Source != "" {
			entry.Source = &m.Source
		}
		if m.ReadOnly {
			entry.ReadOnly = &m.ReadOnly
		}
		mounts = append(mounts, entry)
	}
	return mounts
}

// portList lists the ports that are really published.
func portList(published nat.PortMap) []Port {
	var ports []Port
	for _, port := range slices.Sorted(maps.Keys(published)) {
		for _, binding := range published[port] {
			external, err := strconv.Atoi(binding.HostPort)
			if err != nil {
				continue // exposed, not published
			}
			protocol := port.Proto()
			ports = append(ports, Port{Internal: port.Int(), External: &external, IP: &binding.HostIP, Protocol: &protocol})
		}
	}
	return ports
}

// samePorts compares without order; what was not asked for may be anything.
func samePorts(wanted, found []Port) bool {
	if len(wanted) != len(found) {
		return false
	}
	return !slices.ContainsFunc(wanted, func(w Port) bool {
		return !slices.ContainsFunc(found, func(f Port) bool {
			return w.Internal == f.Internal && or(w.Protocol, "tcp") == *f.Protocol &&
				or(w.External, *f.External) == *f.External && or(w.IP, *f.IP) == *f.IP
		})
	})
}
