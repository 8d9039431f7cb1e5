package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/witchcityrope/database/internal/migration"
)

// limitFlags are those of commands that run a script.
func limitFlags(command *cobra.Command, file *string, limits *migration.Limits) {
	flags := command.Flags()
	flags.StringVar(file, "sql", "", "the script")
	flags.DurationVar(&limits.Lock, "lock-timeout", 5*time.Second, "how long a statement may wait for the locks of others")
	flags.DurationVar(&limits.Statement, "statement-timeout", 10*time.Minute, "how long a statement may take; 0: as long as it wants")
	command.PreRunE = func(*cobra.Command, []string) error {
		if *file == "" {
			return status{errors.New("--sql: which script? name its file"), exitUsage}
		}
		return nil
	}
}

func newMigrate(given *options) *cobra.Command {
	var file string
	var limits migration.Limits
	var yes bool
	command := &cobra.Command{
		Use:   "migrate --sql FILE",
		Short: "Run a script of EF Core's migrations as the migrator, and prove the access contract afterwards",
		Long: `Run a script of EF Core's migrations as the migrator, and prove the access contract afterwards.

The script is what this makes, where there are the application's sources:

  dotnet ef migrations script --idempotent --output migrations.sql

One run at a time; a second one waits as long as a lock is waited for. A stack of
production's rank asks before anything is done. A script without transactions of
its own is run in one. A script that does not know what the server has is refused.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			result, err := op.Migrate(command.Context(), file, limits, func(guarded bool, plan migration.Plan) error {
				for _, id := range plan.Pending {
					screen.Report("pending        %s", id)
				}
				if yes || !guarded {
					return nil
				}
				return confirm(command.Context(), fmt.Sprintf("This changes the database of stack %s.", given.stack), given.stack)
			})
			var failing []string
			if result.Access != nil {
				for _, cell := range result.Access.Failing {
					failing = append(failing, fmt.Sprint(cell))
				}
			}
			if len(failing) > 0 {
				err = errors.Join(err, fmt.Errorf("stack %s: migrations are applied, and %d cells of the access contract are not as declared; wcrdb up puts right what it declares", given.stack, len(failing)))
			}
			if given.json {
				return partly(given, result.Stack != "", result, err)
			}
			if result.Failure == "" && result.Access != nil {
				for _, id := range result.Before.Applied {
					screen.Print("there already  %s\n", id)
				}
				for _, id := range result.Applied {
					screen.Print("applied        %s\n", id)
				}
				screen.Print("stack %s: %d applied by %d statements in %.1f s, none pending; access: %d cells compared, %d not as declared\n",
					given.stack, len(result.Applied), result.Statements, result.Seconds, result.Access.Cells, len(failing))
			}
			for _, cell := range failing {
				screen.Print("%s\n", cell)
			}
			return err
		},
	}
	limitFlags(command, &file, &limits)
	command.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return command
}

func newMigrations(given *options) *cobra.Command {
	var file string
	command := &cobra.Command{
		Use:   "migrations",
		Short: "List the migrations that the server has and, of a script, those that it does not have",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			result, err := op.Migrations(command.Context(), file)
			if err != nil {
				return err
			}
			if given.json {
				return writeJSON(result)
			}
			rows := [][]any{}
			for _, applied := range result.Applied {
				state := "applied"
				if result.Plan != nil && slices.Contains(result.Plan.Unknown, applied.ID) {
					state = "applied, not in the script"
				}
				rows = append(rows, []any{applied.ID, applied.Product, state})
			}
			if result.Plan != nil {
				for _, id := range result.Plan.Pending {
					rows = append(rows, []any{id, "", "pending"})
				}
			}
			if len(rows) == 0 {
				screen.Print("stack %s: no migration was applied yet\n", given.stack)
				return nil
			}
			screen.Table([]any{"migration", "EF Core", "state"}, rows)
			return nil
		},
	}
	command.Flags().StringVar(&file, "sql", "", "a script of migrations to compare with")
	return command
}

func newSeed(given *options) *cobra.Command {
	var file string
	var limits migration.Limits
	command := &cobra.Command{
		Use:   "seed --sql FILE",
		Short: "Run a script of seed data as the application; never for production",
		Long: `Run a script of seed data as the application; never for production.

A script without transactions of its own is run in one: all of it, or nothing; of
one that has its own, what it committed stays. It may do what the application may: no DDL. Stacks of production's rank, and those
without a rank, are refused.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			result, err := op.Seed(command.Context(), file, limits)
			if err != nil {
				return err
			}
			if given.json {
				return writeJSON(result)
			}
			screen.Print("stack %s: %d statements in %.1f s\n", given.stack, result.Statements, result.Seconds)
			return nil
		},
	}
	limitFlags(command, &file, &limits)
	return command
}
