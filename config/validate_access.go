package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// refusedMethods say why a method of PostgreSQL's is not for these servers.
var refusedMethods = map[string]string{
	"trust":    "lets in whoever says a name",
	"password": "has the client hand over the password itself",
	"md5":      "has been broken for long, and passwords here are SCRAM verifiers",
	"ident":    "believes what the client's machine says of its user",
}

// accessFrom checks where clients may come from.
func accessFrom(s *Stack, faults *Faults) {
	for _, client := range s.accessClients() {
		at := "access.from." + client.name
		for i, text := range client.from {
			element := fmt.Sprintf("%s[%d]", at, i)
			if text != fromInternal && text != fromExternal {
				addressRange(faults, element, text, "write internal, external, or a range such as 172.20.0.0/16")
			}
		}
		duplicates(faults, at, client.from)
		if s.Target.Type == External && len(client.from) > 0 {
			faults.add(at, nil, "an external server's access rules are its operator's", "leave it out")
		}
	}
}

// addressRange checks a range of addresses as pg_hba.conf has it.
func addressRange(faults *Faults, at, text, remedy string) {
	if address, err := netip.ParseAddr(text); err == nil && address.Zone() == "" {
		return
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		faults.add(at, text, "is not a range of addresses", remedy)
	} else if prefix != prefix.Masked() {
		faults.add(at, text, "has bits set below its mask", "write "+prefix.Masked().String())
	}
}

// accessRules checks each rule by itself.
func accessRules(s *Stack, faults *Faults) {
	if s.Target.Type == External && len(s.Access.Rules) > 0 {
		faults.add("access.rules", nil, "an external server's access rules are its operator's", "leave them out")
	}
	for i, rule := range s.Access.Rules {
		at := fmt.Sprintf("access.rules[%d]", i)
		ruleType(s, faults, at+".type", rule.Type)
		ruleNames(faults, at+".databases", rule.Databases, s.ruleDatabases(), s.Access.Application.CreateDatabases)
		ruleNames(faults, at+".roles", rule.Roles, s.ruleRoles(), false)
		ruleAddress(faults, at+".address", rule)
		ruleMethod(faults, at+".method", rule)
	}
}

func ruleType(s *Stack, faults *Faults, at, kind string) {
	if kind == "" {
		faults.add(at, nil, "a rule needs a type", "write hostssl, host, hostnossl or local")
		return
	}
	oneOf(faults, at, kind, "local", "host", "hostssl", "hostnossl")
	if kind == "hostssl" && !s.TLS.Enabled {
		faults.add(at, kind, "TLS is not enabled, so the rule is about nothing", "set tls.enabled, or write host")
	}
}

// ruleDatabases are the databases that rules may name.
func (s *Stack) ruleDatabases() []string {
	return []string{"all", "sameuser", "samerole", "replication", s.Database.Name, "postgres", "template1"}
}

// ruleRoles are the roles that rules may name.
func (s *Stack) ruleRoles() []string {
	names := s.Access.Names()
	known := []string{"all", s.Target.Username, "health", names.Health, "+" + names.Owner, "+" + names.ReadWrite, "+" + names.ReadOnlyGroup, "+pg_monitor", "+pg_read_all_data"}
	for _, client := range s.accessClients() {
		known = append(append(known, client.name), client.roles...)
	}
	for _, role := range s.Access.Roles {
		known = append(known, role.Name, "+"+role.Name)
	}
	return known
}

func ruleNames(faults *Faults, at string, given, known []string, others bool) {
	if len(given) == 0 {
		faults.add(at, nil, "the rule is about none", "name some, or write [all]")
	}
	for i, name := range given {
		element := fmt.Sprintf("%s[%d]", at, i)
		if others && identifierName.MatchString(name) {
			continue
		}
		if !slices.Contains(known, name) {
			faults.add(element, name, "is none that this stack declares", suggestion(name, known))
		}
	}
	duplicates(faults, at, given)
}

func ruleAddress(faults *Faults, at string, rule AccessRule) {
	switch {
	case rule.Type == "local" && rule.Address != "":
		faults.add(at, rule.Address, "the Unix socket has no addresses", "leave it out, or write type host")
	case rule.Type == "local" || rule.Address == "all":
	case rule.Address == "":
		faults.add(at, nil, "a rule for TCP needs an address", "write a range such as 172.20.0.0/16, or all")
	default:
		// Host names, samehost and samenet mean what only the running server knows.
		addressRange(faults, at, rule.Address, "write one such as 172.20.0.0/16, or all")
	}
}

func ruleMethod(faults *Faults, at string, rule AccessRule) {
	reason, refused := refusedMethods[rule.Method]
	switch {
	case rule.Method == "":
		faults.add(at, nil, "a rule needs a method", "write scram-sha-256, or reject")
	case refused:
		faults.add(at, rule.Method, reason, "use scram-sha-256")
	case rule.Method == "peer" && rule.Type != "local":
		faults.add(at, rule.Method, "asks the kernel who is at the other end of a Unix socket", "use scram-sha-256, or type local")
	default:
		oneOf(faults, at, rule.Method, scram, "reject", "peer")
	}
}

// accessAssertions evaluates the rules as the server will: what they are
// together, by first match. It waits until each by itself is right.
func accessAssertions(s *Stack, faults *Faults) {
	var before Faults
	for _, rule := range []func(*Stack, *Faults){target, network, publish, databaseNames, accessNames, declaredRoles, accessFrom, accessRules, tlsPolicy} {
		rule(s, &before)
	}
	if len(before) > 0 || s.Target.Type == External {
		return
	}
	check := accessCheck{stack: s, rules: s.HBARules(), faults: faults, told: map[string]bool{}}
	check.tried()
	check.nobodyLockedOut()
	check.everyRuleDecides()
}

// describe names a role by its client, if it is a client's.
func (s *Stack) describe(role string) string {
	for _, client := range s.accessClients() {
		if slices.Contains(client.roles, role) {
			return fmt.Sprintf("%s (%s)", client.name, role)
		}
	}
	return role
}

func joinPlaces(places []netip.Prefix) string {
	texts := make([]string, len(places))
	for i, place := range places {
		texts[i] = place.String()
	}
	return strings.Join(texts, ", ")
}
