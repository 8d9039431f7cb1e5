package operation

import (
	"os"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/consequence"
	"github.com/witchcityrope/database/internal/engine"
)

func TestAnOutageLastsUntilALoginIsAccepted(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	measured := &outage{}
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	begins := func(resourceType string, op apitype.OpType) events.EngineEvent {
		return events.EngineEvent{EngineEvent: apitype.EngineEvent{ResourcePreEvent: &apitype.ResourcePreEvent{
			Metadata: apitype.StepEventMetadata{Type: resourceType, Op: op},
		}}}
	}
	ends := func(resourceType string) events.EngineEvent {
		return events.EngineEvent{EngineEvent: apitype.EngineEvent{ResOutputsEvent: &apitype.ResOutputsEvent{
			Metadata: apitype.StepEventMetadata{Type: resourceType, Op: apitype.OpUpdate},
		}}}
	}
	measured.see(ends(superuserType), at(0))
	assert.Zero(t, measured.took(), "nothing was replaced")
	measured.see(begins(containerType, apitype.OpDeleteReplaced), at(1))
	measured.see(begins(containerType, apitype.OpCreateReplacement), at(2))
	measured.see(ends(containerType), at(3))
	assert.Zero(t, measured.took(), "it has not come back")
	measured.see(ends(superuserType), at(4))
	measured.see(ends(superuserType), at(9))
	assert.Equal(t, 3*time.Second, measured.took())
}

func TestInterruptionsAreRemembered(t *testing.T) {
	operation := &Operation{Project: &engine.Project{Dir: t.TempDir()}, Stack: "dev"}
	require.NoError(t, os.MkdirAll(operation.Project.LocalDir("dev"), 0o700))
	type lasts = map[consequence.Class]time.Duration
	expect := func(want lasts) {
		t.Helper()
		last, err := operation.interruptions()
		require.NoError(t, err)
		assert.Equal(t, want, last)
	}
	expect(nil)
	require.NoError(t, operation.rememberInterruption(consequence.Restart, 1234567*time.Microsecond))
	expect(lasts{consequence.Restart: 1235 * time.Millisecond})
	require.NoError(t, operation.rememberInterruption(consequence.Replaced, 4*time.Second))
	require.NoError(t, operation.rememberInterruption(consequence.Replaced, 0))
	require.NoError(t, operation.rememberInterruption(consequence.Online, time.Second))
	expect(lasts{consequence.Restart: 1235 * time.Millisecond, consequence.Replaced: 4 * time.Second})
	require.NoError(t, operation.rememberInterruption(consequence.Restart, 2*time.Second))
	expect(lasts{consequence.Restart: 2 * time.Second, consequence.Replaced: 4 * time.Second})

	require.NoError(t, os.WriteFile(operation.interruptionsFile(), []byte("1.2s"), 0o600))
	_, err := operation.interruptions()
	assert.ErrorContains(t, err, "interruptions.json: ")
	assert.ErrorContains(t, err, "; delete it")
}
