package access

import (
	"maps"
	"slices"

	"github.com/pulumi/pulumi-postgresql/sdk/v3/go/postgresql"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/postgres"
)

// Session is what postgresql:Role itself sets and reads of a role's sessions;
// as a SessionDefault it would be drift to it. Zero values are not declared.
type Session struct {
	SearchPaths              []string
	StatementTimeout         int // milliseconds
	IdleInTransactionTimeout int // milliseconds
}

// SessionDefault is a setting that sessions begin with: those of a role, or, if
// that is empty, all in the database.
type SessionDefault struct{ Role, Name, Value string }

// addSettings adds the settings of the database's sessions and of every login.
func (p *Plan) addSettings(stack *config.Stack, names config.Names) {
	for _, name := range slices.Sorted(maps.Keys(stack.Database.Settings)) {
		p.SessionDefaults = append(p.SessionDefaults, SessionDefault{Name: name, Value: string(stack.Database.Settings[name])})
	}
	for _, login := range stack.Access.Settings.List() {
		for _, role := range names.Logins(login.Client) {
			i := slices.IndexFunc(p.Roles, func(candidate Role) bool { return candidate.Name == role })
			for _, name := range slices.Sorted(maps.Keys(login.Settings)) {
				if value := login.Settings[name]; !p.Roles[i].Session.take(stack, name, string(value)) {
					p.SessionDefaults = append(p.SessionDefaults, SessionDefault{Role: role, Name: name, Value: string(value)})
				}
			}
		}
	}
}

// take takes a setting in, if it belongs here. A timeout of 0 does not: to
// postgresql:Role that is none of the role's own.
func (s *Session) take(stack *config.Stack, name, value string) bool {
	setting, _ := stack.Catalogue().Lookup(name)
	switch name {
	case "search_path":
		s.SearchPaths = postgres.SplitList(value)
		return len(s.SearchPaths) > 0
	case "statement_timeout", "idle_in_transaction_session_timeout":
		parsed, fault := setting.Parse(value)
		if fault != nil || parsed.Number == 0 {
			return false // a faulty one does not come this far
		}
		if name == "statement_timeout" {
			s.StatementTimeout = int(parsed.Number)
		} else {
			s.IdleInTransactionTimeout = int(parsed.Number)
		}
		return true
	}
	return false
}

// declare adds what there is to a role's inputs.
func (s Session) declare(args *postgresql.RoleArgs) {
	if len(s.SearchPaths) > 0 {
		args.SearchPaths = pulumi.ToStringArray(s.SearchPaths)
	}
	if s.StatementTimeout != 0 {
		args.StatementTimeout = pulumi.Int(s.StatementTimeout)
	}
	if s.IdleInTransactionTimeout != 0 {
		args.IdleInTransactionSessionTimeout = pulumi.Int(s.IdleInTransactionTimeout)
	}
}
