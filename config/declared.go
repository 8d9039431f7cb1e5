package config

import (
	"slices"
	"time"
)

// Schema is a schema that exists before the first migration.
type Schema struct {
	Name  string `json:"name" doc:"its name"`
	Owner string `json:"owner" doc:"the role that owns it; the owner if empty"`
}

// UnmarshalText reads a schema of which only the name is said.
func (s *Schema) UnmarshalText(name []byte) error {
	*s = Schema{Name: string(name)}
	return nil
}

func (s Schema) String() string { return s.Name }

// Extension is an extension of the database.
type Extension struct {
	Name    string `json:"name" doc:"its name"`
	Version string `json:"version" doc:"what it is updated to; the server's default at its creation if empty"`
	Schema  string `json:"schema" default:"public" doc:"where its objects are"`
}

// UnmarshalText reads an extension of which only the name is said.
func (e *Extension) UnmarshalText(name []byte) error {
	*e = Extension{Name: string(name), Schema: "public"}
	return nil
}

func (e Extension) String() string { return e.Name }

// PasswordSource says where a login's password comes from.
type PasswordSource string

// The sources of a login's password.
const (
	DerivedPassword PasswordSource = "derived"
	KeptPassword    PasswordSource = "kept"
)

// Role is a role that the stack declares beside those that every stack has, or
// more about one of these.
type Role struct {
	Name                   string         `json:"name" doc:"a new name; or owner, migrator, rw, ro, readonly, monitor, backup, health, app, to say more about these"`
	Login                  bool           `json:"login" doc:"may log in"`
	Password               PasswordSource `json:"password" default:"derived" doc:"of a login: \"derived\" from the root secret, or \"kept\": whatever it has, which is not ours"`
	MemberOf               []Membership   `json:"memberOf" doc:"roles that it is a member of; a name alone is one with the usual options"`
	ConnectionLimit        int            `json:"connectionLimit" default:"-1" doc:"how many sessions it may have at once; -1: no limit of its own, and of a client what clients gives it"`
	ValidUntil             string         `json:"validUntil" doc:"when its password ends, as 2030-12-31 or 2030-12-31T12:00:00Z; never if empty"`
	Inherit                bool           `json:"inherit" default:"true" doc:"has at once what the roles have that it will be a member of"`
	CreateDatabase         bool           `json:"createDatabase" doc:"may create databases"`
	CreateRole             bool           `json:"createRole" doc:"may create roles"`
	Replication            bool           `json:"replication" doc:"may stream the write-ahead log"`
	BypassRowLevelSecurity bool           `json:"bypassRowLevelSecurity" doc:"row-level security does not hold for it"`
	Superuser              bool           `json:"superuser" doc:"may do everything"`
	Settings               Settings       `json:"settings" doc:"settings that its sessions begin with (ALTER ROLE SET)"`
}

// Membership is what a role is a member of, and how (manual, section 22.3).
type Membership struct {
	Role    string `json:"role" doc:"what it is a member of"`
	Inherit bool   `json:"inherit" default:"true" doc:"it has what that role has, at once (before PostgreSQL 16 an attribute of the role)"`
	Set     bool   `json:"set" default:"true" doc:"it may SET ROLE to it (always, before PostgreSQL 16)"`
	Admin   bool   `json:"admin" doc:"it may make others members"`
}

// UnmarshalText reads a membership of which only the role is said.
func (m *Membership) UnmarshalText(role []byte) error {
	*m = Membership{Role: string(role), Inherit: true, Set: true}
	return nil
}

func (m Membership) String() string { return m.Role }

// Usual says whether the options are those that GRANT has unless told.
func (m Membership) Usual() bool { return m.Inherit && m.Set && !m.Admin }

// Grant is what a role may do. It takes the place of what the short form says
// of the same role and the same objects.
type Grant struct {
	Role        string   `json:"role" doc:"a declared role; owner, rw, ro or a client for those that every stack has; public for everybody"`
	On          string   `json:"on" doc:"database, schema, table (views too), column, sequence, function (procedures too), type, largeObject, language, parameter, tablespace, foreignServer, foreignDataWrapper"`
	Schema      string   `json:"schema" doc:"for what lives in a schema"`
	Objects     []string `json:"objects" doc:"names, of functions with the types of their arguments; all tables, sequences or functions of the schema if empty; for a database this stack's"`
	Columns     []string `json:"columns" doc:"of the table in objects, for on: column"`
	Privileges  []string `json:"privileges" doc:"what it may do with them; none to take all away"`
	GrantOption bool     `json:"grantOption" doc:"it may grant them to others"`
	Future      bool     `json:"future" default:"true" doc:"for all objects of a schema: also for those that the schema's owner will create there"`
}

// DefaultPrivileges are what a role may do with objects that do not exist yet.
type DefaultPrivileges struct {
	Owner       string   `json:"owner" default:"owner" doc:"whose objects: the role that will create them"`
	Role        string   `json:"role" doc:"who may; public for everybody"`
	On          string   `json:"on" doc:"table, sequence, function, type or schema"`
	Schema      string   `json:"schema" doc:"only where they are created there; everywhere if empty"`
	Privileges  []string `json:"privileges" doc:"what it may do with them; none to take away what PostgreSQL or the short form gives"`
	GrantOption bool     `json:"grantOption" doc:"it may grant them to others"`
}

// Classes of objects that privileges are about.
const (
	OnDatabase           = "database"
	OnSchema             = "schema"
	OnTable              = "table"
	OnColumn             = "column"
	OnSequence           = "sequence"
	OnFunction           = "function"
	OnType               = "type"
	OnLargeObject        = "largeObject"
	OnLanguage           = "language"
	OnParameter          = "parameter"
	OnTablespace         = "tablespace"
	OnForeignServer      = "foreignServer"
	OnForeignDataWrapper = "foreignDataWrapper"
)

// Everybody is the pseudo role that stands for all roles (manual, section 5.8).
const Everybody = "public"

// Whole says whether a grant is on all objects of a class in a schema.
func (g Grant) Whole() bool {
	return len(g.Objects) == 0 && slices.Contains([]string{OnTable, OnSequence, OnFunction}, g.On)
}

// Named are the roles that a name in the stack file stands for: clients and
// the short names of groups for this stack's roles, all else for itself.
func (n Names) Named(name string) []string {
	if logins := n.Logins(name); len(logins) > 0 {
		return logins
	}
	if group, is := n.groups()[name]; is {
		return []string{group}
	}
	return []string{name}
}

// groups are the roles that nobody logs in as, by their short names.
func (n Names) groups() map[string]string {
	return map[string]string{"owner": n.Owner, "rw": n.ReadWrite, "ro": n.ReadOnlyGroup}
}

// ShortNames are those that Named puts other names for.
func (n Names) ShortNames() []string {
	short := sortedKeys(n.groups())
	for _, login := range LoginNames {
		if len(n.Logins(login)) > 0 {
			short = append(short, login)
		}
	}
	return short
}

// Standard says whether a role is one that every stack has.
func (n Names) Standard(role string) bool {
	return slices.ContainsFunc(n.ShortNames(), func(short string) bool { return slices.Contains(n.Named(short), role) })
}

// validUntil reads the end of a password's validity.
func validUntil(text string) (time.Time, error) {
	if at, err := time.Parse(time.DateOnly, text); err == nil {
		return at, nil
	}
	return time.Parse(time.RFC3339, text)
}

// Validity is the end of the password's validity as a server in UTC writes it.
func (r Role) Validity() string {
	if r.ValidUntil == "" {
		return "infinity"
	}
	at, err := validUntil(r.ValidUntil)
	if err != nil {
		return r.ValidUntil // refused by validation
	}
	return at.UTC().Format("2006-01-02 15:04:05+00")
}
