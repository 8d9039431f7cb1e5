package config

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/witchcityrope/database/internal/postgres"
)

// AccessRule is one line of pg_hba.conf (manual, section 21.1).
type AccessRule struct {
	Type      string   `json:"type" doc:"local (the Unix socket), host (TCP), hostssl (with TLS), hostnossl (without)"`
	Databases []string `json:"databases" doc:"names, all, sameuser, samerole, or replication"`
	Roles     []string `json:"roles" doc:"clients (app, migrator, readonly, monitor, backup, health), names of this stack's roles, +name for a role's members, or all"`
	Address   string   `json:"address" doc:"a range such as 172.20.0.0/16, or all; empty for local"`
	Method    string   `json:"method" doc:"scram-sha-256, reject, or for local peer"`
}

// From is where clients may come from.
type From struct {
	App      []string `json:"app" doc:"the API"`
	Migrator []string `json:"migrator" doc:"the migration step"`
	ReadOnly []string `json:"readonly" doc:"people and reports"`
	Monitor  []string `json:"monitor" doc:"the exporter"`
	Backup   []string `json:"backup" doc:"pg_dump"`
}

// What access.from calls the two places that connections are handed out for.
const (
	fromInternal = "internal"
	fromExternal = "external"
)

const scram = "scram-sha-256"

// accessClient is who logs in as which roles, and from where only.
type accessClient struct {
	name  string
	roles []string
	from  []string // of access.from
}

// accessClients are the clients in the order of the documentation.
func (s *Stack) accessClients() []accessClient {
	names := s.Access.Names()
	return []accessClient{
		{"app", names.AppSlots[:], s.Access.From.App},
		{"migrator", names.MigratorSlots[:], s.Access.From.Migrator},
		{"readonly", []string{names.ReadOnly}, s.Access.From.ReadOnly},
		{"monitor", []string{names.Monitor}, s.Access.From.Monitor},
		{"backup", []string{names.Backup}, s.Access.From.Backup},
	}
}

// HBARules are read from the top; the first that matches decides (manual,
// section 21.1): those of access.rules, and then one for everybody who is
// declared.
func (s *Stack) HBARules() []postgres.HBARule {
	var rules []postgres.HBARule
	for _, rule := range s.Access.Rules {
		rules = append(rules, s.hbaRule(rule))
	}
	superuser, everything, database := []string{s.Target.Username}, []string{"all"}, []string{s.Database.Name}
	overTCP := "host"
	if s.TLS.Required {
		overTCP = "hostssl"
	}
	enter := func(databases, roles []string, address string) {
		rules = append(rules, postgres.HBARule{Type: overTCP, Databases: databases, Roles: roles, Address: address, Method: scram})
	}
	rules = append(rules,
		postgres.HBARule{Type: "local", Databases: everything, Roles: superuser, Method: "peer"},
		// Administration comes through the published port, never from where the API lives.
		postgres.HBARule{Type: "host", Databases: everything, Roles: superuser, Address: s.Network.Subnet, Method: "reject"})
	enter(everything, superuser, "all")
	enter(database, []string{s.Access.Names().Health}, "127.0.0.1/32")
	var anywhere []string
	for _, client := range s.accessClients() {
		databases := database
		// Whoever clones databases for test runs uses them, and has migrations in them.
		others := s.Access.Application.CreateDatabases && slices.Contains([]string{"app", "migrator"}, client.name)
		if others {
			databases = everything
		}
		switch {
		case len(client.from) > 0:
			for _, place := range s.placesOf(client) {
				enter(databases, client.roles, place.String())
			}
		case client.name == "app" || others:
			enter(databases, client.roles, "all")
		default:
			anywhere = append(anywhere, client.roles...)
		}
	}
	for _, login := range s.declaredLogins() {
		anywhere = append(anywhere, login.Name)
	}
	if len(anywhere) > 0 {
		enter(database, anywhere, "all")
	}
	return rules
}

// hbaRule puts the roles of clients for their names.
func (s *Stack) hbaRule(rule AccessRule) postgres.HBARule {
	made := postgres.HBARule{Type: rule.Type, Databases: rule.Databases, Address: rule.Address, Method: rule.Method}
	for _, role := range rule.Roles {
		made.Roles = append(made.Roles, s.rolesNamed(role)...)
	}
	return made
}

// rolesNamed are the roles of a client, or the role itself.
func (s *Stack) rolesNamed(name string) []string {
	for _, client := range s.accessClients() {
		if client.name == name {
			return client.roles
		}
	}
	if name == "health" {
		return []string{s.Access.Names().Health}
	}
	return []string{name}
}

// placesOf are the ranges of addresses that a client comes from: those of
// access.from, or the two places that it is handed a connection for.
func (s *Stack) placesOf(client accessClient) []netip.Prefix {
	from := client.from
	if len(from) == 0 {
		from = []string{fromInternal, fromExternal}
	}
	places := make([]netip.Prefix, len(from))
	for i, text := range from {
		places[i], _ = s.place(text)
	}
	return places
}

// place reads an element of access.from.
func (s *Stack) place(text string) (netip.Prefix, error) {
	switch text {
	case fromInternal:
		return netip.ParsePrefix(s.Network.Subnet)
	case fromExternal:
		return s.hostAddress()
	}
	if address, err := netip.ParseAddr(text); err == nil {
		return address.Prefix(address.BitLen())
	}
	return netip.ParsePrefix(text)
}

// hostAddress is who the server takes this host for when the published port is
// used: at a loopback address Docker forwards as the gateway of the port's
// network; any other address the host reaches as itself.
func (s *Stack) hostAddress() (netip.Prefix, error) {
	address, err := netip.ParseAddr(s.Network.Publish.Address)
	if err != nil {
		return netip.Prefix{}, err
	}
	if address.IsLoopback() {
		network, err := netip.ParsePrefix(s.Network.AdminSubnet)
		if err != nil {
			return netip.Prefix{}, err
		}
		address = network.Addr().Next()
	}
	return address.Prefix(address.BitLen())
}

// hbaConnection is somebody's attempt to log in. Whoever is a member counts as
// one, by way of others and without inheriting too.
func (s *Stack) hbaConnection(role, database string) postgres.HBAConnection {
	groups := s.memberships()
	reached := slices.Clone(groups[role])
	for next := 0; next < len(reached); next++ {
		for _, group := range groups[reached[next]] {
			if !slices.Contains(reached, group) {
				reached = append(reached, group)
			}
		}
	}
	return postgres.HBAConnection{Role: role, MemberOf: reached, Database: database}
}

// memberships are what each role is directly a member of.
func (s *Stack) memberships() map[string][]string {
	names := s.Access.Names()
	groups := map[string][]string{"pg_monitor": {"pg_read_all_settings", "pg_read_all_stats", "pg_stat_scan_tables"}} // manual, section 22.5
	for _, client := range LoginNames {
		for _, login := range names.Logins(client) {
			groups[login] = names.MemberOf(login)
		}
	}
	for _, role := range s.Access.Roles {
		for _, name := range names.Named(role.Name) {
			for _, membership := range role.MemberOf {
				groups[name] = append(groups[name], names.Named(membership.Role)...)
			}
		}
	}
	return groups
}

// declaredLogins are those that the stack has beside its clients'.
func (s *Stack) declaredLogins() []Role {
	names := s.Access.Names()
	return slices.DeleteFunc(slices.Clone(s.Access.Roles), func(role Role) bool {
		return !role.Login || names.Standard(names.Named(role.Name)[0])
	})
}

// replicates says whether a role may stream the write-ahead log.
func (s *Stack) replicates(role string) bool {
	return role == s.Target.Username || slices.ContainsFunc(s.Access.Roles, func(declared Role) bool {
		return (declared.Replication || declared.Superuser) && slices.Contains(s.Access.Names().Named(declared.Name), role)
	})
}

// overTCP is an attempt from an address, encrypted or not.
func overTCP(connection postgres.HBAConnection, address netip.Addr, encrypted bool) postgres.HBAConnection {
	connection.Address, connection.TLS = address, encrypted
	return connection
}

// ruleAt is the path of a rule; rules that are not configured have none.
func (s *Stack) ruleAt(index int) (path string, configured bool) {
	return fmt.Sprintf("access.rules[%d]", index), index < len(s.Access.Rules)
}
