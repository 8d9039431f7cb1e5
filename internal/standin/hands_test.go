package standin_test

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/attach"
	"github.com/witchcityrope/database/internal/dockerengine/dockertest"
	"github.com/witchcityrope/database/internal/pgtest"
	"github.com/witchcityrope/database/internal/postgres"
)

// TestStackChangesHands lets the stand-ins take over what the published plugins made, as on a day without network, and
// the published plugins take it back.
func TestStackChangesHands(t *testing.T) {
	if !published() {
		t.Skipf("NOT RUN: this test needs the published plugins; name their folder in %s", publishedPlugins)
	}
	server := pgtest.Start(t)
	execute(t, server.Connect(t), "CREATE DATABASE app")
	engine := dockertest.Engine(t)
	m := newMachine(t, engine)
	dockertest.Remove(t, engine, m.name)
	c := &tenant{
		port: server.Port, verifier: postgres.ScramVerifier("a password", []byte("salt of sixteen."), 4096),
		privileges: []string{"SELECT", "INSERT"},
	}
	s, _ := stack(t, func(ctx *pulumi.Context) error {
		if err := m.server(ctx); err != nil {
			return err
		}
		return c.access(ctx)
	})
	_, err := s.Up(t.Context())
	require.NoError(t, err)
	settled(t, s)

	s.Workspace().SetEnvVar(attach.Variable, attached(t))
	unchanged(t, s)
	_, err = s.Refresh(t.Context())
	require.NoError(t, err)
	settled(t, s)
	m.memory, c.privileges = 96, []string{"SELECT"}
	_, err = s.Up(t.Context())
	require.NoError(t, err)
	settled(t, s)

	s.Workspace().UnsetEnvVar(attach.Variable)
	m.memory, c.privileges = 64, []string{"SELECT", "UPDATE"}
	preview, err := s.Preview(t.Context())
	require.NoError(t, err)
	assert.Zero(t, preview.ChangeSummary[apitype.OpReplace], "the published plugins would replace: %s", preview.StdOut)
	_, err = s.Up(t.Context())
	require.NoError(t, err)
	settled(t, s)
}
