package config

import (
	"fmt"
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
	Reserved          int      `json:"reserved"` // for members of pg_use_reserved_connections: no client is one
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

// Available is what the server gives to those for whom nothing is reserved.
func (b Budget) Available() int { return b.MaxConnections - b.SuperuserReserved - b.Reserved }

// arithmetic shows the sum.
func (b Budget) arithmetic() string {
	terms := make([]string, len(b.Holders))
	for i, holder := range b.Holders {
		terms[i] = fmt.Sprintf("%s %d", holder.Client, holder.Connections)
	}
	reserved := fmt.Sprintf("superuser_reserved_connections %d", b.SuperuserReserved)
	if b.Reserved > 0 {
		reserved += fmt.Sprintf(" - reserved_connections %d", b.Reserved)
	}
	return fmt.Sprintf("%s = %d of max_connections %d - %s = %d",
		strings.Join(terms, " + "), b.Planned(), b.MaxConnections, reserved, b.Available())
}

// Budget adds up what the clients may hold.
func (s *Stack) Budget() Budget {
	number := func(name string) int { return int(s.effective(name).Number) }
	return Budget{
		MaxConnections:    number("max_connections"),
		SuperuserReserved: number("superuser_reserved_connections"),
		Reserved:          number("reserved_connections"), // 0 before PostgreSQL 16
		Holders: []Holder{
			{"app", s.Clients.App.Connections()},
			{"migrator", s.Clients.Migrator.Connections()},
			{"readonly", s.Clients.ReadOnly.Connections()},
			{"monitor", s.Clients.Monitor.Connections()},
			{"backup", s.Clients.Backup.Connections()},
			{"health", healthConnections},
			{"administrators", s.Clients.Reserve},
		},
	}
}

func pools(s *Stack, faults *Faults) {
	for _, client := range []struct {
		name string
		pool Pool
	}{
		{"app", s.Clients.App}, {"migrator", s.Clients.Migrator}, {"readonly", s.Clients.ReadOnly},
		{"monitor", s.Clients.Monitor}, {"backup", s.Clients.Backup},
	} {
		at := "clients." + client.name
		inRange(faults, at+".replicas", client.pool.Replicas, 1, 10000)
		inRange(faults, at+".maxPoolSize", client.pool.MaxPoolSize, 1, 10000)
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
// and lock administrators out. An external server's limit is not known here.
func connectionBudget(s *Stack, faults *Faults) {
	budget := s.Budget()
	if s.Target.Type == Container && budget.Planned() > budget.Available() {
		faults.add("clients", nil, "the clients could take more connections than the server has: "+budget.arithmetic(),
			"shrink a pool, or raise settings.max_connections")
	}
}
