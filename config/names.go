package config

import "fmt"

// Names are the names of a stack's roles.
type Names struct {
	Owner, Migrator                   string
	ReadWrite, ReadOnlyGroup          string // what logins are members of
	ReadOnly, Monitor, Backup, Health string // logins
	AppSlots                          [2]string

	generation int
}

// Names derives the names from the prefix.
func (a Access) Names() Names {
	name := func(suffix string) string { return a.Prefix + "_" + suffix }
	return Names{
		Owner: name("owner"), Migrator: name("migrator"), ReadWrite: name("rw"), ReadOnlyGroup: name("ro"),
		ReadOnly: name("readonly"), Monitor: name("monitor"), Backup: name("backup"), Health: name("health"),
		AppSlots:   [2]string{name("app_0"), name("app_1")},
		generation: a.Generation,
	}
}

// App is the application's login of the present generation. The other slot
// still has the password of the generation before, so that nobody who uses it
// is locked out by a rotation.
func (n Names) App() string { return n.AppSlots[n.generation%2] }

// Generation of the password that a role has now.
func (n Names) Generation(role string) int {
	if role == n.AppSlots[(n.generation+1)%2] {
		return n.generation - 1
	}
	return n.generation
}

// Logins are all roles that a client logs in as, in this generation or the next.
func (n Names) Logins(client string) []string {
	return map[string][]string{
		"app": n.AppSlots[:], "migrator": {n.Migrator}, "readonly": {n.ReadOnly},
		"monitor": {n.Monitor}, "backup": {n.Backup}, "health": {n.Health},
	}[client]
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
	group, is := map[string]string{
		n.Migrator: n.Owner, n.AppSlots[0]: n.ReadWrite, n.AppSlots[1]: n.ReadWrite,
		n.ReadOnly: n.ReadOnlyGroup, n.Monitor: "pg_monitor", n.Backup: "pg_read_all_data",
	}[role]
	if !is {
		return nil
	}
	return []string{group}
}
