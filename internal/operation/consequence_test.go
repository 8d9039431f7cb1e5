package operation

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/consequence"
	"github.com/witchcityrope/database/internal/engine"
)

// TestOnlyWhatWasEditedIsForeseen: an up with nothing to change needs no preview.
func TestOnlyWhatWasEditedIsForeseen(t *testing.T) {
	made := func() (*Operation, *tools) {
		return &Operation{
			Stack: "dev", config: &config.Stack{Target: config.Target{Type: config.Container}}, values: map[string]string{"server": "{}", "tls": "{}"},
		}, &tools{image: "postgres", standIns: []string{"tls", "docker"}}
	}
	project := &engine.Project{Dir: t.TempDir()}
	require.NoError(t, os.MkdirAll(project.LocalDir("dev"), 0o700))
	first, with := made()
	first.Project = project
	assert.True(t, first.edited(with), "nothing was ever done")
	require.NoError(t, first.rememberDeclared(with))
	for what, row := range map[string]struct {
		edit func(*Operation, *tools)
		want bool
	}{
		"nothing":          {func(*Operation, *tools) {}, false},
		"order of plugins": {func(_ *Operation, with *tools) { with.standIns = []string{"docker", "tls"} }, false},
		"a value":          {func(o *Operation, _ *tools) { o.values["tls"] = `{"required":true}` }, true},
		"the image":        {func(_ *Operation, with *tools) { with.image = "another" }, true},
		"the plugins":      {func(_ *Operation, with *tools) { with.standIns = nil }, true},
		"another target":   {func(o *Operation, _ *tools) { o.config.Target.Type = config.External }, true},
	} {
		next, with := made()
		next.Project = project
		row.edit(next, with)
		assert.Equal(t, row.want, next.edited(with), what)
	}
	require.NoError(t, first.forgetDeclared())
	assert.True(t, first.edited(with))
	require.NoError(t, first.forgetDeclared(), "once more")
}

func TestNobodyApprovesAnInterruption(t *testing.T) {
	operation := &Operation{Stack: "dev"}
	assert.NoError(t, operation.approve(consequence.Forecast{Class: consequence.NewSessions}))
	assert.ErrorContains(t, operation.approve(consequence.Forecast{Class: consequence.Restart, Effects: []consequence.Effect{{Class: consequence.Restart}}}), "not approved")
}

func TestDeletedNetworksHaveTheNamesOfBefore(t *testing.T) {
	network := func(operation, before, after string) engine.Change {
		return engine.Change{Operation: operation, Type: networkType, Before: map[string]any{"name": before}, After: map[string]any{"name": after}}
	}
	assert.Equal(t, []string{"old", "admin", "dropped"}, deletedNetworks([]engine.Change{
		network("replace", "old", "new"), network("replace", "admin", "admin"), network("delete", "dropped", ""), network("update", "kept", "kept"),
		{Operation: "create", Type: networkType, After: map[string]any{"name": "made"}},
		{Operation: "replace", Type: containerType, Before: map[string]any{"name": "db"}},
	}))
}
