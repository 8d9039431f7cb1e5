package database

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/agent"
)

func TestReadmeTellsHowToConnectAndNoSecret(t *testing.T) {
	for _, name := range configtest.Stacks() {
		made, err := newPlan(configtest.Stack(t, name, nil), "", secrets{root: "a root secret of the tests, long enough"}, agent.Binary{})
		require.NoError(t, err)
		text := readme(made.stack, made.clients)
		assert.Contains(t, text, "# witchcityrope-database, stack "+name+"\n")
		assert.Equal(t, name == "test", strings.Contains(text, "TLS is off"))
		assert.Equal(t, name == "prod", strings.Contains(text, "TCP without TLS is refused"))
		for _, client := range made.clients {
			assert.Contains(t, text, "`"+client.Internal.Username+"`")
			assert.NotContains(t, text, client.Internal.Password)
		}
	}
}

func TestSuperuserFallsBackToThePreviousAndTheFirstPassword(t *testing.T) {
	stack := configtest.Stack(t, "prod", nil)
	given := secrets{root: "a root secret of the tests, long enough"}
	first, err := newPlan(stack, "", given, agent.Binary{})
	require.NoError(t, err)
	stack.Access.Generation++
	second, err := newPlan(stack, "", given, agent.Binary{})
	require.NoError(t, err)
	assert.Equal(t, first.superuser.password, second.superuser.fallbacks[0])
	last := func(login superuserLogin) string { return login.fallbacks[len(login.fallbacks)-1] }
	assert.Equal(t, last(first.superuser), last(second.superuser), "that of a new cluster")
	stack.Access.Generation++
	third, err := newPlan(stack, "", given, agent.Binary{})
	require.NoError(t, err)
	assert.Contains(t, third.superuser.fallbacks, first.superuser.password, "what a rotation that was abandoned has left")
	assert.Contains(t, second.superuser.fallbacks, third.superuser.password, "what a rotation that was taken back has left")
	assert.NotContains(t, second.superuser.fallbacks, second.superuser.password)
}
