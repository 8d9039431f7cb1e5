package main

import (
	"github.com/spf13/cobra"

	"github.com/witchcityrope/database/components/access"
	"github.com/witchcityrope/database/config"
)

func newAccessImport(given *options) *cobra.Command {
	var difference bool
	command := &cobra.Command{
		Use:   "import",
		Short: "Read the living database and print what the stack file has to say to leave it as it is",
		Long: `Read the living database and print what the stack file has to say to leave it as it is.

It prints the keys database and access whole, to be put into the stack file; an
up then changes nothing of what they describe, but for what is noted at the top
because a stack file cannot say it. --diff says instead what an up
would take away with the stack file as it is. Nothing is changed either way.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			stack, values, living, err := op.LivingAccess(command.Context())
			if err != nil {
				return err
			}
			plan, names := access.NewPlan(stack, nil), stack.Access.Names()
			if difference {
				lost := access.Revocations(plan, living)
				if given.json {
					return writeJSON(lost)
				}
				for _, line := range lost {
					screen.Print("%s\n", line)
				}
				screen.Print("stack %s: an up would take %d privileges, memberships and attributes away\n", given.stack, len(lost))
				return nil
			}
			found := access.Import(plan, names, living)
			if given.json {
				return writeJSON(found)
			}
			for _, note := range found.Notes {
				screen.Print("# %s\n", note)
			}
			switch {
			case found.Empty() && len(found.Notes) > 0:
				screen.Print("# stack %s: the stack file describes all but that\n", given.stack)
				return nil
			case found.Empty():
				screen.Print("# stack %s: the stack file describes all of it\n", given.stack)
				return nil
			}
			text, err := stack.WithAccess(values, config.Declaration{
				Schemas: found.Schemas, Extensions: found.Extensions, Roles: found.Roles, Grants: found.Grants, DefaultPrivileges: found.DefaultPrivileges,
			})
			if err != nil {
				return err
			}
			screen.Print("%s", text)
			return nil
		},
	}
	command.Flags().BoolVar(&difference, "diff", false, "say what an up would take away")
	return command
}
