package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/witchcityrope/database/components/access"
	"github.com/witchcityrope/database/internal/privileges"
)

func newAccess(given *options) *cobra.Command {
	command := &cobra.Command{
		Use:   "access",
		Short: "Who may do what: by the stack file, and on the server",
		Args:  cobra.NoArgs,
		RunE:  func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(newAccessMatrix(given), newAccessVerify(given), newAccessImport(given))
	return command
}

func newAccessMatrix(given *options) *cobra.Command {
	var markdown bool
	command := &cobra.Command{
		Use:   "matrix",
		Short: "Show who may do what once the stack file is applied; needs no server",
		Long: `Show who may do what once the stack file is applied; needs no server.

It counts what comes by ownership, memberships, PUBLIC, grants and default
privileges, without SET ROLE. OWN is to alter and drop. --json has every role.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			if err := given.only(markdown); err != nil {
				return err
			}
			stack, _, err := op.Project.Config(given.stack)
			if err != nil {
				return err
			}
			model, clients := access.NewModel(stack), access.Clients(stack)
			if given.json {
				return writeJSON(model.Matrix())
			}
			rows := model.Table(clients)
			if markdown {
				screen.Print("%s", privileges.Markdown(clients, rows))
				return nil
			}
			header := []any{"on"}
			for _, client := range clients {
				header = append(header, client.Name)
			}
			var cells [][]any
			for _, row := range rows {
				line := []any{row.On}
				for _, may := range row.May {
					line = append(line, may)
				}
				cells = append(cells, line)
			}
			screen.Table(header, cells)
			return nil
		},
	}
	command.Flags().BoolVar(&markdown, "markdown", false, "write a Markdown table")
	return command
}

func newAccessVerify(given *options) *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Prove on the server that everybody may do what is declared, and nothing else",
		Long: `Prove on the server that everybody may do what is declared, and nothing else.

The server is asked about every role, object and privilege; then about objects
that are created as the migrator, in a transaction that is rolled back. Each cell
that is not as declared is named, with how the access comes, and the exit status is 1.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			result, err := op.VerifyAccess(command.Context())
			if err != nil {
				return err
			}
			if given.json {
				err = writeJSON(result)
			} else {
				for _, cell := range result.Failing {
					screen.Print("%s\n", cell)
				}
				screen.Print("stack %s: %d cells compared, of %d new objects too: %d not as declared\n", given.stack, result.Cells, result.Probes, len(result.Failing))
			}
			if err == nil && len(result.Failing) > 0 {
				err = fmt.Errorf("stack %s: %d cells are not as declared; wcrdb up puts right what it declares", given.stack, len(result.Failing))
			}
			return err
		},
	}
}
