package doctor

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseRoutes(t *testing.T) {
	// As little-endian machines print it.
	const table = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	0102A8C0	0003	0	0	0	00000000	0	0	0
docker0	000011AC	00000000	0001	0	0	0	0000FFFF	0	0	0
tun0	0000000A	00000000	0001	0	0	0	000000FF	0	0	0
`
	routes, err := parseRoutes(table)
	require.NoError(t, err)
	assert.Equal(t, []hostPrefix{
		{netip.MustParsePrefix("0.0.0.0/0"), "eth0"},
		{netip.MustParsePrefix("172.17.0.0/16"), "docker0"},
		{netip.MustParsePrefix("10.0.0.0/8"), "tun0"},
	}, routes)

	for _, broken := range []string{"head\nshort", "head\nlo zz 0 0 0 0 0 00000000", "head\nlo 00000000 0 0 0 0 0 zz"} {
		_, err := parseRoutes(broken)
		assert.Error(t, err, broken)
	}
}

func TestOnHost(t *testing.T) {
	subnet := netip.MustParsePrefix("172.20.0.0/16")
	at := func(prefix string) []hostPrefix { return []hostPrefix{{netip.MustParsePrefix(prefix), "tun0"}} }
	for name, test := range map[string]struct {
		hosts  []hostPrefix
		docker []netip.Prefix
		level  Level
		what   string
	}{
		"nothing":        {nil, nil, OK, "172.20.0.0/16 is free"},
		"default route":  {at("0.0.0.0/0"), nil, OK, "is free"},
		"elsewhere":      {at("172.21.0.1/16"), nil, OK, "is free"},
		"same":           {at("172.20.3.4/16"), nil, Fault, "overlaps 172.20.0.0/16, which this machine reaches over tun0"},
		"inside":         {at("172.20.3.0/24"), nil, Fault, "overlaps 172.20.3.0/24"},
		"around":         {at("172.16.0.0/12"), nil, Warning, "hides a part of 172.16.0.0/12"},
		"Docker's own":   {at("172.20.0.1/16"), []netip.Prefix{subnet}, OK, "is free"},
		"another family": {at("fd00::1/64"), nil, OK, "is free"},
	} {
		t.Run(name, func(t *testing.T) {
			engine := healthy()
			for _, prefix := range test.docker {
				engine.networks = append(engine.networks, networked("ours", prefix.String(), ourLabels))
			}
			e := examination{
				Request: Request{Labels: ourLabels, NetworkName: "ours", Subnet: subnet.String()}, engine: engine, local: true,
				hosts: func() ([]hostPrefix, error) { return test.hosts, nil },
			}
			got := e.checkSubnet(t.Context())
			assert.Equal(t, test.level, got.Level)
			assert.Contains(t, got.What, test.what)
		})
	}
}
