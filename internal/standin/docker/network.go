package docker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/witchcityrope/database/internal/dockerengine"
)

const (
	defaultNetworkDriver = "bridge"
	// releaseTimeout bounds the wait for a network or a volume that something still uses.
	releaseTimeout = 30 * time.Second
	releasePoll    = 50 * time.Millisecond
)

// Network is a Docker network.
type Network struct{ engine *engine }

// IpamConfig is one address range of a network.
type IpamConfig struct {
	Subnet     *string           `pulumi:"subnet,optional"`
	Gateway    *string           `pulumi:"gateway,optional"`
	IPRange    *string           `pulumi:"ipRange,optional"`
	AuxAddress map[string]string `pulumi:"auxAddress,optional"`
}

// NetworkArgs are the inputs of a Network.
type NetworkArgs struct {
	Name           *string           `pulumi:"name,optional"`
	Driver         *string           `pulumi:"driver,optional"`
	Internal       *bool             `pulumi:"internal,optional"`
	Attachable     *bool             `pulumi:"attachable,optional"`
	Ipv6           *bool             `pulumi:"ipv6,optional"`
	CheckDuplicate *bool             `pulumi:"checkDuplicate,optional"`
	Options        map[string]string `pulumi:"options,optional"`
	IpamConfigs    []IpamConfig      `pulumi:"ipamConfigs,optional"`
	Labels         []Label           `pulumi:"labels,optional"`
}

// NetworkState is a Network as it is kept.
type NetworkState struct {
	NetworkArgs
	Scope string `pulumi:"scope"`
}

// Annotate gives the published token.
func (n *Network) Annotate(a infer.Annotator) { a.SetToken("index/network", "Network") }

// Create makes the network.
func (n *Network) Create(
	ctx context.Context, req infer.CreateRequest[NetworkArgs],
) (infer.CreateResponse[NetworkState], error) {
	state := NetworkState{NetworkArgs: req.Inputs}
	if state.Name == nil {
		state.Name = &req.Name
	}
	if req.DryRun {
		return infer.CreateResponse[NetworkState]{Output: state}, nil
	}
	engine, err := n.engine.connect(ctx)
	if err != nil {
		return infer.CreateResponse[NetworkState]{}, err
	}
	created, err := engine.NetworkCreate(ctx, *state.Name, state.options())
	if err != nil {
		return infer.CreateResponse[NetworkState]{}, fmt.Errorf("creating the network %s: %w%s", *state.Name, err, hint(err))
	}
	found, _, err := dockerengine.Network(ctx, engine, created.ID)
	if err != nil {
		return infer.CreateResponse[NetworkState]{}, err
	}
	state.Scope = found.Scope
	return infer.CreateResponse[NetworkState]{ID: created.ID, Output: state}, nil
}

func hint(err error) string {
	if strings.Contains(err.Error(), "Pool overlaps") {
		return "; another network has this subnet: choose one that `docker network inspect` shows nowhere"
	}
	return ""
}

func (a NetworkArgs) options() network.CreateOptions {
	options := network.CreateOptions{
		Driver: or(a.Driver, defaultNetworkDriver), Internal: value(a.Internal), Attachable: value(a.Attachable),
		EnableIPv6: a.Ipv6, Options: a.Options, Labels: labelMap(a.Labels),
	}
	if len(a.IpamConfigs) == 0 {
		return options
	}
	options.IPAM = &network.IPAM{Driver: "default"}
	for _, c := range a.IpamConfigs {
		options.IPAM.Config = append(options.IPAM.Config, network.IPAMConfig{
			Subnet: value(c.Subnet), Gateway: value(c.Gateway), IPRange: value(c.IPRange), AuxAddress: c.AuxAddress,
		})
	}
	return options
}

// Update takes over checkDuplicate, which only matters at creation.
func (n *Network) Update(
	_ context.Context, req infer.UpdateRequest[NetworkArgs, NetworkState],
) (infer.UpdateResponse[NetworkState], error) {
	req.State.NetworkArgs = req.Inputs
	return infer.UpdateResponse[NetworkState]{Output: req.State}, nil
}

// Read finds a deleted network and one that was made anew with other properties.
func (n *Network) Read(
	ctx context.Context, req infer.ReadRequest[NetworkArgs, NetworkState],
) (infer.ReadResponse[NetworkArgs, NetworkState], error) {
	engine, err := n.engine.connect(ctx)
	if err != nil {
		return infer.ReadResponse[NetworkArgs, NetworkState]{}, err
	}
	found, present, err := dockerengine.Network(ctx, engine, req.ID)
	if err != nil || !present {
		return infer.ReadResponse[NetworkArgs, NetworkState]{}, err
	}
	req.Inputs.observe(found)
	return infer.ReadResponse[NetworkArgs, NetworkState]{
		ID: found.ID, Inputs: req.Inputs, State: NetworkState{NetworkArgs: req.Inputs, Scope: found.Scope},
	}, nil
}

// observe puts what is really there into the inputs that were given; into all that matter for an import.
func (a *NetworkArgs) observe(found network.Inspect) {
	imported := a.Name == nil
	adopt(&a.Name, found.Name, imported)
	adopt(&a.Driver, found.Driver, imported)
	adopt(&a.Internal, found.Internal, imported)
	refresh(&a.Attachable, found.Attachable)
	refresh(&a.Ipv6, found.EnableIPv6)
	if !maps.Equal(a.Options, found.Options) {
		a.Options = found.Options
	}
	if !maps.Equal(labelMap(a.Labels), found.Labels) {
		a.Labels = labelList(found.Labels)
	}
	if (imported || len(a.IpamConfigs) > 0) && !sameRanges(a.IpamConfigs, found.IPAM.Config) {
		a.IpamConfigs = ranges(found.IPAM.Config)
	}
}

// sameRanges compares what was asked for; what the engine chose by itself does not count.
func sameRanges(wanted []IpamConfig, found []network.IPAMConfig) bool {
	if len(wanted) != len(found) {
		return false
	}
	return !slices.ContainsFunc(wanted, func(w IpamConfig) bool {
		return !slices.ContainsFunc(found, func(f network.IPAMConfig) bool {
			return or(w.Subnet, f.Subnet) == f.Subnet && or(w.Gateway, f.Gateway) == f.Gateway &&
				value(w.IPRange) == f.IPRange && maps.Equal(w.AuxAddress, f.AuxAddress)
		})
	})
}

func ranges(found []network.IPAMConfig) []IpamConfig {
	var result []IpamConfig
	for _, f := range found {
		config := IpamConfig{Subnet: &f.Subnet, AuxAddress: f.AuxAddress}
		if f.Gateway != "" {
			config.Gateway = &f.Gateway
		}
		if f.IPRange != "" {
			config.IPRange = &f.IPRange
		}
		result = append(result, config)
	}
	return result
}

// Delete removes the network, as soon as the last container has let go of it.
func (n *Network) Delete(ctx context.Context, req infer.DeleteRequest[NetworkState]) (infer.DeleteResponse, error) {
	engine, err := n.engine.connect(ctx)
	if err != nil {
		return infer.DeleteResponse{}, err
	}
	err = released(ctx, "has active endpoints", func() error { return removeNetwork(ctx, engine, req.ID) })
	if err != nil {
		return infer.DeleteResponse{}, fmt.Errorf("removing the network %s: %w", value(req.State.Name), err)
	}
	return infer.DeleteResponse{}, nil
}

func removeNetwork(ctx context.Context, engine client.NetworkAPIClient, id string) error {
	if err := engine.NetworkRemove(ctx, id); !errdefs.IsNotFound(err) {
		return err
	}
	return nil
}

// released retries while the engine says that the thing is still in use, for a bounded time.
func released(ctx context.Context, inUse string, remove func() error) error {
	bounded, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	for {
		err := remove()
		if err == nil || !strings.Contains(err.Error(), inUse) {
			return err
		}
		select {
		case <-bounded.Done():
			return err
		case <-time.After(releasePoll):
		}
	}
}
