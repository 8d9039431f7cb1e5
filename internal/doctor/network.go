package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/network"

	"github.com/witchcityrope/database/internal/dockerengine"
)

func (e *examination) checkPort(ctx context.Context) Finding {
	const check = "port"
	if e.PublishPort == 0 {
		return ok(check, "no port is published")
	}
	address := net.JoinHostPort(e.PublishAddress, strconv.Itoa(e.PublishPort))
	containers, err := dockerengine.Containers(ctx, e.engine, nil)
	if err != nil {
		return failed(check, err)
	}
	for _, c := range containers {
		for _, port := range c.Ports {
			if int(port.PublicPort) != e.PublishPort || port.Type != "tcp" || !sameAddress(port.IP, e.PublishAddress) {
				continue
			}
			name := strings.TrimPrefix(strings.Join(c.Names, ", "), "/")
			if e.ours(c.Labels) {
				return ok(check, "%s is published by this stack's container %s", address, name)
			}
			return fault(check, fmt.Sprintf("%s is published by the container %s", address, name),
				"stop that container (docker stop "+name+"), or configure another port")
		}
	}
	if !e.local {
		return ok(check, "no container publishes %s; what else runs on the engine's host is not known here", address)
	}
	return listen(ctx, check, address)
}

// listen finds out whether a port is free by listening on it for a moment.
func listen(ctx context.Context, check, address string) Finding {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, fs.ErrPermission) {
		return warning(check, "this user may not listen on "+address+", so that it is not known whether it is free", "none needed if it is: Docker may")
	}
	if err != nil {
		return fault(check, fmt.Sprintf("%s is not free: %v", address, err),
			"stop the program that has it (on Linux: ss -ltnp shows which), or configure another address or port")
	}
	if err := listener.Close(); err != nil {
		return failed(check, err)
	}
	return ok(check, "%s is free", address)
}

// sameAddress tells whether two addresses to listen on collide.
func sameAddress(a, b string) bool {
	everywhere := func(address string) bool { return address == "" || address == "0.0.0.0" || address == "::" }
	return a == b || everywhere(a) || everywhere(b)
}

// How long Docker may take to make or remove a network, and how often it is
// asked meanwhile.
const (
	networkSettles = 5 * time.Second
	networkPoll    = 50 * time.Millisecond
)

// bridgeName is how Docker names the bridge of a network: by the beginning of its id.
var bridgeName = regexp.MustCompile(`^br-[0-9a-f]{12}$`)

func (e *examination) checkSubnet(ctx context.Context) Finding {
	return e.checkNetwork(ctx, "subnet", e.NetworkName, e.Subnet)
}

func (e *examination) checkAdminSubnet(ctx context.Context) Finding {
	return e.checkNetwork(ctx, "admin subnet", e.AdminNetworkName, e.AdminSubnet)
}

func (e *examination) checkNetwork(ctx context.Context, check, name, wanted string) Finding {
	subnet, err := netip.ParsePrefix(wanted)
	if err != nil {
		return fault(check, fmt.Sprintf("%q is not a subnet: %v", wanted, err), "write it like 172.20.0.0/16")
	}
	deadline := time.NewTimer(networkSettles)
	defer deadline.Stop()
	tick := time.NewTicker(networkPoll)
	defer tick.Stop()
	for {
		finding, settled := e.compareNetwork(ctx, check, name, subnet)
		if settled {
			return finding
		}
		select {
		case <-ctx.Done():
			return failed(check, ctx.Err())
		case <-deadline.C:
			return finding
		case <-tick.C:
		}
	}
}

// compareNetwork compares a subnet with Docker's networks and with what this
// machine reaches. It is not settled where the other side is the bridge of a
// network that Docker makes or removes this very moment, as a run that was
// killed has asked it to: the bridge is there before Docker lists the network,
// and for a moment after.
func (e *examination) compareNetwork(ctx context.Context, check, name string, subnet netip.Prefix) (found Finding, settled bool) {
	networks, err := dockerengine.Networks(ctx, e.engine, nil)
	if err != nil {
		return failed(check, err), true
	}
	var docker []netip.Prefix
	for _, n := range networks {
		mine := n.Name == name && e.ours(n.Labels)
		if n.Name == name && !mine {
			return fault(check, fmt.Sprintf("there is a Docker network %s already, and it does not belong to this stack", n.Name),
				"remove it (docker network rm "+n.Name+"), or configure another name"), true
		}
		for _, theirs := range subnets(n) {
			docker = append(docker, theirs)
			if theirs.Overlaps(subnet) && !mine {
				return fault(check, fmt.Sprintf("%s overlaps %s of the Docker network %s", subnet, theirs, n.Name),
					"remove that network (docker network rm "+n.Name+"), or configure another subnet"), true
			}
		}
	}
	if !e.local {
		return ok(check, "%s is not used by another Docker network", subnet), true
	}
	hosts, err := e.hosts()
	if err != nil {
		return failed(check, err), true
	}
	other, overlaps := overlapOnHost(subnet, hosts, docker)
	if !overlaps {
		return ok(check, "%s is free", subnet), true
	}
	return onHost(check, subnet, other), !bridgeName.MatchString(other.device)
}

// subnets returns those that a Docker network has been given.
func subnets(n network.Summary) []netip.Prefix {
	var found []netip.Prefix
	for _, pool := range n.IPAM.Config {
		if prefix, err := netip.ParsePrefix(pool.Subnet); err == nil {
			found = append(found, prefix)
		}
	}
	return found
}

// hostPrefix is an address range that the host reaches over an interface.
type hostPrefix struct {
	netip.Prefix
	device string
}

// overlapOnHost returns what the host itself reaches of a subnet: the default
// route is nothing of its own, and Docker's networks, which the host reaches
// too, have been compared by name.
func overlapOnHost(subnet netip.Prefix, hosts []hostPrefix, docker []netip.Prefix) (hostPrefix, bool) {
	overlapping := slices.DeleteFunc(slices.Clone(hosts), func(h hostPrefix) bool {
		return h.Bits() == 0 || !h.Overlaps(subnet) || slices.Contains(docker, h.Masked())
	})
	if len(overlapping) == 0 {
		return hostPrefix{}, false
	}
	return overlapping[0], true
}

// onHost is the finding for a subnet that overlaps what the host reaches.
func onHost(check string, subnet netip.Prefix, other hostPrefix) Finding {
	const remedy = "configure another subnet"
	if other.Bits() < subnet.Bits() {
		return warning(check, fmt.Sprintf("%s hides a part of %s, which this machine reaches over %s", subnet, other.Masked(), other.device),
			"if something there is needed, "+remedy)
	}
	return fault(check, fmt.Sprintf("%s overlaps %s, which this machine reaches over %s", subnet, other.Masked(), other.device), remedy)
}

// interfacePrefixes returns the ranges that the interfaces' addresses are in.
func interfacePrefixes() ([]hostPrefix, error) {
	devices, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	var found []hostPrefix
	for _, device := range devices {
		addresses, err := device.Addrs()
		if err != nil {
			return nil, fmt.Errorf("list the addresses of %s: %w", device.Name, err)
		}
		for _, address := range addresses {
			if prefix, err := netip.ParsePrefix(address.String()); err == nil {
				found = append(found, hostPrefix{prefix, device.Name})
			}
		}
	}
	return found, nil
}
