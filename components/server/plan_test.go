package server

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/password"
	"github.com/witchcityrope/database/internal/postgres"
)

var update = flag.Bool("update", false, "write the golden files anew")

func plan(t *testing.T, stack *config.Stack) Plan {
	t.Helper()
	derivation, err := password.NewDerivation("a root secret of the tests, long enough", stack.Name)
	require.NoError(t, err)
	made, err := NewPlan(stack, "", derivation)
	require.NoError(t, err)
	return made
}

func TestAccessRulesOfTheStacks(t *testing.T) {
	for _, name := range configtest.Stacks() {
		path := filepath.Join("testdata", "pg_hba."+name+".conf")
		got := plan(t, configtest.Stack(t, name, nil)).HBA
		if *update {
			require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, string(want), got, "if the change is meant: go test ./components/server -update")
	}
}

func TestAccessRulesNeverTrust(t *testing.T) {
	for _, name := range configtest.Stacks() {
		stack := configtest.Stack(t, name, nil)
		for _, rule := range stack.HBARules() {
			assert.Contains(t, []string{"scram-sha-256", "peer", "reject"}, rule.Method)
			if rule.Method == "peer" {
				assert.Equal(t, "local", rule.Type)
			}
			if stack.TLS.Required && rule.Method == "scram-sha-256" {
				assert.Equal(t, "hostssl", rule.Type)
			}
		}
	}
}

func TestHealthCheckLogsInOverTCP(t *testing.T) {
	const start = "PGPASSFILE=/var/lib/postgresql/data/pgdata/healthcheck.pgpass "
	const tls = "PGSSLMODE=verify-full PGSSLROOTCERT=/var/lib/postgresql/data/pgdata/ca.crt "
	for name, want := range map[string]string{
		"dev":  start + tls + "psql -X -w -h 127.0.0.1 -U witchcityrope_health -d witchcityrope_dev -Atqc 'SELECT 1' >/dev/null",
		"test": start + "psql -X -w -h 127.0.0.1 -U witchcityrope_health -d witchcityrope_test -Atqc 'SELECT 1' >/dev/null",
		"prod": start + tls + "psql -X -w -h 127.0.0.1 -U witchcityrope_health -d witchcityrope -Atqc 'SELECT 1' >/dev/null",
	} {
		made := plan(t, configtest.Stack(t, name, nil))
		assert.Equal(t, []string{"CMD-SHELL", want}, made.HealthCheck)
		fields := strings.Split(strings.TrimSuffix(made.PGPass, "\n"), ":")
		require.Len(t, fields, 5)
		assert.Equal(t, []string{"127.0.0.1", "5432", made.Stack.Database.Name, made.Stack.Access.Prefix + "_health"}, fields[:4])
	}
}

func TestLabelChangesWithWhatDockersProviderDoesNotSee(t *testing.T) {
	hash := func(edit func(*config.Stack)) string {
		stack := configtest.Stack(t, "test", nil)
		edit(stack)
		return plan(t, stack).Labels[labelUnseen]
	}
	same := hash(func(*config.Stack) {})
	assert.Equal(t, same, hash(func(s *config.Stack) { s.Server.Memory *= 2 }), "what the provider sees is none of its business")
	for what, edit := range map[string]func(*config.Stack){
		"interval":     func(s *config.Stack) { s.Server.HealthCheck.Interval++ },
		"timeout":      func(s *config.Stack) { s.Server.HealthCheck.Timeout++ },
		"retries":      func(s *config.Stack) { s.Server.HealthCheck.Retries++ },
		"start period": func(s *config.Stack) { s.Server.HealthCheck.StartPeriod++ },
		"query":        func(s *config.Stack) { s.Database.Name = "other" },
		"TLS":          func(s *config.Stack) { s.TLS.Enabled = true },
		"tmpfs":        func(s *config.Stack) { s.Storage.Size *= 2 },
	} {
		assert.NotEqual(t, same, hash(edit), what)
	}
}

func TestContainerKnowsNoPassword(t *testing.T) {
	for _, name := range configtest.Stacks() {
		made := plan(t, configtest.Stack(t, name, nil))
		var given string
		for _, variable := range made.Environment {
			if value, is := strings.CutPrefix(variable, "POSTGRES_PASSWORD="); is {
				given = value
			}
		}
		assert.True(t, postgres.IsScramVerifier(given), "the first password is given as a verifier")
		assert.NotContains(t, strings.Join(append(made.Command, made.HealthCheck...), " "), "SCRAM")
	}
}

func TestRotationDoesNotChangeTheContainer(t *testing.T) {
	before, after := configtest.Stack(t, "prod", nil), configtest.Stack(t, "prod", nil)
	after.Access.Generation++
	a, b := plan(t, before), plan(t, after)
	assert.Equal(t, a.Environment, b.Environment)
	assert.Equal(t, a.Command, b.Command)
	assert.Equal(t, a.Labels, b.Labels)
	assert.NotEqual(t, a.SuperuserVerifier, b.SuperuserVerifier)
	assert.NotEqual(t, a.PGPass, b.PGPass)
}

func TestStorage(t *testing.T) {
	assert.Empty(t, plan(t, configtest.Stack(t, "dev", nil)).Tmpfs)
	assert.Equal(t, map[string]string{"/var/lib/postgresql/data": "rw,size=3221225472,mode=0700"}, plan(t, configtest.Stack(t, "test", nil)).Tmpfs)
}

func TestImageCanBeReplaced(t *testing.T) {
	stack := configtest.Stack(t, "dev", nil)
	derivation, err := password.NewDerivation("a root secret of the tests, long enough", stack.Name)
	require.NoError(t, err)
	made, err := NewPlan(stack, "stand-in:16", derivation)
	require.NoError(t, err)
	assert.Equal(t, "stand-in:16", made.Image)
	assert.Equal(t, stack.Server.Image, plan(t, stack).Image)
}

func TestSecondsAreRoundedUp(t *testing.T) {
	for duration, want := range map[time.Duration]int{0: 0, time.Nanosecond: 1, time.Second: 1, 1500 * time.Millisecond: 2, 2 * time.Minute: 120} {
		assert.Equal(t, want, seconds(config.Duration(duration)))
	}
}
