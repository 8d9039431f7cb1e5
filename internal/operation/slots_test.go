package operation

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/password"
	"github.com/witchcityrope/database/internal/pgtest"
)

// TestReusedSlots: a login is one whose turn it is again however far the number
// was raised, but not if somebody changed its password by hand.
func TestReusedSlots(t *testing.T) {
	server := pgtest.Start(t)
	session := server.Connect(t)
	derivation, err := password.NewDerivation("a root secret of the tests, long enough", "dev")
	require.NoError(t, err)
	stack := configtest.Stack(t, "dev", map[string]string{"access": `{"generation": 1}`})
	names := stack.Access.Names()
	execute := func(statement string) {
		_, err := session.Exec(t.Context(), statement)
		require.NoError(t, err, statement)
	}
	for _, login := range append(names.AppSlots[:], names.MigratorSlots[:]...) {
		execute(fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", login, derivation.Verifier(login, names.Generation(login))))
	}
	execute("CREATE ROLE " + names.Owner)
	operation := &Operation{Stack: "dev", config: stack}
	reused := func(generation int) []string {
		stack.Access.Generation = generation
		found, err := operation.reusedSlots(t.Context(), session, derivation)
		require.NoError(t, err)
		return found
	}
	assert.Empty(t, reused(1))
	assert.Equal(t, []string{names.AppSlots[0], names.MigratorSlots[0]}, reused(2))
	assert.Len(t, reused(21), 4)
	execute(fmt.Sprintf("ALTER ROLE %s PASSWORD 'by hand'", names.AppSlots[0]))
	assert.Len(t, reused(21), 3)

	app := names.AppSlots[1]
	assert.NoError(t, operation.slotsOwnNothing(t.Context(), session, reused(2)))
	execute("SET ROLE " + app + "; SELECT lo_create(4711); RESET ROLE")
	err = operation.slotsOwnNothing(t.Context(), session, []string{names.AppSlots[0]})
	assert.ErrorContains(t, err, "login "+app+" owns:\n    large object 4711\n  in that database, as superuser: REASSIGN OWNED BY")
	assert.NoError(t, operation.slotsOwnNothing(t.Context(), session, []string{names.MigratorSlots[0]}), "those own nothing")
	stack.Access.Application.CreateDatabases = true
	assert.NoError(t, operation.slotsOwnNothing(t.Context(), session, []string{names.AppSlots[0]}), "it may own what it creates")
	stack.Access.Application.CreateDatabases = false
	execute(fmt.Sprintf("REASSIGN OWNED BY %s TO %s", app, names.Owner))
	assert.NoError(t, operation.slotsOwnNothing(t.Context(), session, []string{names.AppSlots[0]}))
}
