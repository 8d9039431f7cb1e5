package operation

import (
	"os"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
	expect := func(want time.Duration) {
		t.Helper()
		last, err := operation.lastInterruption()
		require.NoError(t, err)
		assert.Equal(t, want, last)
	}
	expect(0)
	began := time.Now()
	require.NoError(t, operation.rememberInterruption(&outage{began: began, ended: began.Add(1234567 * time.Microsecond)}))
	expect(1235 * time.Millisecond)
	require.NoError(t, operation.rememberInterruption(&outage{}))
	expect(1235 * time.Millisecond)
}
