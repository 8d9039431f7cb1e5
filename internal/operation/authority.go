package operation

import (
	"context"
	"fmt"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/engine"
)

// checkAuthority refuses a generation of the CA that no client can trust yet:
// clients have the CA of the present generation and that of the next.
func (o *Operation) checkAuthority(ctx context.Context, stack *engine.Stack) error {
	state, err := stack.State(ctx)
	if err != nil || len(state.Resources()) == 0 {
		return err
	}
	outputs, err := state.Outputs()
	if err != nil {
		return err
	}
	server, _ := outputs["server"].(map[string]any)
	number, known := server["caGeneration"].(float64)
	if !known || !o.config.TLS.Enabled {
		return nil
	}
	present, wanted := int(number), o.config.TLS.CAGeneration
	if wanted == present || wanted == present+1 {
		return nil
	}
	return config.Faults{{
		Path: "tls.caGeneration", Value: fmt.Sprint(wanted),
		Reason: fmt.Sprintf("the stack has generation %d: its clients trust the CAs of generations %[1]d and %d, and would refuse a server whose certificate another has signed", present, present+1),
		Remedy: fmt.Sprintf("set it to %d, let all clients fetch caCertificate again, and only then go on", present+1),
	}}
}
