package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

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
	networks, err := dockerengine.Networks(ctx, e.engine, nil)
	if err != nil {
		return failed(check, err)
	}
	var docker []netip.Prefix
	for _, n := range networks {
		mine := n.Name == name && e.ours(n.Labels)
		if n.Name == name && !mine {
			return fault(check, fmt.Sprintf("there is a Docker network %s already, and it does not belong to this stack", n.Name),
				"remove it (docker network rm "+n.Name+"), or configure another name")
		}
		for _, theirs := range subnets(n) {
			docker = append(docker, theirs)
			if theirs.Overlaps(subnet) && !mine {
				return fault(check, fmt.Sprintf("%s overlaps %s of the Docker network %s", subnet, theirs, n.Name),
					"remove that network (docker network rm "+n.Name+"), or configure another subnet")
			}
		}
	}
	if !e.local {
		return ok(check, "%s is not used by another Docker network", subnet)
	}
	hosts, err := hostPrefixes()
	if err != nil {
		return failed(check, err)
	}
	return onHost(check, subnet, hosts, docker)
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

// onHost compares a subnet with what the host itself reaches. Docker's own
// networks, which the host reaches too, have been compared by name.
func onHost(check string, subnet netip.Prefix, hosts []hostPrefix, docker []netip.Prefix) Finding {
	const remedy = "configure another subnet"
	for _, h := range hosts {
		switch {
		case h.Bits() == 0, !h.Overlaps(subnet), slices.Contains(docker, h.Masked()):
		case h.Bits() < subnet.Bits():
			return warning(check, fmt.Sprintf("%s hides a part of %s, which this machine reaches over %s", subnet, h.Masked(), h.device),
				"if something there is needed, "+remedy)
		default:
			return fault(check, fmt.Sprintf("%s overlaps %s, which this machine reaches over %s", subnet, h.Masked(), h.device), remedy)
		}
	}
	return ok(check, "%s is free", subnet)
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
