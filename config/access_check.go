package config

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/witchcityrope/database/internal/postgres"
)

// accessCheck asks of the rules together what each by itself cannot show.
type accessCheck struct {
	stack   *Stack
	rules   []postgres.HBARule
	faults  *Faults
	told    map[string]bool // what a rule was found guilty of already
	decided []bool          // whether the rule decides any attempt
}

// fault blames a rule, once for each reason.
func (c *accessCheck) fault(index int, kind, reason, remedy string) {
	path, configured := c.stack.ruleAt(index)
	if !configured {
		path, remedy = "access", "change what the rule is made from: access, network or tls"
	}
	if key := path + kind; !c.told[key] {
		c.told[key] = true
		c.faults.add(path, c.rules[index], reason, remedy)
	}
}

// roles are those that can log in.
func (c *accessCheck) roles() []string {
	roles := []string{c.stack.Target.Username, c.stack.Access.Names().Health}
	for _, client := range c.stack.accessClients() {
		roles = append(roles, client.roles...)
	}
	for _, login := range c.stack.declaredLogins() {
		roles = append(roles, login.Name)
	}
	return roles
}

// databases are all that rules can tell apart: those that they name, those
// that are named as roles are, and one that nobody has heard of.
func (c *accessCheck) databases() []string {
	names := c.stack.Access.Names()
	databases := append(c.roles(), "postgres", c.stack.Database.Name, names.Owner, names.ReadWrite, names.ReadOnlyGroup, "\x00any other")
	for _, role := range c.stack.Access.Roles {
		databases = append(databases, role.Name)
	}
	for _, rule := range c.rules {
		databases = append(databases, rule.Databases...)
	}
	slices.Sort(databases)
	return slices.Compact(databases)
}

// tried makes every attempt that the rules can tell apart, and looks at who
// gets in.
func (c *accessCheck) tried() {
	c.decided = make([]bool, len(c.rules))
	var places []netip.Prefix
	for _, client := range c.stack.accessClients() {
		places = append(places, c.stack.placesOf(client)...)
	}
	edges := postgres.EdgesOfHBA(c.rules, places...)
	for _, role := range c.roles() {
		attempts := []postgres.HBAConnection{}
		for _, database := range c.databases() {
			attempts = append(attempts, c.stack.hbaConnection(role, database))
		}
		if c.stack.replicates(role) {
			attempts = append(attempts, c.replication(role))
		}
		for _, attempt := range attempts {
			local := attempt
			local.Local = true
			c.try(local)
			for _, address := range edges {
				c.try(overTCP(attempt, address, false))
				if c.stack.TLS.Enabled {
					c.try(overTCP(attempt, address, true))
				}
			}
		}
	}
}

// replication is an attempt to stream the write-ahead log.
func (c *accessCheck) replication(role string) postgres.HBAConnection {
	attempt := c.stack.hbaConnection(role, "")
	attempt.Replication = true
	return attempt
}

// try makes one attempt.
func (c *accessCheck) try(attempt postgres.HBAConnection) {
	index, found := postgres.MatchHBA(c.rules, attempt)
	if !found {
		return
	}
	c.decided[index] = true
	if attempt.Local || !c.rules[index].Admits() {
		return
	}
	if c.stack.TLS.Required && !attempt.TLS {
		c.fault(index, "plain", fmt.Sprintf("lets %s in from %s without TLS, and tls.required is set", c.stack.describe(attempt.Role), attempt.Address),
			"write type hostssl")
	}
	for _, client := range c.stack.accessClients() {
		places := c.stack.placesOf(client)
		if len(client.from) == 0 || !slices.Contains(client.roles, attempt.Role) {
			continue
		}
		if !slices.ContainsFunc(places, func(place netip.Prefix) bool { return place.Contains(attempt.Address) }) {
			c.fault(index, client.name, fmt.Sprintf("lets %s in from %s, and access.from.%s has only %s",
				c.stack.describe(attempt.Role), attempt.Address, client.name, joinPlaces(places)),
				"narrow its address, or name other roles")
		}
	}
}

// nobodyLockedOut demands that every login has a way in from each place that
// it comes from, and so have the health check and the administrator.
func (c *accessCheck) nobodyLockedOut() {
	s := c.stack
	for _, client := range s.accessClients() {
		for _, place := range s.placesOf(client) {
			for _, role := range client.roles {
				c.wayIn(role, s.Database.Name, place)
			}
		}
	}
	for _, login := range s.declaredLogins() {
		c.someWayIn(login)
	}
	c.wayIn(s.Access.Names().Health, s.Database.Name, netip.MustParsePrefix("127.0.0.1/32"))
	if host, err := s.hostAddress(); err == nil {
		for _, database := range []string{"postgres", s.Database.Name} {
			c.wayIn(s.Target.Username, database, host)
		}
	}
	local := s.hbaConnection(s.Target.Username, "postgres")
	local.Local = true
	if index, _ := postgres.MatchHBA(c.rules, local); c.rules[index].Method != "peer" {
		c.fault(index, "local", fmt.Sprintf("keeps the administrator (%s) from coming in inside the container, where lost passwords are repaired", s.Target.Username),
			"write method peer, or name other roles")
	}
}

// wayIn demands that a login gets in from somewhere in a place.
func (c *accessCheck) wayIn(role, database string, place netip.Prefix) {
	addresses := slices.DeleteFunc(postgres.EdgesOfHBA(c.rules, place), func(address netip.Addr) bool { return !place.Contains(address) })
	admitted, blamed := c.admits(c.stack.hbaConnection(role, database), addresses)
	if admitted {
		return
	}
	if blamed < 0 {
		c.faults.add("access", role, fmt.Sprintf("has no way in from %s to database %s", place, database), "add a rule to access.rules")
		return
	}
	c.fault(blamed, "shut", fmt.Sprintf("shuts %s out of database %s from %s, where it comes from", c.stack.describe(role), database, place),
		"narrow it, or put a rule before it that lets it in")
}

// admits says whether an attempt gets in from one of the addresses, and else
// which rule is the first that keeps it out, if one does.
func (c *accessCheck) admits(attempt postgres.HBAConnection, addresses []netip.Addr) (admitted bool, blamed int) {
	blamed = -1
	for _, address := range addresses {
		index, found := postgres.MatchHBA(c.rules, overTCP(attempt, address, c.stack.TLS.Enabled))
		if found && c.rules[index].Admits() {
			return true, index
		}
		if found && blamed < 0 {
			blamed = index
		}
	}
	return false, blamed
}

// someWayIn demands that a declared login gets into the database from somewhere,
// or to the write-ahead log, if it may stream that: nobody knows where it comes from.
func (c *accessCheck) someWayIn(login Role) {
	addresses := postgres.EdgesOfHBA(c.rules)
	admitted, blamed := c.admits(c.stack.hbaConnection(login.Name, c.stack.Database.Name), addresses)
	if !admitted && login.Replication {
		admitted, _ = c.admits(c.replication(login.Name), addresses)
	}
	if !admitted {
		c.fault(blamed, "shut", fmt.Sprintf("shuts %s out of database %s, wherever it comes from", login.Name, c.stack.Database.Name),
			"narrow it, or put a rule before it that lets it in")
	}
}

// everyRuleDecides refuses rules that are without effect.
func (c *accessCheck) everyRuleDecides() {
	for index := range c.stack.Access.Rules {
		if !c.decided[index] {
			c.fault(index, "idle", "decides nothing: rules before it decide all that it is about, or nobody can connect like that", "remove it, or move it up")
		}
	}
}
