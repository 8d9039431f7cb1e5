package operation

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/witchcityrope/database/internal/engine"
	"github.com/witchcityrope/database/internal/privileges"
)

// accessChanges says who gains and who loses what: from what the last run has
// left in the stack's outputs to what is declared. Without an earlier run there
// is nothing to compare with.
func (o *Operation) accessChanges(ctx context.Context, stack *engine.Stack) ([]privileges.Change, error) {
	state, err := stack.State(ctx)
	if err != nil || o.Access == nil || len(state.Resources()) == 0 {
		return nil, err
	}
	outputs, err := state.Outputs()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(outputs["access"])
	if err != nil {
		return nil, err
	}
	var before privileges.Matrix
	if err := json.Unmarshal(text, &before); err != nil {
		return nil, fmt.Errorf("output access of stack %s: %w", o.Stack, err)
	}
	if before == nil {
		return nil, nil
	}
	return privileges.Difference(before, o.Access(o.config).Matrix()), nil
}
