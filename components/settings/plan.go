// Package settings takes PostgreSQL's settings to the server: what is only read
// at its start as flags, all others into the running server, where a reload
// applies them.
package settings

import (
	"maps"
	"slices"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/catalogue"
)

// Plan is how the settings reach the server.
type Plan struct {
	// StartupFlags follow the name of the server's program, sorted by name: -c name=value ….
	StartupFlags []string
	// System are changed in the running server, sorted by name.
	System []Setting
}

// Setting is a name and its value.
type Setting struct{ Name, Value string }

// Files of the data directory that settings name.
const (
	// BundleFile has the server's certificate and key.
	BundleFile = "server.pem"
	// CAFile has the CA's certificate, for the health check.
	CAFile = "ca.crt"
)

// NewPlan splits the settings of a stack. ssl itself is in neither part: it is
// switched on in the running server, once there is a certificate.
func NewPlan(stack *config.Stack) Plan {
	flags := config.Settings{"password_encryption": "scram-sha-256"}
	if stack.TLS.Enabled {
		flags["ssl_cert_file"], flags["ssl_key_file"] = BundleFile, BundleFile
	} else if stack.Target.Type == config.Container {
		// Where TLS was on before, the data directory still says so, and a server
		// without a certificate would not start.
		flags["ssl"] = "off"
	}
	var plan Plan
	for _, name := range slices.Sorted(maps.Keys(stack.Settings)) {
		if stack.Target.Type == config.Container && atStart(stack, name) {
			flags[name] = stack.Settings[name]
		} else {
			plan.System = append(plan.System, Setting{name, string(stack.Settings[name])})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		plan.StartupFlags = append(plan.StartupFlags, "-c", name+"="+string(flags[name]))
	}
	return plan
}

// atStart says whether a setting has to be a flag: because the server reads it
// at its start only, or because a library that nothing is known of may do so.
func atStart(stack *config.Stack, name string) bool {
	setting, known := stack.Catalogue().Lookup(name)
	if !known {
		return stack.PreloadsUnknown()
	}
	return setting.Context == catalogue.Postmaster
}
