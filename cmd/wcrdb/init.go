package main

import (
	"github.com/spf13/cobra"
)

func newInit(given *options) *cobra.Command {
	return &cobra.Command{
		Use:   "init [stack]",
		Short: "Make the passphrase and the root secret of a stack",
		Long: `Make the passphrase and the root secret of a stack.

The root secret goes, encrypted, into the stack file, which is to be committed.
The passphrase that encrypts it is taken from PULUMI_CONFIG_PASSPHRASE(_FILE),
or made and written to .wcrdb/<stack>/passphrase, which is never committed: keep
a copy of it where you keep such things. Without it, nobody can change the stack.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			if len(args) == 1 {
				given.stack = args[0]
			}
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			made, err := op.Init(command.Context())
			if err != nil {
				return err
			}
			if given.json {
				return writeJSON(made)
			}
			screen.Print("root secret: encrypted in %s; commit that file\n", made.StackFile)
			if made.PassphraseFile != "" {
				screen.Print("passphrase:  in %s; keep a copy of it in a safe place\n", made.PassphraseFile)
			}
			return nil
		},
	}
}
