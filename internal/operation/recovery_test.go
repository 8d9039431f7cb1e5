package operation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// randomState is a chain of resources in which each refers to earlier ones.
func randomState(random *rand.Rand, size int) *apitype.DeploymentV3 {
	deployment := &apitype.DeploymentV3{}
	for i := range size {
		made := apitype.ResourceV3{URN: resource.URN(fmt.Sprintf("urn:%d", i)), PropertyDependencies: map[resource.PropertyKey][]resource.URN{}}
		for j := range i {
			earlier := resource.URN(fmt.Sprintf("urn:%d", j))
			if random.IntN(3) == 0 {
				made.Dependencies = append(made.Dependencies, earlier)
			}
			if random.IntN(4) == 0 {
				made.PropertyDependencies["p"] = append(made.PropertyDependencies["p"], earlier)
			}
			if made.DeletedWith == "" && random.IntN(4) == 0 {
				made.DeletedWith = earlier
			}
		}
		deployment.Resources = append(deployment.Resources, made)
	}
	return deployment
}

func TestForgetLeavesNoReferenceBehind(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		size := 2 + random.IntN(12)
		deployment := randomState(random, size)
		gone := deployment.Resources[random.IntN(size)].URN
		together := random.IntN(2) == 0
		forget(gone, together)(deployment)

		there := map[resource.URN]bool{}
		for _, kept := range deployment.Resources {
			for _, dependency := range kept.Dependencies {
				require.True(t, there[dependency])
			}
			for _, dependency := range kept.PropertyDependencies["p"] {
				require.True(t, there[dependency])
			}
			require.True(t, kept.DeletedWith == "" || there[kept.DeletedWith])
			there[kept.URN] = true
		}
		assert.False(t, there[gone])
		if !together {
			assert.Len(t, deployment.Resources, size-1, "only the one is forgotten")
		}
	}
}

// networks are Docker's, by name.
type networks struct {
	client.NetworkAPIClient
	made map[string]network.Inspect
}

func (n networks) NetworkInspect(_ context.Context, name string, _ network.InspectOptions) (network.Inspect, error) {
	found, ok := n.made[name]
	if !ok {
		return found, fmt.Errorf("network %s: %w", name, errdefs.ErrNotFound)
	}
	return found, nil
}

func TestNetworksInUseAreNotDeleted(t *testing.T) {
	docker := networks{made: map[string]network.Inspect{
		"database": {Containers: map[string]network.EndpointResource{"1": {Name: "db"}, "2": {Name: "web"}, "3": {Name: "api"}}},
		"admin":    {Containers: map[string]network.EndpointResource{"1": {Name: "db"}}},
	}}
	own := []string{"db"}
	require.NoError(t, unused(t.Context(), docker, []string{"admin", "gone"}, own))
	err := unused(t.Context(), docker, []string{"admin", "database"}, own)
	for _, guest := range []string{"api", "web"} {
		assert.ErrorContains(t, err, "network database is still used by container "+guest+", so nothing was deleted: "+
			"stop that container, or take it off with docker network disconnect database "+guest)
	}
	assert.NotContains(t, err.Error(), "container db,")
}

func TestNamesOfAResourceType(t *testing.T) {
	assert.Equal(t, []string{"database", "admin"}, namesOf([]apitype.ResourceV3{
		{Type: networkType, Inputs: map[string]any{"name": "database"}}, {Type: containerType, Inputs: map[string]any{"name": "db"}},
		{Type: networkType, Inputs: map[string]any{"name": "admin"}}, {Type: networkType},
	}, networkType))
}

func TestGuestsAreEverybodyButTheServer(t *testing.T) {
	endpoints := map[string]network.EndpointResource{"1": {Name: "db"}, "2": {Name: "web"}, "3": {Name: "api"}}
	assert.Equal(t, []string{"api", "web"}, guests(endpoints, "db"))
	assert.Empty(t, guests(map[string]network.EndpointResource{"1": {Name: "db"}}, "db"))
}
