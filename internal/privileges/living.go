package privileges

import "strings"

// Living is what of a database an import describes beside who may do what.
type Living struct {
	Model
	Attributes []Attributes
	Extensions []Extension
}

// Attributes are those of a role that somebody made.
type Attributes struct {
	Name                                                                          string
	Login, Superuser, Inherit, CreateDatabase, CreateRole, Replication, BypassRLS bool
	ConnectionLimit                                                               int
	// ValidUntil in UTC, as 2030-12-31T00:00:00Z; empty for ever.
	ValidUntil string
	// Settings that its sessions begin with, in all databases, as name=value.
	Settings []string
}

// Extension that the database has.
type Extension struct{ Name, Version, Schema string }

// Setting is one of the settings, by its name.
func (a Attributes) Setting(assignment string) (name, value string) {
	name, value, _ = strings.Cut(assignment, "=")
	return name, value
}
