package config

import (
	"fmt"
	"slices"
)

// Names are the names of a stack's roles.
type Names struct {
	Owner                             string
	ReadWrite, ReadOnlyGroup          string // what logins are members of
	Migrator                          string // the one of MigratorSlots that is its turn
	ReadOnly, Monitor, Backup, Health string // logins
	// The API and the migration step have two logins each, by turns, so that the
	// login of the generation before works until the next rotation.
	AppSlots, MigratorSlots [2]string

	access Access
}

// Names derives the names from the prefix.
func (a Access) Names() Names {
	name := func(suffix string) string { return a.Prefix + "_" + suffix }
	names := Names{
		Owner: name("owner"), ReadWrite: name("rw"), ReadOnlyGroup: name("ro"),
		ReadOnly: name("readonly"), Monitor: name("monitor"), Backup: name("backup"), Health: name("health"),
		AppSlots: [2]string{name("app_0"), name("app_1")}, MigratorSlots: [2]string{name("migrator_0"), name("migrator")},
		access: a,
	}
	names.Migrator = names.MigratorSlots[turn(a.GenerationOf("migrator"))]
	return names
}

// turn is the slot of a generation.
func turn(generation int) int { return generation % 2 }

// App is the application's login of the present generation. The other slot
// still has the password of the generation before, so that nobody who uses it
// is locked out by a rotation.
func (n Names) App() string { return n.AppSlots[turn(n.access.GenerationOf("app"))] }

// Slots are the two logins of a client that has two, by turns.
func (n Names) Slots(client string) (slots [2]string, has bool) {
	switch client {
	case "app":
		return n.AppSlots, true
	case "migrator":
		return n.MigratorSlots, true
	}
	return slots, false
}

// Logins are all roles that a client, or the health check, logs in as, in this
// generation or the next.
func (n Names) Logins(client string) []string {
	return map[string][]string{
		"app": n.AppSlots[:], "migrator": n.MigratorSlots[:], "readonly": {n.ReadOnly},
		"monitor": {n.Monitor}, "backup": {n.Backup}, "health": {n.Health},
	}[client]
}

// Generation of the password that a login has now.
func (n Names) Generation(role string) int {
	for _, client := range LoginNames {
		if !slices.Contains(n.Logins(client), role) {
			continue
		}
		generation := n.access.GenerationOf(client)
		if slots, has := n.Slots(client); has && role != slots[turn(generation)] {
			return generation - 1
		}
		return generation
	}
	return n.access.GenerationOf(role) // a declared login
}

// Login is the role that a client logs in as.
func (n Names) Login(client string) (string, error) {
	login, known := map[string]string{
		"app": n.App(), "migrator": n.Migrator, "readonly": n.ReadOnly, "monitor": n.Monitor, "backup": n.Backup,
	}[client]
	if !known {
		return "", fmt.Errorf("no client %s: known are app, migrator, readonly, monitor and backup", client)
	}
	return login, nil
}

// MemberOf are the roles that a role is made a member of.
func (n Names) MemberOf(role string) []string {
	return map[string][]string{
		n.MigratorSlots[0]: {n.Owner}, n.MigratorSlots[1]: {n.Owner}, n.AppSlots[0]: {n.ReadWrite}, n.AppSlots[1]: {n.ReadWrite},
		n.ReadOnly: {n.ReadOnlyGroup}, n.Monitor: {"pg_monitor"}, n.Backup: {"pg_read_all_data", "pg_read_all_settings"},
	}[role]
}
