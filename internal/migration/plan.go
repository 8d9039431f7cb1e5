package migration

import (
	"fmt"
	"slices"
)

// Plan is what a script means for a server.
type Plan struct {
	// Applied of the script's migrations are in the server's history, Pending are not.
	Applied []string `json:"applied"`
	Pending []string `json:"pending"`
	// Unknown are in the server's history, and not in the script.
	Unknown []string `json:"unknown"`
}

// NewPlan compares a script with a history.
func NewPlan(script *Script, history []Applied) Plan {
	plan := Plan{Applied: []string{}, Pending: []string{}, Unknown: []string{}}
	for _, migration := range script.Migrations {
		if slices.ContainsFunc(history, func(applied Applied) bool { return applied.ID == migration.ID }) {
			plan.Applied = append(plan.Applied, migration.ID)
		} else {
			plan.Pending = append(plan.Pending, migration.ID)
		}
	}
	for _, applied := range history {
		if !slices.ContainsFunc(script.Migrations, func(m Migration) bool { return m.ID == applied.ID }) {
			plan.Unknown = append(plan.Unknown, applied.ID)
		}
	}
	return plan
}

// Refuse says why the script must not be run on the server.
func (p Plan) Refuse(script *Script) error {
	if len(p.Pending) == 0 {
		return nil
	}
	for _, migration := range script.Migrations {
		if !migration.Guarded && slices.Contains(p.Applied, migration.ID) {
			return fmt.Errorf("the script would do %s again, which is applied already: make it with dotnet ef migrations script --idempotent", migration.ID)
		}
	}
	if len(p.Unknown) > 0 {
		return fmt.Errorf("the history has %d migrations that the script does not know, the last is %s: was it made from another branch, or were migrations squashed since? "+
			"Make it from the code that the next version of the API is built from; after a squash, let the history say what is there already",
			len(p.Unknown), p.Unknown[len(p.Unknown)-1])
	}
	return nil
}
