// Package backup declares the container that makes backups by a schedule.
package backup

import (
	"encoding/json"
	"time"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/agent"
	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/password"
)

// port is the server's inside the network.
const port = 5432

// Plan is the container that makes backups.
type Plan struct {
	Stack    *config.Stack
	Image    string
	Binary   agent.Binary
	Settings string // JSON
	Password string // secret
	// Target is the volume, or the directory of the host, that backups are in.
	Target string
	Cpus   string
	Labels map[string]string
	// Stop is how long it may take to clean up after itself.
	Stop time.Duration
}

// NewPlan makes the plan of a stack whose backups are enabled. image is the server's.
func NewPlan(stack *config.Stack, image string, binary agent.Binary, derivation *password.Derivation) (Plan, error) {
	names, declared := stack.Access.Names(), stack.Backup
	if image == "" {
		image = stack.Server.Image
	}
	settings, err := json.MarshalIndent(agent.Settings{
		Project: stack.Project, Stack: stack.Name, Database: stack.Database.Name, Image: image,
		Host: stack.Network.Alias, Port: port, Login: names.Backup, TLS: stack.TLS.Enabled,
		Schedule: config.ScheduleZone + declared.Schedule, Keep: time.Duration(declared.Retention), Allowed: declared.OldestBackup(),
		Formats: declared.Formats, Recipients: declared.Recipients,
	}, "", "  ")
	target := declared.Directory
	if target == "" {
		target = declared.Volume
	}
	return Plan{
		Stack: stack, Image: image, Binary: binary, Settings: string(settings) + "\n",
		Password: derivation.Password(names.Backup, names.Generation(names.Backup)) + "\n",
		Target:   target, Cpus: dockerengine.CPUs(declared.CPUs), Stop: 30 * time.Second,
		Labels: dockerengine.LabelsOf(stack.Project, stack.Name),
	}, err
}
