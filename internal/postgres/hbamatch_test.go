package postgres_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/postgres"
)

func TestMatchHBA(t *testing.T) {
	over := func(address string) postgres.HBAConnection {
		return postgres.HBAConnection{TLS: true, Address: netip.MustParseAddr(address), Database: "shop", Role: "app", MemberOf: []string{"writers"}}
	}
	with := func(change func(*postgres.HBAConnection)) postgres.HBAConnection {
		connection := over("10.1.2.3")
		change(&connection)
		return connection
	}
	rule := func(kind, database, role, address string) postgres.HBARule {
		return postgres.HBARule{Type: kind, Databases: []string{database}, Roles: []string{role}, Address: address, Method: "scram-sha-256"}
	}
	socket := postgres.HBAConnection{Local: true, Database: "shop", Role: "app"}
	plain := with(func(c *postgres.HBAConnection) { c.TLS = false })
	gss := with(func(c *postgres.HBAConnection) { c.TLS, c.GSS = false, true })
	replication := with(func(c *postgres.HBAConnection) { c.Database, c.Replication = "", true })
	named := with(func(c *postgres.HBAConnection) { c.HostName = "API.example.org" })
	near := with(func(c *postgres.HBAConnection) {
		c.Server = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("10.1.9.9/16")}
	})
	for name, test := range map[string]struct {
		rule postgres.HBARule
		yes  []postgres.HBAConnection
		no   []postgres.HBAConnection
	}{
		"local":        {rule("local", "all", "all", ""), []postgres.HBAConnection{socket}, []postgres.HBAConnection{plain, over("10.1.2.3")}},
		"host":         {rule("host", "all", "all", "all"), []postgres.HBAConnection{plain, gss, over("10.1.2.3"), over("::1")}, []postgres.HBAConnection{socket}},
		"hostssl":      {rule("hostssl", "all", "all", "all"), []postgres.HBAConnection{over("10.1.2.3")}, []postgres.HBAConnection{socket, plain, gss}},
		"hostnossl":    {rule("hostnossl", "all", "all", "all"), []postgres.HBAConnection{plain, gss}, []postgres.HBAConnection{socket, over("10.1.2.3")}},
		"hostgssenc":   {rule("hostgssenc", "all", "all", "all"), []postgres.HBAConnection{gss}, []postgres.HBAConnection{socket, plain}},
		"hostnogssenc": {rule("hostnogssenc", "all", "all", "all"), []postgres.HBAConnection{plain, over("10.1.2.3")}, []postgres.HBAConnection{socket, gss}},
		"range":        {rule("host", "all", "all", "10.1.0.0/16"), []postgres.HBAConnection{over("10.1.0.0"), over("10.1.255.255")}, []postgres.HBAConnection{over("10.2.0.0"), over("::ffff:10.1.0.1")}},
		"one address":  {rule("host", "all", "all", "::1"), []postgres.HBAConnection{over("::1")}, []postgres.HBAConnection{over("::2"), over("0.0.0.1")}},
		"samehost": {rule("host", "all", "all", "samehost"),
			[]postgres.HBAConnection{with(func(c *postgres.HBAConnection) { c.Server = near.Server; c.Address = netip.MustParseAddr("10.1.9.9") })}, []postgres.HBAConnection{near}},
		"samenet":       {rule("host", "all", "all", "samenet"), []postgres.HBAConnection{near}, []postgres.HBAConnection{over("10.1.2.3")}},
		"host name":     {rule("host", "all", "all", "api.example.org"), []postgres.HBAConnection{named}, []postgres.HBAConnection{over("10.1.2.3")}},
		"domain":        {rule("host", "all", "all", ".example.org"), []postgres.HBAConnection{named}, []postgres.HBAConnection{over("10.1.2.3")}},
		"other domain":  {rule("host", "all", "all", ".xample.org"), nil, []postgres.HBAConnection{named}},
		"database":      {rule("host", "shop", "all", "all"), []postgres.HBAConnection{plain}, []postgres.HBAConnection{replication}},
		"other":         {rule("host", "postgres", "all", "all"), nil, []postgres.HBAConnection{plain}},
		"all databases": {rule("host", "all", "all", "all"), []postgres.HBAConnection{plain}, []postgres.HBAConnection{replication}},
		"replication":   {rule("host", "replication", "all", "all"), []postgres.HBAConnection{replication}, []postgres.HBAConnection{plain, with(func(c *postgres.HBAConnection) { c.Database = "replication" })}},
		"sameuser":      {rule("host", "sameuser", "all", "all"), []postgres.HBAConnection{with(func(c *postgres.HBAConnection) { c.Database = "app" })}, []postgres.HBAConnection{plain}},
		"samerole": {rule("host", "samerole", "all", "all"), []postgres.HBAConnection{
			with(func(c *postgres.HBAConnection) { c.Database = "app" }), with(func(c *postgres.HBAConnection) { c.Database = "writers" }),
		}, []postgres.HBAConnection{plain}},
		"role":       {rule("host", "all", "app", "all"), []postgres.HBAConnection{plain}, []postgres.HBAConnection{with(func(c *postgres.HBAConnection) { c.Role = "other" })}},
		"member":     {rule("host", "all", "+writers", "all"), []postgres.HBAConnection{plain}, []postgres.HBAConnection{with(func(c *postgres.HBAConnection) { c.MemberOf = nil })}},
		"oneself":    {rule("host", "all", "+app", "all"), []postgres.HBAConnection{plain}, nil},
		"not member": {rule("host", "all", "writers", "all"), nil, []postgres.HBAConnection{plain}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, connection := range test.yes {
				assert.True(t, test.rule.Matches(connection), "%s is about %+v", test.rule, connection)
			}
			for _, connection := range test.no {
				assert.False(t, test.rule.Matches(connection), "%s is not about %+v", test.rule, connection)
			}
		})
	}
	rules := []postgres.HBARule{rule("host", "shop", "other", "all"), rule("host", "shop", "all", "all"), rule("host", "all", "all", "all")}
	index, found := postgres.MatchHBA(rules, plain)
	assert.True(t, found)
	assert.Equal(t, 1, index, "the first that matches")
	_, found = postgres.MatchHBA(rules, socket)
	assert.False(t, found)
}

// Whatever the rules: an address is treated as the last edge at or below it is.
func TestEdgesDecideForAllAddresses(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		rules := make([]postgres.HBARule, 6)
		for i := range rules {
			rules[i] = postgres.HBARule{Type: "host", Databases: []string{"all"}, Roles: []string{"all"}, Method: "scram-sha-256",
				Address: netip.PrefixFrom(randomAddress(random), 0).String()}
			address := randomAddress(random)
			prefix, err := address.Prefix(random.IntN(address.BitLen() + 1))
			require.NoError(t, err)
			if random.IntN(8) > 0 {
				rules[i].Address = prefix.String()
			}
		}
		edges := postgres.EdgesOfHBA(rules)
		for range 200 {
			address := randomAddress(random)
			var edge netip.Addr
			for _, candidate := range edges {
				if candidate.BitLen() == address.BitLen() && candidate.Compare(address) <= 0 {
					edge = candidate
				}
			}
			want, _ := postgres.MatchHBA(rules, postgres.HBAConnection{Address: edge, Database: "d", Role: "r"})
			got, _ := postgres.MatchHBA(rules, postgres.HBAConnection{Address: address, Database: "d", Role: "r"})
			require.Equal(t, want, got, "%s and %s with %v", address, edge, rules)
		}
	}
}

// randomAddress keeps to few addresses, so that ranges overlap.
func randomAddress(random *rand.Rand) netip.Addr {
	if random.IntN(3) == 0 {
		address := [16]byte{15: byte(random.IntN(256)), 14: byte(random.IntN(4))}
		return netip.AddrFrom16(address)
	}
	return netip.AddrFrom4([4]byte{byte(10 * random.IntN(2)), byte(random.IntN(3)), byte(random.IntN(256)), byte(random.IntN(256))})
}
