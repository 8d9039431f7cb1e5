package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newDoctor(given *options) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check whether this machine can run the stack, and say what to do if not",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			report, err := op.Doctor(command.Context())
			if err != nil {
				return err
			}
			if given.json {
				err = writeJSON(report)
			} else {
				var rows [][]any
				for _, finding := range report {
					rows = append(rows, []any{finding.Level, finding.Check, finding.What, finding.Remedy})
				}
				screen.Table([]any{"", "check", "found", "what to do"}, rows)
			}
			if err == nil && len(report.Faults()) > 0 {
				return errors.New("this machine cannot run the stack as it is")
			}
			return err
		},
	}
}

func newSetup(given *options) *cobra.Command {
	return &cobra.Command{
		Use:   "setup",
		Short: "Get what up needs: Docker Engine (on a bare Debian, as root), Pulumi, plugins, image",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			op, _, err := given.begin()
			if err != nil {
				return err
			}
			return op.Setup(command.Context())
		},
	}
}
