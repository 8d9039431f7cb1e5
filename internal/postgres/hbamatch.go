package postgres

import (
	"net/netip"
	"slices"
	"strings"
)

// HBAConnection is an attempt to connect, as far as access rules look at it.
type HBAConnection struct {
	// Local is a connection through the Unix socket: it has no address and no encryption.
	Local bool
	// TLS and GSS say how a connection over TCP is encrypted; at most one is true.
	TLS, GSS bool
	// Address is the client's.
	Address netip.Addr
	// HostName is the name that the server finds for the address, and the address for the name.
	HostName string
	// Server are the server's own addresses, each with the mask of its network: what samehost and
	// samenet mean.
	Server []netip.Prefix
	// Database is what is connected to.
	Database string
	// Replication is a connection for physical replication, which is to no database.
	Replication bool
	// Role is who wants to connect.
	Role string
	// MemberOf are all roles that Role is a member of, directly or not, inheriting or not.
	MemberOf []string
}

// MatchHBA returns the index of the rule that decides a connection: the first that matches. Without
// one, the server refuses.
func MatchHBA(rules []HBARule, connection HBAConnection) (index int, found bool) {
	index = slices.IndexFunc(rules, func(rule HBARule) bool { return rule.Matches(connection) })
	return index, index >= 0
}

// Matches says whether the rule is about a connection (manual, section 21.1).
func (r HBARule) Matches(c HBAConnection) bool {
	return r.matchesType(c) && r.matchesRole(c) && r.matchesDatabase(c) && r.matchesAddress(c)
}

// Admits says whether a connection that the rule is about may come in, if it can prove who it is.
func (r HBARule) Admits() bool { return r.Method != "reject" }

// String is the rule as a line of pg_hba.conf.
func (r HBARule) String() string {
	return strings.NewReplacer("\t\t", " ", "\t", " ").Replace(r.line())
}

func (r HBARule) matchesType(c HBAConnection) bool {
	switch r.Type {
	case "local":
		return c.Local
	case "hostssl":
		return !c.Local && c.TLS
	case "hostnossl":
		return !c.Local && !c.TLS
	case "hostgssenc":
		return !c.Local && c.GSS
	case "hostnogssenc":
		return !c.Local && !c.GSS
	default:
		return !c.Local
	}
}

func (r HBARule) matchesAddress(c HBAConnection) bool {
	switch r.Address {
	case "all":
		return true
	case "samehost":
		return slices.ContainsFunc(c.Server, func(own netip.Prefix) bool { return own.Addr() == c.Address })
	case "samenet":
		return slices.ContainsFunc(c.Server, func(own netip.Prefix) bool { return own.Contains(c.Address) })
	}
	if r.Type == "local" {
		return true
	}
	if prefix, is := addressRange(r.Address); is {
		return prefix.Contains(c.Address)
	}
	if strings.HasPrefix(r.Address, ".") {
		return len(c.HostName) > len(r.Address) && strings.EqualFold(c.HostName[len(c.HostName)-len(r.Address):], r.Address)
	}
	return strings.EqualFold(c.HostName, r.Address)
}

func (r HBARule) matchesDatabase(c HBAConnection) bool {
	return slices.ContainsFunc(r.Databases, func(name string) bool {
		switch {
		case c.Replication || name == "replication":
			return c.Replication && name == "replication"
		case name == "all":
			return true
		case name == "sameuser":
			return c.Database == c.Role
		case name == "samerole":
			return c.is(c.Database)
		default:
			return name == c.Database
		}
	})
}

func (r HBARule) matchesRole(c HBAConnection) bool {
	return slices.ContainsFunc(r.Roles, func(name string) bool {
		if group, is := strings.CutPrefix(name, "+"); is {
			return c.is(group)
		}
		return name == "all" || name == c.Role
	})
}

// is says whether the connection's role is a role or a member of it.
func (c HBAConnection) is(role string) bool {
	return c.Role == role || slices.Contains(c.MemberOf, role)
}

// addressRange reads a range of addresses, or a single one.
func addressRange(text string) (netip.Prefix, bool) {
	if ip, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(ip, ip.BitLen()), true
	}
	prefix, err := netip.ParsePrefix(text)
	return prefix, err == nil
}

// EdgesOfHBA are the addresses at which rules begin or cease to match, and those where further ranges
// begin or end, in order: between two of them, all addresses are treated as the first is. What holds
// for the edges in a range that is given holds for all of the range's addresses. (Rules with the name
// of a host, or with samehost or samenet, are not seen.)
func EdgesOfHBA(rules []HBARule, further ...netip.Prefix) []netip.Addr {
	edges := []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}
	ranges := slices.Clone(further)
	for _, rule := range rules {
		if prefix, is := addressRange(rule.Address); is {
			ranges = append(ranges, prefix)
		}
	}
	for _, prefix := range ranges {
		edges = append(edges, prefix.Masked().Addr())
		if next := lastOf(prefix).Next(); next.IsValid() {
			edges = append(edges, next)
		}
	}
	slices.SortFunc(edges, netip.Addr.Compare)
	return slices.Compact(edges)
}

// lastOf is the last address of a range.
func lastOf(prefix netip.Prefix) netip.Addr {
	bytes := prefix.Addr().AsSlice()
	for bit := prefix.Bits(); bit < len(bytes)*8; bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return last
}
