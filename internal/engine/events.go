package engine

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

// Change is one resource that an operation changes, or would change.
type Change struct {
	Operation  string   `json:"operation"` // create, update, replace, delete, …
	Type       string   `json:"type"`
	Name       string   `json:"name"`
	Properties []string `json:"properties,omitempty"` // the inputs that differ

	// Replaces are those of the properties for which the resource is made anew.
	Replaces []string `json:"-"`
	// Before and After are the inputs, with secrets masked; nil for what was
	// not there, or will not be.
	Before map[string]any `json:"-"`
	After  map[string]any `json:"-"`
	// Kept says that the resource is forgotten and not deleted.
	Kept bool `json:"-"`
}

// Ignored is the operation of a change that the provider's plugin does not see.
const Ignored = "ignored"

// Result is what an operation did, or would do.
type Result struct {
	Stack   string         `json:"stack"`
	Changes []Change       `json:"changes"`
	Summary map[string]int `json:"summary"` // resources by operation, unchanged ones as "same"
	Seconds float64        `json:"seconds"`
	// Warnings are what the engine, the program and the providers had to say.
	Warnings []string `json:"warnings,omitempty"`
}

// summary collects a Result from events.
type summary struct {
	result     Result
	faults     []string
	refreshing map[string]bool // URNs that a refresh is reading
}

func newSummary(stack string) *summary {
	return &summary{refreshing: map[string]bool{}, result: Result{Stack: stack, Changes: []Change{}, Summary: map[string]int{}}}
}

// steps that are parts of a replace, or no change at all.
var silentOperations = []apitype.OpType{
	apitype.OpSame, apitype.OpRead, apitype.OpCreateReplacement, apitype.OpDeleteReplaced, apitype.OpReadReplacement,
	apitype.OpReadDiscard, apitype.OpDiscardReplaced, apitype.OpRemovePendingReplace, apitype.OpRefresh,
}

func (s *summary) add(event events.EngineEvent) {
	switch {
	case event.ResourcePreEvent != nil && event.ResourcePreEvent.Metadata.Op == apitype.OpRefresh:
		s.refreshing[event.ResourcePreEvent.Metadata.URN] = true
	case event.ResourcePreEvent != nil:
		s.change(event.ResourcePreEvent.Metadata)
	case event.ResOutputsEvent != nil && s.refreshing[event.ResOutputsEvent.Metadata.URN]:
		delete(s.refreshing, event.ResOutputsEvent.Metadata.URN)
		s.drift(event.ResOutputsEvent.Metadata)
	case event.DiagnosticEvent != nil:
		s.diagnose(*event.DiagnosticEvent)
	case event.SummaryEvent != nil:
		for operation, count := range event.SummaryEvent.ResourceChanges {
			s.result.Summary[string(operation)] = count
		}
	}
}

func (s *summary) change(step apitype.StepEventMetadata) {
	if step.Op == apitype.OpSame && step.Old != nil && step.New != nil {
		inputs := slices.DeleteFunc(differing(step.Old.Inputs, step.New.Inputs), func(name string) bool {
			return Same(step.Old.Inputs[name], step.New.Inputs[name])
		})
		if len(inputs) > 0 {
			change := withInputs(newChange(Ignored, step), step)
			change.Properties = inputs
			s.result.Changes = append(s.result.Changes, change)
		}
		return
	}
	if !slices.Contains(silentOperations, step.Op) && step.Type != "pulumi:pulumi:Stack" {
		s.result.Changes = append(s.result.Changes, withInputs(newChange(string(step.Op), step), step))
	}
}

// drift is what a refresh found to differ from what was declared. Computed
// properties may change by themselves; only inputs count. Secrets are masked
// in events: where something changed and nothing can be seen, it was one.
func (s *summary) drift(step apitype.StepEventMetadata) {
	switch {
	case step.Op == apitype.OpDelete || step.New == nil:
		s.result.Changes = append(s.result.Changes, newChange("missing", step))
	case step.Op == apitype.OpUpdate && step.Old != nil:
		inputs := differing(step.Old.Inputs, step.New.Inputs)
		if len(inputs) == 0 && len(differing(step.Old.Outputs, step.New.Outputs)) == 0 {
			inputs = []string{"a secret"}
		}
		if len(inputs) > 0 {
			change := newChange("drifted", step)
			change.Properties = inputs
			s.result.Changes = append(s.result.Changes, change)
		}
	}
}

// differing names the properties that two sets have different values of,
// without those that are the provider's own business.
func differing(a, b map[string]any) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(mergedKeys(a, b))) {
		if !strings.HasPrefix(name, "__") && !reflect.DeepEqual(a[name], b[name]) {
			names = append(names, name)
		}
	}
	return names
}

func mergedKeys(a, b map[string]any) map[string]any {
	keys := maps.Clone(a)
	if keys == nil {
		keys = map[string]any{}
	}
	maps.Copy(keys, b)
	return keys
}

func newChange(operation string, step apitype.StepEventMetadata) Change {
	change := Change{Operation: operation, Type: step.Type, Name: ResourceName(step.URN)}
	for property := range step.DetailedDiff {
		change.Properties = append(change.Properties, property)
	}
	if len(change.Properties) == 0 {
		change.Properties = slices.Clone(step.Diffs)
	}
	slices.Sort(change.Properties)
	return change
}

// withInputs adds what is needed to foresee a change's consequence.
func withInputs(change Change, step apitype.StepEventMetadata) Change {
	change.Replaces = slices.Clone(step.Keys)
	if step.Old != nil {
		change.Before, change.Kept = step.Old.Inputs, step.Old.RetainOnDelete
	}
	if step.New != nil {
		change.After = step.New.Inputs
	}
	return change
}

func (s *summary) diagnose(event apitype.DiagnosticEvent) {
	text := strings.TrimSpace(uncolored(event.Message))
	if text == "" || event.Ephemeral {
		return
	}
	if event.URN != "" {
		text = ResourceName(event.URN) + ": " + text
	}
	switch event.Severity {
	case "error":
		s.faults = append(s.faults, text)
	case "warning":
		s.result.Warnings = append(s.result.Warnings, text)
	}
}

// uncolored takes out the engine's colour marks, such as <{%reset%}>.
func uncolored(text string) string {
	for {
		before, rest, found := strings.Cut(text, "<{%")
		if !found {
			return text
		}
		_, after, _ := strings.Cut(rest, "%}>")
		text = before + after
	}
}

// ResourceName is the name at the end of a URN.
func ResourceName(urn string) string {
	parts := strings.Split(urn, "::")
	return parts[len(parts)-1]
}

// explain makes one readable error of what the engine reported while an operation failed.
func (s *Stack) explain(err error, summary *summary) error {
	if err == nil {
		return nil
	}
	if len(summary.faults) == 0 {
		return err
	}
	faults := slices.Compact(summary.faults)
	return fmt.Errorf("stack %s:\n%s", s.Config.Name, strings.Join(faults, "\n"))
}
