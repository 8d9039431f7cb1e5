// Package tests proves the program as a whole.
package tests

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/password"
	"github.com/witchcityrope/database/tests/program"
)

var update = flag.Bool("update", false, "write the golden files anew")

var stacks = []string{"dev", "test", "prod"}

// registered runs the program of a committed stack file with the canary secret.
func registered(t *testing.T, stack string) []program.Registration {
	t.Helper()
	values := program.StackValues(t, stack)
	delete(values, "rootSecretFrom")
	registrations, err := program.Run{
		Stack: stack, Values: values, Dir: t.TempDir(), Secret: map[string]string{config.RootSecretKey: program.RootSecret},
	}.Do()
	require.NoError(t, err)
	return registrations
}

// record is a registration as the golden files have it.
type record struct {
	Type         string   `yaml:"type"`
	Name         string   `yaml:"name"`
	Parent       string   `yaml:"parent,omitempty"`
	Provider     string   `yaml:"provider,omitempty"`
	Dependencies []string `yaml:"dependencies,omitempty"`
	Options      []string `yaml:"options,omitempty"`
	Inputs       any      `yaml:"inputs,omitempty"`
}

func newRecord(registration program.Registration) record {
	request := registration.Request
	shown := record{
		Type: request.GetType(), Name: request.GetName(), Parent: short(request.GetParent()), Provider: short(request.GetProvider()),
		Inputs: masked(resource.NewProperty(registration.Inputs)),
	}
	for _, dependency := range request.GetDependencies() {
		shown.Dependencies = append(shown.Dependencies, short(dependency))
	}
	slices.Sort(shown.Dependencies)
	option := func(name string, values ...string) {
		if len(values) > 0 && values[0] != "" {
			shown.Options = append(shown.Options, name+": "+strings.Join(values, ", "))
		}
	}
	flagged := func(name string, set bool) {
		if set {
			option(name, "true")
		}
	}
	flagged("protect", request.GetProtect())
	flagged("retainOnDelete", request.GetRetainOnDelete())
	option("deletedWith", short(request.GetDeletedWith()))
	option("ignoreChanges", request.GetIgnoreChanges()...)
	option("additionalSecretOutputs", request.GetAdditionalSecretOutputs()...)
	flagged("deleteBeforeReplace", request.GetDeleteBeforeReplaceDefined() && request.GetDeleteBeforeReplace())
	flagged("replacementTrigger", request.GetReplacementTrigger() != nil)
	return shown
}

// short is the name at the end of a URN.
func short(urn string) string {
	parts := strings.Split(urn, "::")
	if len(parts) < 4 {
		return urn
	}
	return parts[3]
}

// masked makes plain values of properties; secrets become a mark.
func masked(value resource.PropertyValue) any {
	switch {
	case value.IsSecret():
		return "[secret]"
	case value.IsOutput():
		if value.OutputValue().Secret {
			return "[secret]"
		}
		return masked(value.OutputValue().Element)
	case value.IsArray():
		list := []any{}
		for _, element := range value.ArrayValue() {
			list = append(list, masked(element))
		}
		return list
	case value.IsObject():
		object := map[string]any{}
		for key, element := range value.ObjectValue() {
			object[string(key)] = masked(element)
		}
		return object
	default:
		return value.V
	}
}

func TestGoldenRegistrations(t *testing.T) {
	for _, stack := range stacks {
		t.Run(stack, func(t *testing.T) {
			var records []record
			for _, registration := range registered(t, stack) {
				records = append(records, newRecord(registration))
			}
			got, err := yaml.Marshal(records)
			require.NoError(t, err)
			path := filepath.Join("testdata", "golden", stack+".yaml")
			if *update {
				require.NoError(t, os.WriteFile(path, got, 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err, "run: go test ./tests -run Golden -update")
			assert.Equal(t, string(want), string(got), "if the change is meant: go test ./tests -run Golden -update")
		})
	}
}

// identity is the type and the name at the end of a URN: a name alone is not unique.
func identity(urn string) string {
	parts := strings.Split(urn, "::")
	if len(parts) < 4 {
		return urn
	}
	types := strings.Split(parts[2], "$")
	return types[len(types)-1] + "::" + parts[3]
}

func TestEveryResourceDescendsFromTheTopComponent(t *testing.T) {
	const top = "database:database:Database::database"
	for _, stack := range stacks {
		parents := map[string]string{}
		for _, registration := range registered(t, stack) {
			request := registration.Request
			parents[request.GetType()+"::"+request.GetName()] = identity(request.GetParent())
		}
		require.Contains(t, parents, top)
		for resource := range parents {
			ancestor := resource
			for range len(parents) {
				if ancestor == top {
					break
				}
				ancestor = parents[ancestor]
			}
			assert.Equal(t, top, ancestor, "%s: %s does not descend from the top component", stack, resource)
		}
	}
}

func TestEveryRegistrationNamesItsProvider(t *testing.T) {
	for _, stack := range stacks {
		for _, registration := range registered(t, stack) {
			request := registration.Request
			if request.GetCustom() && !strings.HasPrefix(request.GetType(), "pulumi:providers:") {
				assert.NotEmpty(t, request.GetProvider(), "%s: %s would use a default provider", stack, request.GetName())
			}
		}
	}
}

// derivedPasswords are all passwords of a stack for the canary secret.
func derivedPasswords(t *testing.T, stack string) []string {
	t.Helper()
	derivation, err := password.NewDerivation(program.RootSecret, stack)
	require.NoError(t, err)
	values := program.StackValues(t, stack)
	decoded, err := config.Decode(program.Project, stack, values)
	require.NoError(t, err)
	names := decoded.Access.Names()
	roles := append(append(names.AppSlots[:], names.MigratorSlots[:]...), names.ReadOnly, names.Monitor, names.Backup, names.Health, "postgres")
	var passwords []string
	for _, role := range roles {
		for generation := -1; generation <= 3; generation++ {
			passwords = append(passwords, derivation.Password(role, generation))
		}
	}
	return passwords
}

func TestNoSecretIsRegisteredInClear(t *testing.T) {
	for _, stack := range stacks {
		registrations := registered(t, stack)
		require.Greater(t, len(registrations), 40)
		for _, registration := range registrations {
			shown, err := json.Marshal(masked(resource.NewProperty(registration.Inputs)))
			require.NoError(t, err)
			assert.NotContains(t, string(shown), program.RootSecret)
			assert.NotContains(t, string(shown), "SCRAM-SHA-256$", "a verifier in clear: %s", registration.Request.GetName())
			assert.NotContains(t, string(shown), program.PrivateKey, "a private key in clear: %s", registration.Request.GetName())
			for _, secret := range derivedPasswords(t, stack) {
				assert.NotContains(t, string(shown), secret, "%s: %s", stack, registration.Request.GetName())
			}
		}
	}
}
