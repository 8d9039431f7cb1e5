package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func newOutputs(given *options) *cobra.Command {
	var showSecrets bool
	command := &cobra.Command{
		Use:   "outputs [name]",
		Short: "Show how to connect: the stack's outputs",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			outputs, err := op.Outputs(command.Context(), showSecrets)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				value, ok := outputs[args[0]]
				if !ok {
					return status{fmt.Errorf("no output %s; there are %s", args[0], joined(slices.Sorted(maps.Keys(outputs)))), exitUsage}
				}
				outputs = map[string]any{args[0]: value}
			}
			if given.json {
				return writeJSON(outputs)
			}
			for _, name := range slices.Sorted(maps.Keys(outputs)) {
				text, err := shown(outputs[name])
				if err != nil {
					return err
				}
				screen.Print("%s:\n%s\n", name, text)
			}
			return nil
		},
	}
	command.Flags().BoolVar(&showSecrets, "show-secrets", false, "show passwords and connection strings")
	return command
}

// shown is a value for people: text as it is, anything else as indented JSON.
func shown(value any) (string, error) {
	text, is := value.(string)
	if !is {
		encoded, err := json.MarshalIndent(value, "", "  ")
		if err != nil {
			return "", err
		}
		text = string(encoded)
	}
	return "  " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  "), nil
}

func joined(names []string) string { return strings.Join(names, ", ") }
