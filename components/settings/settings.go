// Package settings splits PostgreSQL's settings by how they reach the server.
package settings

import (
	"maps"
	"slices"

	"github.com/witchcityrope/database/config"
)

// Plan is how the settings reach the server.
type Plan struct {
	// StartupFlags follow the name of the server's program, sorted by name: -c name=value ….
	StartupFlags []string
}

// Files of the data directory that settings name.
const (
	// BundleFile has the server's certificate and key.
	BundleFile = "server.pem"
	// CAFile has the CA's certificate, for the health check.
	CAFile = "ca.crt"
)

// NewPlan makes every setting of the stack a startup flag. ssl itself is none:
// it is switched on in the running server, once there is a certificate.
func NewPlan(stack *config.Stack) Plan {
	values := maps.Clone(stack.Settings)
	if values == nil {
		values = config.Settings{}
	}
	values["password_encryption"] = "scram-sha-256"
	if stack.TLS.Enabled {
		values["ssl_cert_file"] = BundleFile
		values["ssl_key_file"] = BundleFile
		values["ssl_min_protocol_version"] = orDefault(values["ssl_min_protocol_version"], "TLSv1.2")
	}
	var plan Plan
	for _, name := range slices.Sorted(maps.Keys(values)) {
		plan.StartupFlags = append(plan.StartupFlags, "-c", name+"="+string(values[name]))
	}
	return plan
}

func orDefault(value, fallback config.Setting) config.Setting {
	if value == "" {
		return fallback
	}
	return value
}
