// Package docker is a stand-in for the published Pulumi provider docker: the same types and inputs, over the Engine API.
package docker

import (
	"context"
	"fmt"
	"sync"

	"github.com/docker/docker/client"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/standin/plugin"
)

// New returns the provider.
func New() (p.Provider, error) {
	engine := &engine{}
	return plugin.New(plugin.Config{Configure: engine.configure}, resources(engine)...)
}

func resources(engine *engine) []plugin.Resource {
	return []plugin.Resource{
		{
			InferredResource: infer.Resource(&RemoteImage{engine: engine}),
			InPlace:          []string{"keepLocally", "forceRemove"},
			Defaults:         map[string]any{"keepLocally": false, "forceRemove": false},
		},
		{
			InferredResource: infer.Resource(&Network{engine: engine}),
			InPlace:          []string{"checkDuplicate"},
			Unordered:        []string{"labels", "ipamConfigs"},
			Defaults: map[string]any{
				"driver": defaultNetworkDriver, "internal": false, "attachable": false, "ipv6": false, "checkDuplicate": false,
				"ipamDriver": "default",
			},
			DeleteFirst: true,
		},
		{
			InferredResource: infer.Resource(&Volume{engine: engine}),
			Unordered:        []string{"labels"},
			Defaults:         map[string]any{"driver": defaultVolumeDriver},
			DeleteFirst:      true,
		},
		{
			InferredResource: infer.Resource(&Container{engine: engine}),
			InPlace: []string{
				"restart", "maxRetryCount", "cpuShares", "cpuSet", "memory", "memoryReservation", "memorySwap",
				// The published provider takes these over without acting on them.
				"healthcheck", "tmpfs", "init", "mustRun", "wait", "waitTimeout", "destroyGraceSeconds", "removeVolumes",
			},
			Unordered: []string{
				"envs", "labels", "networksAdvanced", "ports", "volumes", "mounts", "capabilities", "securityOpts", "hosts", "dns", "uploads",
			},
			Defaults: map[string]any{
				"restart": defaultRestart, "networkMode": defaultNetworkMode, "readOnly": false, "init": false, "mustRun": true,
				"wait": false, "removeVolumes": true, "memoryReservation": 0.0, "maxRetryCount": 0.0, "cpuShares": 0.0,
				"attach": false, "logs": false, "rm": false, "start": true, "stdinOpen": false, "tty": false, "waitTimeout": 60.0,
				"containerReadRefreshTimeoutMilliseconds": 15000.0, "securityOpts": []any{},
			},
			DeleteFirst: true,
		},
	}
}

// engine connects to a Docker Engine when first needed, so that previews need none.
type engine struct {
	mutex  sync.Mutex
	host   string
	client *client.Client
}

func (e *engine) configure(_ context.Context, config plugin.Values) error {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	host := config.String("host", "")
	if host == e.host || e.client == nil {
		e.host = host
		return nil
	}
	err := e.client.Close()
	e.host, e.client = host, nil
	if err != nil {
		return fmt.Errorf("leaving the former Docker Engine: %w", err)
	}
	return nil
}

func (e *engine) connect(ctx context.Context) (*client.Client, error) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if e.client == nil {
		connected, err := dockerengine.Connect(ctx, e.host)
		if err != nil {
			return nil, err
		}
		e.client = connected
	}
	return e.client, nil
}
