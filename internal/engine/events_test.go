package engine

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/stretchr/testify/assert"
)

func pre(op apitype.OpType, urn string) events.EngineEvent {
	return events.EngineEvent{EngineEvent: apitype.EngineEvent{ResourcePreEvent: &apitype.ResourcePreEvent{
		Metadata: apitype.StepEventMetadata{Op: op, URN: "urn:pulumi:dev::p::t::" + urn, Type: "t"},
	}}}
}

func outputs(op apitype.OpType, urn string, before, after *apitype.StepEventStateMetadata) events.EngineEvent {
	return events.EngineEvent{EngineEvent: apitype.EngineEvent{ResOutputsEvent: &apitype.ResOutputsEvent{
		Metadata: apitype.StepEventMetadata{Op: op, URN: "urn:pulumi:dev::p::t::" + urn, Type: "t", Old: before, New: after},
	}}}
}

func state(inputs, outputs map[string]any) *apitype.StepEventStateMetadata {
	return &apitype.StepEventStateMetadata{Inputs: inputs, Outputs: outputs}
}

func TestRefreshReportsDriftOfInputs(t *testing.T) {
	declared := map[string]any{"limit": -1, "__meta": "a"}
	same := map[string]any{"x": 1}
	for name, row := range map[string]struct {
		event events.EngineEvent
		want  []Change
	}{
		"unchanged":     {outputs(apitype.OpSame, "r", state(declared, same), state(declared, same)), []Change{}},
		"an input":      {outputs(apitype.OpUpdate, "r", state(declared, same), state(map[string]any{"limit": 7}, same)), []Change{{Operation: "drifted", Type: "t", Name: "r", Properties: []string{"limit"}}}},
		"computed only": {outputs(apitype.OpUpdate, "r", state(declared, same), state(declared, map[string]any{"x": 2})), []Change{}},
		"masked":        {outputs(apitype.OpUpdate, "r", state(declared, same), state(declared, same)), []Change{{Operation: "drifted", Type: "t", Name: "r", Properties: []string{"a secret"}}}},
		"gone":          {outputs(apitype.OpDelete, "r", state(declared, same), nil), []Change{{Operation: "missing", Type: "t", Name: "r"}}},
	} {
		t.Run(name, func(t *testing.T) {
			collected := newSummary("dev")
			collected.add(pre(apitype.OpRefresh, "r"))
			collected.add(row.event)
			assert.Equal(t, row.want, collected.result.Changes)
		})
	}
}

func TestStepsHaveTheirInputs(t *testing.T) {
	step := func(op apitype.OpType, before, after map[string]any) apitype.StepEventMetadata {
		metadata := apitype.StepEventMetadata{Op: op, URN: "urn:pulumi:dev::p::t::r", Type: "t", Keys: []string{"image"}}
		if before != nil {
			metadata.Old = &apitype.StepEventStateMetadata{Inputs: before, RetainOnDelete: true}
		}
		if after != nil {
			metadata.New = &apitype.StepEventStateMetadata{Inputs: after}
		}
		return metadata
	}
	one, two := map[string]any{"x": 1, "__defaults": 1}, map[string]any{"x": 2}
	for name, row := range map[string]struct {
		step apitype.StepEventMetadata
		want []Change
	}{
		"replace":             {step(apitype.OpReplace, one, two), []Change{{Operation: "replace", Type: "t", Name: "r", Replaces: []string{"image"}, Before: one, After: two, Kept: true}}},
		"create":              {step(apitype.OpCreate, nil, two), []Change{{Operation: "create", Type: "t", Name: "r", Replaces: []string{"image"}, After: two}}},
		"same":                {step(apitype.OpSame, one, map[string]any{"x": 1}), []Change{}},
		"not seen by plugins": {step(apitype.OpSame, one, two), []Change{{Operation: Ignored, Type: "t", Name: "r", Properties: []string{"x"}, Replaces: []string{"image"}, Before: one, After: two, Kept: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			collected := newSummary("dev")
			collected.change(row.step)
			assert.Equal(t, row.want, collected.result.Changes)
		})
	}
}

func TestSameAsAPluginSeesIt(t *testing.T) {
	set := func(elements ...any) []any { return elements }
	assert.True(t, Same(set(map[string]any{"name": "a", "__defaults": set()}, map[string]any{"name": "b"}), set(map[string]any{"name": "b"}, map[string]any{"name": "a", "ip": ""})))
	assert.True(t, Same(nil, set()))
	assert.True(t, Same(false, nil))
	assert.False(t, Same(set("a"), set("b")))
	assert.False(t, Same(map[string]any{"x": 1.0}, map[string]any{"x": 2.0}))
	assert.False(t, Same("on", true))
}

func TestStepsAreCountedOnce(t *testing.T) {
	collected := newSummary("dev")
	for _, op := range []apitype.OpType{apitype.OpSame, apitype.OpReplace, apitype.OpCreateReplacement, apitype.OpDeleteReplaced, apitype.OpCreate} {
		collected.add(pre(op, string(op)))
	}
	assert.Equal(t, []Change{{Operation: "replace", Type: "t", Name: "replace"}, {Operation: "create", Type: "t", Name: "create"}}, collected.result.Changes)
}

func TestDiagnosticsLoseTheirColours(t *testing.T) {
	collected := newSummary("dev")
	collected.add(events.EngineEvent{EngineEvent: apitype.EngineEvent{DiagnosticEvent: &apitype.DiagnosticEvent{
		Severity: "warning", Message: "<{%reset%}>mind the gap<{%reset%}>\n", URN: "urn:pulumi:dev::p::t::train",
	}}})
	assert.Equal(t, []string{"train: mind the gap"}, collected.result.Warnings)
}
