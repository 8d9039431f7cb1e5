package settings

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config/configtest"
)

// values are the flags as a map; they have to come as pairs, sorted, each name once.
func values(t *testing.T, plan Plan) map[string]string {
	t.Helper()
	require.Zero(t, len(plan.StartupFlags)%2)
	found := map[string]string{}
	var names []string
	for pair := range slices.Chunk(plan.StartupFlags, 2) {
		require.Equal(t, "-c", pair[0])
		name, value, is := strings.Cut(pair[1], "=")
		require.True(t, is, pair[1])
		require.NotContains(t, found, name)
		found[name], names = value, append(names, name)
	}
	require.True(t, slices.IsSorted(names), "another order would replace the container")
	return found
}

func TestEverySettingIsAFlag(t *testing.T) {
	for _, name := range configtest.Stacks() {
		stack := configtest.Stack(t, name, nil)
		found := values(t, NewPlan(stack))
		for setting, value := range stack.Settings {
			assert.Equal(t, string(value), found[setting], "%s: %s", name, setting)
		}
		assert.Equal(t, "scram-sha-256", found["password_encryption"])
		assert.NotContains(t, found, "ssl", "TLS is switched on in the running server")
	}
}

func TestCertificateIsNamedWhereTLSIsOn(t *testing.T) {
	found := values(t, NewPlan(configtest.Stack(t, "prod", nil)))
	assert.Equal(t, [3]string{"server.pem", "server.pem", "TLSv1.2"},
		[3]string{found["ssl_cert_file"], found["ssl_key_file"], found["ssl_min_protocol_version"]})
	assert.NotContains(t, values(t, NewPlan(configtest.Stack(t, "test", nil))), "ssl_cert_file")
}

func TestProtocolVersionCanBeRaised(t *testing.T) {
	stack := configtest.Stack(t, "dev", nil)
	stack.Settings["ssl_min_protocol_version"] = "TLSv1.3"
	assert.Equal(t, "TLSv1.3", values(t, NewPlan(stack))["ssl_min_protocol_version"])
}

func TestPlanLeavesTheConfigurationAlone(t *testing.T) {
	stack := configtest.Stack(t, "dev", nil)
	before := len(stack.Settings)
	NewPlan(stack)
	assert.Len(t, stack.Settings, before)
}
