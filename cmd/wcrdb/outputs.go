package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/witchcityrope/database/internal/operation"
)

func newOutputs(given *options) *cobra.Command {
	var showSecrets, userlist bool
	command := &cobra.Command{
		Use:   "outputs [name]",
		Short: "Show how to connect: the stack's outputs",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			if userlist {
				return showUserlist(command.Context(), op, given.json)
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
	command.Flags().BoolVar(&userlist, "userlist", false, "write the SCRAM verifiers of all logins of clients as PgBouncer's userlist.txt instead; keep it to its owner")
	return command
}

// showUserlist writes what a connection pooler is told of the logins.
func showUserlist(ctx context.Context, op *operation.Operation, asJSON bool) error {
	list, err := op.Userlist(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(list)
	}
	for _, pooled := range list {
		fmt.Printf("\"%s\" \"%s\"\n", strings.ReplaceAll(pooled.Login, `"`, `""`), pooled.Verifier)
	}
	return nil
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
