package config

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDeclaredLoginsHaveGenerations(t *testing.T) {
	stack := decoded(t, map[string]string{"access": `{"generation": 3, "generations": {"partner": 2, "app": 1},
		"roles": [{"name": "auditors"}, {"name": "partner", "login": true, "connectionLimit": 1}, {"name": "vendor", "login": true, "password": "kept", "connectionLimit": 1},
			{"name": "readonly", "login": true}]}`})
	names := stack.Access.Names()
	assert.Equal(t, append(append([]string{}, LoginNames...), "partner"), stack.Access.Logins())
	assert.Equal(t, 5, names.Generation("partner"))
	assert.Equal(t, 4, names.Generation(names.App()))
	assert.Equal(t, 3, names.Generation(names.ReadOnly))
}

// TestDeclaredLoginsComeFromTheNewRootSecret at once: they have one password each.
func TestDeclaredLoginsComeFromTheNewRootSecret(t *testing.T) {
	stack := decoded(t, map[string]string{"access": `{"generation": 2, "roles": [{"name": "partner", "login": true, "connectionLimit": 1}],
		"root": {"number": 2, "since": {"app": 2, "migrator": 2, "readonly": 2, "monitor": 2, "backup": 2, "health": 2, "superuser": 2}}}`})
	assert.Zero(t, stack.RootSince()["partner"])
	assert.True(t, stack.Access.Root.HasPrevious())
	assert.False(t, stack.RootSettled(), "the logins that clients move away from")
	stack.Access.Generation++
	assert.True(t, stack.RootSettled())
}
