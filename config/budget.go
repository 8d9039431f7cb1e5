package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// healthConnections are those of Docker's health check: one, and one more
// while a timed out check still hangs.
const healthConnections = 2

// Holder is a client and the number of connections that it may hold.
type Holder struct {
	Client      string `json:"client" pulumi:"client"`
	Connections int    `json:"connections" pulumi:"connections"`
}

// Budget is who may hold how many of the server's connections.
type Budget struct {
	MaxConnections    int      `json:"maxConnections"`
	SuperuserReserved int      `json:"superuserReserved"`
	Reserved          int      `json:"reserved"` // for members of pg_use_reserved_connections
	Holders           []Holder `json:"holders"`
}

// Planned is the sum of what all clients may hold, without what is reserved for superusers.
func (b Budget) Planned() int {
	sum := 0
	for _, holder := range b.Holders {
		sum += holder.Connections
	}
	return sum
}

// keptFree are those who get in whatever the others do: their connections are
// reserved (reserved_connections, PostgreSQL 16 and later). Administrators are
// superusers, who may use every reserved one.
var keptFree = []string{"monitor", "backup", "health", "administrators"}

// KeptFree is the sum of what those may hold.
func (b Budget) KeptFree() int {
	sum := 0
	for _, holder := range b.Holders {
		if slices.Contains(keptFree, holder.Client) {
			sum += holder.Connections
		}
	}
	return sum
}

// unused are reserved connections that no holder needs.
func (b Budget) unused() int { return max(0, b.Reserved-b.KeptFree()) }

// Available is what the server gives to all holders together.
func (b Budget) Available() int { return b.MaxConnections - b.SuperuserReserved - b.unused() }

// arithmetic shows the sum.
func (b Budget) arithmetic() string {
	terms := make([]string, len(b.Holders))
	for i, holder := range b.Holders {
		terms[i] = fmt.Sprintf("%s %d", holder.Client, holder.Connections)
	}
	reserved := fmt.Sprintf("superuser_reserved_connections %d", b.SuperuserReserved)
	if b.unused() > 0 {
		reserved += fmt.Sprintf(" - %d of reserved_connections %d that nobody needs", b.unused(), b.Reserved)
	}
	return fmt.Sprintf("%s = %d of max_connections %d - %s = %d",
		strings.Join(terms, " + "), b.Planned(), b.MaxConnections, reserved, b.Available())
}

// Budget adds up what the clients may hold.
func (s *Stack) Budget() Budget {
	number := func(name string) int { return int(s.effective(name).Number) }
	holders := []Holder{{"app", s.Clients.App.Connections()}}
	if jobs := s.Clients.Jobs.Connections(); jobs > 0 {
		holders = append(holders, Holder{"jobs", jobs})
	}
	holders = append(holders,
		Holder{"migrator", s.Clients.Migrator.Connections()},
		Holder{"readonly", s.Clients.ReadOnly.Connections()},
		Holder{"monitor", s.Clients.Monitor.Connections()},
		Holder{"backup", s.Clients.Backup.Connections()},
		Holder{"health", healthConnections},
		Holder{"administrators", s.Clients.Reserve})
	names := s.Access.Names()
	for _, role := range s.Access.Roles {
		if role.Login && role.ConnectionLimit > 0 && !names.Standard(names.Named(role.Name)[0]) {
			holders = append(holders, Holder{role.Name, role.ConnectionLimit})
		}
	}
	if s.floodsTwice() {
		for _, holder := range holders {
			switch holder.Client {
			case "app", "jobs", "migrator":
				holders = append(holders, Holder{holder.Client + "'s other login", holder.Connections})
			}
		}
	}
	return Budget{
		MaxConnections:    number("max_connections"),
		SuperuserReserved: number("superuser_reserved_connections"),
		Reserved:          number("reserved_connections"), // 0 before PostgreSQL 16
		Holders:           holders,
	}
}

// floodsTwice says whether clients with two logins could hold their share with
// each, at the cost of those that must get in: nothing is reserved for these.
func (s *Stack) floodsTwice() bool { return s.Target.Type == Container && !s.hasReserved() }

func pools(s *Stack, faults *Faults) {
	for _, client := range []struct {
		name string
		pool Pool
	}{
		{"app", s.Clients.App}, {"jobs", s.Clients.Jobs}, {"migrator", s.Clients.Migrator}, {"readonly", s.Clients.ReadOnly},
		{"monitor", s.Clients.Monitor}, {"backup", s.Clients.Backup},
	} {
		at := "clients." + client.name
		inRange(faults, at+".replicas", client.pool.Replicas, 1, 10000)
		least := 1
		if client.name == "jobs" { // there may be none
			least = 0
		}
		inRange(faults, at+".maxPoolSize", client.pool.MaxPoolSize, least, 10000)
		inRange(faults, at+".minPoolSize", client.pool.MinPoolSize, 0, 10000)
		inRange(faults, at+".connectionLifetime", client.pool.ConnectionLifetime, 0, 86400*365)
		if client.pool.MinPoolSize > 0 && !client.pool.Pooling {
			faults.add(at+".minPoolSize", client.pool.MinPoolSize, "does nothing without pooling", "leave it out, or set pooling")
		}
		if client.pool.MinPoolSize > client.pool.MaxPoolSize {
			faults.add(at+".minPoolSize", client.pool.MinPoolSize, fmt.Sprintf("is more than maxPoolSize (%d)", client.pool.MaxPoolSize), "lower it")
		}
	}
	inRange(faults, "clients.reserve", s.Clients.Reserve, 1, 10000)
}

// connectionBudget refuses pools that together could take every connection
// and lock administrators out (manual, section 20.3.1: the slots that are left count for
// superuser_reserved_connections and reserved_connections alone). An external server's limit is not known here.
func connectionBudget(s *Stack, faults *Faults) {
	budget := s.Budget()
	if s.Target.Type == Container && budget.Planned() > budget.Available() {
		faults.add("clients", nil, "the clients could take more connections than the server has: "+budget.arithmetic(),
			"shrink a pool, or raise settings.max_connections")
	}
}

// reservedConnections is the setting's name.
const reservedConnections = "reserved_connections"

// UsesReserved says whether a role gets in when others have taken all other
// connections.
func (s *Stack) UsesReserved(role string) bool {
	names := s.Access.Names()
	return s.hasReserved() && slices.Contains([]string{names.Monitor, names.Backup, names.Health}, role)
}

// hasReserved says whether connections can be reserved for roles.
func (s *Stack) hasReserved() bool { return s.Target.Type == Container && s.Major() >= 16 }

// reserve reserves what those who must get in need, unless the stack says how
// many, or they do not fit at all.
func (s *Stack) reserve() {
	if _, given := s.Settings[reservedConnections]; given || !s.hasReserved() {
		return
	}
	if budget := s.Budget(); budget.Planned() <= budget.Available() {
		if s.Settings == nil {
			s.Settings = Settings{}
		}
		s.Settings[reservedConnections] = Setting(strconv.Itoa(budget.KeptFree()))
	}
}

// ConnectionLimit is how many connections a login may hold: both logins of a
// client that has two may hold its whole share, because after a rotation it
// moves from one to the other.
func (s *Stack) ConnectionLimit(role string) int {
	names := s.Access.Names()
	for _, holder := range s.Budget().Holders {
		switch {
		case !slices.Contains(names.Logins(holder.Client), role):
		case holder.Client == "app":
			return holder.Connections + s.Clients.Jobs.Connections() // they log in as it does
		default:
			return holder.Connections
		}
	}
	return -1
}
