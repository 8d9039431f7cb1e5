package database

import (
	"fmt"
	"time"

	"github.com/witchcityrope/database/components/access"
	"github.com/witchcityrope/database/components/backup"
	"github.com/witchcityrope/database/components/certificate"
	"github.com/witchcityrope/database/components/connections"
	"github.com/witchcityrope/database/components/server"
	"github.com/witchcityrope/database/components/settings"
	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/agent"
	"github.com/witchcityrope/database/internal/password"
)

// plan is everything that a stack declares, as plain values.
type plan struct {
	stack       *config.Stack
	superuser   superuserLogin
	certificate certificate.Plan
	server      server.Plan
	settings    settings.Plan
	access      access.Plan
	backup      *backup.Plan // nil where no backups are made
	clients     []connections.Client
}

// superuserLogin is how this program itself logs in.
type superuserLogin struct {
	password     string   // after this run; secret
	fallbacks    []string // what it may be before; secret
	tlsMode      string   // pgserver's
	sslMode      string   // libpq's
	readyTimeout time.Duration
}

// newPlan computes everything that can be known before a resource is registered.
func newPlan(stack *config.Stack, image string, given secrets, binary agent.Binary) (plan, error) {
	derivation, err := password.NewDerivation(given.root, stack.Name)
	if err == nil && stack.Access.Root.HasPrevious() {
		derivation, err = derivation.After(given.previousRoot, stack.RootSince())
	}
	if err != nil {
		remedy := "take it out of the stack file, and make one with: wcrdb init " + stack.Name
		if stack.RootSecretFrom == config.FromLocal {
			remedy = "delete " + config.LocalDir(stack.Name) + "/" + stack.Access.Root.File() + ", and the next run makes one"
		}
		return plan{}, fmt.Errorf("%s of stack %s: %w; %s", config.RootSecretKey, stack.Name, err, remedy)
	}
	assembled := plan{
		stack:       stack,
		superuser:   newSuperuserLogin(stack, given, derivation),
		certificate: certificate.NewPlan(stack),
		settings:    settings.NewPlan(stack),
		access:      access.NewPlan(stack, derivation),
	}
	if err := assembled.access.Check(stack); err != nil {
		return plan{}, err
	}
	assembled.clients = connections.NewPlan(stack, derivation)
	if stack.Target.Type == config.Container {
		if assembled.server, err = server.NewPlan(stack, image, derivation); err != nil {
			return plan{}, err
		}
	}
	if stack.Backup.Enabled {
		scheduled, err := backup.NewPlan(stack, image, binary, derivation)
		if err != nil {
			return plan{}, err
		}
		assembled.backup = &scheduled
	}
	return assembled, nil
}

// newSuperuserLogin derives a container's superuser password. Through the
// loopback interface TLS is used, but the certificate is not verified: a
// certificate that somebody replaced must not keep out who repairs it, and
// SCRAM proves both sides.
func newSuperuserLogin(stack *config.Stack, given secrets, derivation *password.Derivation) superuserLogin {
	if stack.Target.Type == config.External {
		return superuserLogin{
			password: given.administrator, tlsMode: "verify-full", sslMode: "verify-full",
			readyTimeout: time.Duration(stack.Server.ReadyTimeout),
		}
	}
	var passwords []string
	for _, generation := range append(stack.SuperuserGenerations(), password.BootstrapGeneration) {
		passwords = append(passwords, derivation.Password(stack.Target.Username, generation))
	}
	login := superuserLogin{
		password:     passwords[0],
		fallbacks:    passwords[1:],
		tlsMode:      "prefer",
		sslMode:      "disable",
		readyTimeout: time.Duration(stack.Server.ReadyTimeout),
	}
	if stack.TLS.Enabled {
		login.sslMode = "require"
	}
	return login
}
