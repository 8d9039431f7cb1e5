package doctor

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/docker/docker/api/types/network"
	"github.com/stretchr/testify/assert"
)

// slowEngine lists a network only some questions after its bridge is there.
type slowEngine struct {
	fakeEngine
	unlisted int
}

func (s *slowEngine) NetworkList(context.Context, network.ListOptions) ([]network.Summary, error) {
	if s.unlisted--; s.unlisted >= 0 {
		return nil, nil
	}
	return s.networks, nil
}

// A killed run leaves a network to Docker that is in the making when the next
// run looks. Found by the test that kills `up`.
func TestNetworkInTheMaking(t *testing.T) {
	const subnet, bridge = "198.18.0.0/24", "br-7628cdde3751"
	for name, test := range map[string]struct {
		labels   map[string]string
		unlisted int
		reached  []string // by which device, at each question
		level    Level
		what     string
	}{
		"ours":             {ourLabels, 3, []string{bridge}, OK, "is free"},
		"another stack's":  {theirLabels, 3, []string{bridge}, Fault, "does not belong to this stack"},
		"in the unmaking":  {ourLabels, 99, []string{bridge, bridge, ""}, OK, "is free"},
		"not Docker's":     {ourLabels, 3, []string{"tun0"}, Fault, "reaches over tun0"},
		"never listed":     {ourLabels, 999, []string{bridge}, Fault, "reaches over " + bridge},
		"somebody's other": {ourLabels, 3, []string{"br-lan"}, Fault, "reaches over br-lan"},
	} {
		synctest.Test(t, func(t *testing.T) {
			engine := &slowEngine{*healthy(), test.unlisted}
			engine.networks = append(engine.networks, networked("ours", subnet, test.labels))
			questions := 0
			e := examination{
				Request: Request{Labels: ourLabels, NetworkName: "ours", Subnet: subnet}, engine: engine, local: true,
				hosts: func() ([]hostPrefix, error) {
					device := test.reached[min(questions, len(test.reached)-1)]
					questions++
					if device == "" {
						return nil, nil
					}
					return []hostPrefix{{netip.MustParsePrefix("198.18.0.1/24"), device}}, nil
				},
			}
			got := e.checkSubnet(t.Context())
			assert.Equal(t, test.level, got.Level, name)
			assert.Contains(t, got.What, test.what, name)
		})
	}
}
