package access

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/quick"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/password"
	"github.com/witchcityrope/database/internal/postgres"
)

func derivation(t testing.TB) *password.Derivation {
	t.Helper()
	made, err := password.NewDerivation("a root secret of the tests, long enough", "dev")
	require.NoError(t, err)
	return made
}

func TestNames(t *testing.T) {
	names := config.Access{Prefix: "shop", Generation: 1}.Names()
	assert.Equal(t, "shop_owner", names.Owner)
	assert.Equal(t, [2]string{"shop_app_0", "shop_app_1"}, names.AppSlots)
	for client, login := range map[string]string{
		"app": "shop_app_1", "migrator": "shop_migrator", "readonly": "shop_readonly", "monitor": "shop_monitor", "backup": "shop_backup",
	} {
		got, err := names.Login(client)
		require.NoError(t, err)
		assert.Equal(t, login, got)
	}
	_, err := names.Login("web")
	assert.EqualError(t, err, "no client web: known are app, migrator, readonly, monitor and backup")
}

func TestGenerationsAlternateBetweenTheSlots(t *testing.T) {
	for generation := 1; generation <= 10; generation++ {
		names := config.Access{Prefix: "shop", Generation: generation}.Names()
		current := names.AppSlots[generation%2]
		idle := names.AppSlots[(generation+1)%2]
		assert.Equal(t, current, names.App(), "generation %d", generation)
		assert.Equal(t, generation, names.Generation(current))
		assert.Equal(t, generation-1, names.Generation(idle), "the other slot still has the password of the generation before")
		assert.Equal(t, names.MigratorSlots[generation%2], names.Migrator)
		assert.Equal(t, generation, names.Generation(names.Migrator))
		assert.Equal(t, generation-1, names.Generation(names.MigratorSlots[(generation+1)%2]))
		assert.Equal(t, generation, names.Generation(names.Monitor))
	}
}

func TestOneLoginsGenerationChangesNoOther(t *testing.T) {
	stack := configtest.Stack(t, "dev", nil)
	roles := func() map[string]string {
		found := map[string]string{}
		for _, role := range NewPlan(stack, derivation(t)).Roles {
			found[role.Name] = role.Verifier
		}
		return found
	}
	names, before := stack.Access.Names(), roles()
	stack.Access.Generations = config.Generations{"app": 1}
	after := roles()
	for role := range before {
		assert.Equal(t, role == names.AppSlots[0], before[role] != after[role], role)
	}
	assert.Equal(t, names.AppSlots[0], stack.Access.Names().App(), "the other slot's turn")
	assert.Equal(t, names.Migrator, stack.Access.Names().Migrator)
}

// TestNewRootSecretChangesWhatARotationChanges, and no other password: that of
// the slot which clients still use comes from the previous root secret.
func TestNewRootSecretChangesWhatARotationChanges(t *testing.T) {
	stack := configtest.Stack(t, "dev", nil)
	stack.Access.Generations = config.Generations{"app": 4, "superuser": 2}
	verifiers := func(derivation *password.Derivation) map[string]string {
		found := map[string]string{}
		for _, role := range NewPlan(stack, derivation).Roles {
			found[role.Name] = role.Verifier
		}
		found["postgres"] = derivation.Verifier("postgres", stack.Access.GenerationOf(config.Superuser))
		return found
	}
	first, names := verifiers(derivation(t)), stack.Access.Names()
	stack.Access.Generation++
	rotated := verifiers(derivation(t))
	stack.Access.Root.Since = config.Generations{}
	for _, login := range config.LoginNames {
		stack.Access.Root.Since[login] = stack.Access.GenerationOf(login)
	}
	next, err := password.NewDerivation("another root secret of the tests, long enough", "dev")
	require.NoError(t, err)
	both, err := next.After("a root secret of the tests, long enough", stack.RootSince())
	require.NoError(t, err)
	assert.False(t, stack.RootSettled())
	for role, verifier := range verifiers(both) {
		inUse := role == names.App() || role == names.Migrator || verifier == ""
		assert.Equal(t, inUse, verifier == first[role], role)
		assert.Equal(t, inUse, verifier == rotated[role], "%s comes from the new root secret", role)
	}
	assert.Equal(t, derivation(t).Password("postgres", 3), both.Password("postgres", stack.SuperuserGenerations()[1]), "what it has before")

	stack.Access.Generation++
	assert.True(t, stack.RootSettled(), "a further rotation has replaced them all")
	assert.Equal(t, verifiers(next), verifiers(both))
}

func TestRotationLeavesThePreviousSlotAlone(t *testing.T) {
	stack := configtest.Stack(t, "dev", nil)
	verifiers := func(generation int) map[string]string {
		stack.Access.Generation = generation
		found := map[string]string{}
		for _, role := range NewPlan(stack, derivation(t)).Roles {
			found[role.Name] = role.Verifier
		}
		return found
	}
	for generation := 1; generation <= 6; generation++ {
		names := config.Access{Prefix: stack.Access.Prefix, Generation: generation}.Names()
		before, after := verifiers(generation), verifiers(generation+1)
		for role := range before {
			keeps := role == names.App() || role == names.Migrator || before[role] == ""
			assert.Equal(t, keeps, before[role] == after[role], "%s from generation %d to the next", role, generation)
		}
	}
}

// faults of a plan are what no plan may have, whatever the configuration.
func faults(plan Plan) []string {
	var found []string
	fault := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	declared := []string{public, "pg_monitor", "pg_read_all_data", "pg_read_all_settings", "pg_use_reserved_connections"}
	for _, role := range plan.Roles {
		if slices.Contains(declared, role.Name) {
			fault("role %s is there twice", role.Name)
		}
		if role.Login != postgres.IsScramVerifier(role.Verifier) {
			fault("role %s: login %v, verifier %q", role.Name, role.Login, role.Verifier)
		}
		if err := postgres.ValidateIdentifier(role.Name + "__aside"); err != nil {
			fault("%v", err)
		}
		for _, group := range role.MemberOf {
			if !slices.Contains(declared, group) {
				fault("role %s is a member of %s, which comes later or never", role.Name, group)
			}
		}
		if role.AssumeRole != "" && !slices.Contains(role.MemberOf, role.AssumeRole) {
			fault("role %s acts as %s without being a member", role.Name, role.AssumeRole)
		}
		declared = append(declared, role.Name)
	}
	known := func(what, role string) {
		if !slices.Contains(declared, role) {
			fault("%s names role %s, which is not declared", what, role)
		}
	}
	var keys []string
	for _, grant := range plan.Grants {
		known("grant", grant.Role)
		keys = append(keys, strings.Join([]string{grant.ObjectType, grant.Database, grant.Schema, grant.Role}, " "))
		if grant.Role == public && len(grant.Privileges) > 0 {
			fault("everybody may %v on %s %s %s", grant.Privileges, grant.ObjectType, grant.Database, grant.Schema)
		}
	}
	for _, privileges := range plan.DefaultPrivileges {
		known("default privilege", privileges.Role)
		known("default privilege", privileges.Owner)
		keys = append(keys, strings.Join([]string{"default", privileges.ObjectType, privileges.Role}, " "))
	}
	for _, schema := range plan.Schemas {
		known("schema", schema.Owner)
	}
	slices.Sort(keys)
	if len(slices.Compact(slices.Clone(keys))) != len(keys) {
		fault("two resources for one thing: %v", keys)
	}
	return found
}

func TestEveryPlanIsConsistent(t *testing.T) {
	roots := derivation(t)
	property := func(prefix uint32, generation uint16, schemas []uint8, truncate, createDatabases bool) bool {
		stack := configtest.Stack(t, "dev", nil)
		stack.Access = config.Access{
			Prefix: fmt.Sprintf("p%d", prefix), Generation: int(generation) + 1,
			Application: config.Application{Truncate: truncate, CreateDatabases: createDatabases},
		}
		stack.Database.Schemas = []config.Schema{{Name: "public"}}
		for i := range schemas {
			stack.Database.Schemas = append(stack.Database.Schemas, config.Schema{Name: fmt.Sprintf("s%d", i)})
		}
		found := faults(NewPlan(stack, roots))
		for _, fault := range found {
			t.Error(fault)
		}
		return len(found) == 0
	}
	require.NoError(t, quick.Check(property, &quick.Config{MaxCount: 30}))
}

func TestPlansOfTheStacks(t *testing.T) {
	for _, name := range configtest.Stacks() {
		stack := configtest.Stack(t, name, nil)
		plan := NewPlan(stack, derivation(t))
		assert.Empty(t, faults(plan), name)
		for _, role := range plan.Roles {
			slot := strings.HasSuffix(role.Name, "_app_0") || strings.HasSuffix(role.Name, "_app_1")
			assert.Equal(t, slot && name == "test", role.CreateDatabase, "%s: %s", name, role.Name)
		}
		for _, privileges := range plan.DefaultPrivileges {
			assert.Equal(t, name == "test" && privileges.ObjectType == "table" && strings.HasSuffix(privileges.Role, "_rw"),
				slices.Contains(privileges.Privileges, "TRUNCATE"), "%s: %s", name, privileges.Role)
		}
	}
}

func TestOnlyTheOwnerAndTheMigratorCreate(t *testing.T) {
	plan := NewPlan(configtest.Stack(t, "prod", nil), derivation(t))
	for _, grant := range plan.Grants {
		if slices.Contains(grant.Privileges, "CREATE") {
			assert.Equal(t, "witchcityrope_owner", grant.Role)
		}
	}
	var actsAsOwner []string
	for _, role := range plan.Roles {
		if slices.Contains(role.MemberOf, "witchcityrope_owner") {
			actsAsOwner = append(actsAsOwner, role.Name)
		}
	}
	assert.Equal(t, []string{"witchcityrope_migrator_0", "witchcityrope_migrator"}, actsAsOwner)
}
