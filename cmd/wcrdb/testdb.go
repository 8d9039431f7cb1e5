package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/witchcityrope/database/components/connections"
	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/operation"
	"github.com/witchcityrope/database/internal/password"
	"github.com/witchcityrope/database/internal/testdatabase"
)

func newTestDatabase(given *options) *cobra.Command {
	command := &cobra.Command{
		Use:   "testdb",
		Short: "Databases for test runs, each of its own, cloned from a template",
		Args:  cobra.NoArgs,
		RunE:  func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(newTestDatabaseCreate(given), newTestDatabaseDrop(given), newTestDatabaseList(given), newTestDatabaseReap(given))
	return command
}

const (
	mostDatabases = 128
	longestLease  = 30 * 24 * time.Hour
)

func newTestDatabaseCreate(given *options) *cobra.Command {
	var wanted testdatabase.Wanted
	var internal bool
	command := &cobra.Command{
		Use:   "create",
		Short: "Make a database and print the Npgsql string, with the password, that the application reaches it by",
		Long: `Make a database and print the Npgsql string, with the password, that the
application reaches it by. Nothing else is written to standard output.

It is cloned from a template that has the stack's schemas, extensions and access,
and the tables of the script. The template is made when a script is seen for the
first time, and goes when it was not used for a week. Databases whose lease is
over, and that nobody is connected to, are removed by the next create or reap.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			switch {
			case wanted.Count < 1 || wanted.Count > mostDatabases:
				return status{fmt.Errorf("--count: %d is outside 1 to %d", wanted.Count, mostDatabases), exitUsage}
			case wanted.Lease < time.Second || wanted.Lease > longestLease:
				return status{fmt.Errorf("--lease: %s is outside 1s to %s", wanted.Lease, longestLease), exitUsage}
			}
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			op.Report = func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
			made, failure := op.CreateTestDatabases(command.Context(), wanted)
			if given.json {
				err = writeJSON(append([]operation.TestDatabase{}, made...)) // none is none, and not null
			} else {
				for _, database := range made {
					way := database.External
					if internal {
						way = database.Internal
					}
					screen.Print("%s\n", way.Npgsql)
				}
			}
			if failure != nil {
				return failure
			}
			return err
		},
	}
	flags := command.Flags()
	flags.StringVar(&wanted.SQL, "sql", "", "script of the migrations (dotnet ef migrations script --idempotent); without it there are no tables")
	flags.IntVar(&wanted.Count, "count", 1, "how many databases, a line each")
	flags.DurationVar(&wanted.Lease, "lease", time.Hour, "how long nobody else may remove it")
	flags.StringVar(&wanted.Holder, "holder", holder(), "who it is for, to be seen in list")
	flags.BoolVar(&internal, "internal", false, "how it is reached from inside the database's network, rather than from this host")
	return command
}

// holder is this machine and the process that asks.
func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s:%d", host, os.Getppid())
}

func newTestDatabaseDrop(given *options) *cobra.Command {
	return &cobra.Command{
		Use:   "drop NAME...",
		Short: "Remove databases of test runs",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(command *cobra.Command, names []string) error {
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			if err := op.DropTestDatabases(command.Context(), names); err != nil {
				return err
			}
			if given.json {
				return writeJSON(map[string][]string{"dropped": names})
			}
			screen.Print("stack %s: dropped %s\n", given.stack, joined(names))
			return nil
		},
	}
}

func newTestDatabaseList(given *options) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the databases of test runs",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			list, err := op.TestDatabases(command.Context())
			if err != nil {
				return err
			}
			if given.json {
				return writeJSON(list)
			}
			now := time.Now()
			var rows [][]any
			for _, database := range list {
				left := "over"
				if !database.Expired(now) {
					left = database.Until.Sub(now).Round(time.Second).String()
				}
				rows = append(rows, []any{database.Name, database.Holder, now.Sub(database.Created).Round(time.Second), left, database.Sessions, size(database.Bytes)})
			}
			if len(rows) > 0 {
				screen.Table([]any{"database", "for", "age", "lease", "sessions", "size"}, rows)
			}
			screen.Print("stack %s: %d databases of test runs\n", given.stack, len(list))
			return nil
		},
	}
}

func newTestDatabaseReap(given *options) *cobra.Command {
	var force bool
	command := &cobra.Command{
		Use:   "reap",
		Short: "Remove databases whose lease is over, and templates that nobody uses",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			reaped, err := op.ReapTestDatabases(command.Context(), force)
			if err != nil {
				return err
			}
			if given.json {
				return writeJSON(reaped)
			}
			for _, name := range reaped.Kept {
				screen.Print("%s: its lease is over, and it has sessions; --force ends them\n", name)
			}
			screen.Print("stack %s: %d databases and %d templates removed\n", given.stack, len(reaped.Databases), len(reaped.Templates))
			return nil
		},
	}
	command.Flags().BoolVar(&force, "force", false, "end the sessions of databases whose lease is over")
	return command
}

// connect says how the application reaches the database of a configuration.
func connect(stack *config.Stack, derivation *password.Derivation) (operation.Handed, error) {
	for _, client := range connections.NewPlan(stack, derivation) {
		if client.Name == "app" {
			return operation.Handed{
				Internal: operation.Strings{Npgsql: client.Internal.Npgsql, URI: client.Internal.URI},
				External: operation.Strings{Npgsql: client.External.Npgsql, URI: client.External.URI},
			}, nil
		}
	}
	return operation.Handed{}, fmt.Errorf("stack %s has no client app", stack.Name)
}
