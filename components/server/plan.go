// Package server declares the container that PostgreSQL runs in: its image,
// networks, storage and health check, and the files in its data directory
// that say who may come in and how.
package server

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/witchcityrope/database/components/settings"
	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/password"
	"github.com/witchcityrope/database/internal/postgres"
)

const (
	// mountPath is where the image declares its volume; the data directory is
	// below it, because the root of a file system may hold lost+found.
	mountPath     = "/var/lib/postgresql/data"
	dataDirectory = mountPath + "/" + config.DataDirectory
	port          = 5432

	hbaFile    = "pg_hba.conf"
	pgpassFile = "healthcheck.pgpass"
)

// labelUnseen hashes what the docker provider does not compare (healthcheck,
// tmpfs): labels it does, so that an edit takes effect.
const labelUnseen = "wcrdb.unseen"

// Plan is the container and the files in its data directory.
type Plan struct {
	Stack       *config.Stack
	Image       string
	Command     []string
	Environment []string // secret
	HealthCheck []string
	Tmpfs       map[string]string
	Labels      map[string]string

	SuperuserVerifier string // secret
	HBA               string
	PGPass            string // secret
}

// NewPlan makes the plan of a stack. image replaces the stack's image unless it is empty.
func NewPlan(stack *config.Stack, image string, derivation *password.Derivation) (Plan, error) {
	if image == "" {
		image = stack.Server.Image
	}
	names := stack.Access.Names()
	superuser := stack.Target.Username
	hba, err := postgres.RenderHBA(stack.HBARules())
	if err != nil {
		return Plan{}, fmt.Errorf("access rules: %w", err)
	}
	plan := Plan{
		Stack:   stack,
		Image:   image,
		Command: append([]string{"postgres"}, settings.NewPlan(stack).StartupFlags...),
		Environment: []string{
			"PGDATA=" + dataDirectory,
			// peer: inside the container, the system user postgres is the superuser.
			"POSTGRES_INITDB_ARGS=--auth-local=peer --auth-host=scram-sha-256 --encoding=UTF8 --data-checksums",
			// A verifier, which initdb stores as it is: no password that could be read in docker inspect.
			"POSTGRES_PASSWORD=" + derivation.Verifier(superuser, password.BootstrapGeneration),
			"POSTGRES_USER=" + superuser,
		},
		HealthCheck:       healthCheck(stack, names),
		Labels:            dockerengine.LabelsOf(stack.Project, stack.Name),
		SuperuserVerifier: derivation.Verifier(superuser, stack.Access.GenerationOf(config.Superuser)),
		HBA:               hba,
		PGPass: fmt.Sprintf("127.0.0.1:%d:%s:%s:%s\n", port, stack.Database.Name, names.Health,
			derivation.Password(names.Health, names.Generation(names.Health))),
	}
	if stack.Storage.Type == config.Tmpfs {
		plan.Tmpfs = map[string]string{mountPath: fmt.Sprintf("rw,size=%d,mode=0700", int64(stack.Storage.Size))}
	}
	plan.Labels[labelUnseen] = plan.unseen()
	return plan, nil
}

// healthCheck logs in over TCP and asks a query. The socket would answer during
// the image's first initialisation already, when nobody else can come in.
func healthCheck(stack *config.Stack, names config.Names) []string {
	variables := []string{fmt.Sprintf("PGPASSFILE=%s/%s", dataDirectory, pgpassFile)}
	if stack.TLS.Enabled {
		variables = append(variables, "PGSSLMODE=verify-full", fmt.Sprintf("PGSSLROOTCERT=%s/%s", dataDirectory, settings.CAFile))
	}
	return []string{"CMD-SHELL", fmt.Sprintf("%s psql -X -w -h 127.0.0.1 -U %s -d %s -Atqc 'SELECT 1' >/dev/null",
		strings.Join(variables, " "), names.Health, stack.Database.Name)}
}

// unseen hashes what the docker provider does not see.
func (p Plan) unseen() string {
	text, err := json.Marshal([]any{p.HealthCheck, p.Stack.Server.HealthCheck, p.Tmpfs})
	if err != nil {
		panic(err) // plain values always marshal
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// seconds of a duration, rounded up.
func seconds(d config.Duration) int {
	return int((time.Duration(d) + time.Second - 1) / time.Second)
}
