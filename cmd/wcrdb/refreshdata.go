package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/witchcityrope/database/internal/operation"
)

func newRefreshData(given *options) *cobra.Command {
	var options operation.RefreshDataOptions
	var to string
	var yes bool
	command := &cobra.Command{
		Use:   "refresh-data --from STACK --to STACK",
		Short: "Give a stack the data of one of a higher rank, masked by a plan",
		Long: `Give a stack the data of one of a higher rank, masked by a plan.

Data only flows from a higher rank to a lower one (rank in the stack files); no flag
changes that. The plan, masking.yaml beside Pulumi.yaml, has a rule for every column
that may hold text: one that has none refuses the run, and is listed with a proposal.

The source itself masks the rows as it reads them, with a key that is thrown away:
nothing else ever leaves it. They go into a new database beside the target's, which was
backed up before; grants, roles and extensions are the target's. Only when the access
contract holds there, it takes the old one's name, and the old one is called
<name>_before_<time>. Killed at any moment, the target is as it was.`,
		Args: cobra.NoArgs,
		PreRunE: func(command *cobra.Command, _ []string) error {
			stack := command.Flags().Changed("stack")
			if stack && to == "" {
				to = given.stack
			}
			switch {
			case options.From == "" || to == "":
				return status{errors.New("--from and --to: the data of which stack goes into which?"), exitUsage}
			case stack && to != given.stack:
				return status{fmt.Errorf("--stack %s and --to %s: which one is refreshed?", given.stack, to), exitUsage}
			}
			return nil
		},
		RunE: func(command *cobra.Command, _ []string) error {
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			op.Stack = to
			options.Approve = func() error {
				if yes {
					return nil
				}
				return confirm(command.Context(), fmt.Sprintf("This exchanges the data of stack %s for that of stack %s.", to, options.From), to)
			}
			report, err := op.RefreshData(command.Context(), options)
			if err != nil {
				return err
			}
			if given.json {
				return writeJSON(report)
			}
			for _, notice := range report.Notices {
				screen.Print("notice: %s\n", notice)
			}
			screen.Print("stack %s: %d tables with %d rows of stack %s, masked, in %.1f s; nobody could log in for %.2f s\n",
				to, len(report.Tables), report.Rows, report.From, report.Seconds, report.Away)
			screen.Print("access:  %d cells compared, %d not as declared\n", report.Access.Cells, len(report.Access.Failing))
			screen.Print("before:  backup %s; database %s, until wcrdb databases drop %[2]s -s %[3]s\n", report.Backup, report.Kept, to)
			return nil
		},
	}
	command.Flags().StringVar(&options.From, "from", "", "stack that the data comes from")
	command.Flags().StringVar(&to, "to", "", "stack that is refreshed; --stack says the same")
	command.Flags().StringVar(&options.Plan, "plan", "", "masking plan (default masking.yaml of the project)")
	command.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return command
}
