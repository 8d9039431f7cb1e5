package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/spf13/cobra"

	"github.com/witchcityrope/database/components/access"
	"github.com/witchcityrope/database/components/database"
	"github.com/witchcityrope/database/internal/console"
	"github.com/witchcityrope/database/internal/engine"
	"github.com/witchcityrope/database/internal/operation"
	"github.com/witchcityrope/database/provider/pgserver"
)

// options are the flags that all commands share.
type options struct {
	project  string
	stack    string
	json     bool
	plugins  string
	standIns bool
}

func newRoot() *cobra.Command {
	given := &options{}
	root := &cobra.Command{
		Use:           "wcrdb",
		Short:         "Run WitchCityRope's declared PostgreSQL",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	flags := root.PersistentFlags()
	flags.StringVar(&given.project, "project", ".", "folder of the project, or one below it")
	flags.StringVarP(&given.stack, "stack", "s", cmp.Or(os.Getenv("STACK"), "dev"), "stack: dev, test or prod")
	flags.BoolVar(&given.json, "json", false, "write JSON for machines, and nothing else, to standard output")
	flags.StringVar(&given.plugins, "plugins", cmp.Or(os.Getenv("WCRDB_PLUGINS"), string(operation.Auto)),
		"provider plugins: auto (published, else stand-ins), published or stand-ins")
	flags.BoolVar(&given.standIns, "stand-ins", false, "allow stand-ins for a stack with protected data")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return status{err, exitUsage} })
	root.AddCommand(
		newUp(given), newPreview(given), newRefresh(given), newDown(given), newOutputs(given), newDoctor(given), newSetup(given), newInit(given), newRotate(given), newAccess(given),
		newMigrate(given), newMigrations(given), newSeed(given), newRefreshData(given),
		newBackup(given), newBackups(given),
		newReport(given),
		newIndexes(given),
		newHealth(given),
		newRestore(given), newDatabases(given), newDrill(given), newDrills(given),
		newTestDatabase(given),
	)
	for _, command := range root.Commands() {
		command.Args = usage(command.Args)
		for _, below := range command.Commands() {
			below.Args = usage(below.Args)
		}
	}
	root.Args = usage(root.Args)
	root.RunE = func(command *cobra.Command, _ []string) error { return command.Help() }
	return root
}

// usage gives faults of arguments the exit status of a wrong usage.
func usage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		if err := check(command, args); err != nil {
			return status{fmt.Errorf("%w; see wcrdb %s --help", err, command.Name()), exitUsage}
		}
		return nil
	}
}

// begin makes the operation that the flags ask for.
func (o *options) begin() (*operation.Operation, *console.Console, error) {
	if !slices.Contains(operation.Choices(), operation.PluginChoice(o.plugins)) {
		return nil, nil, status{fmt.Errorf("--plugins: %s is none of auto, published, stand-ins", o.plugins), exitUsage}
	}
	project, err := engine.FindProject(o.project)
	if err != nil {
		return nil, nil, err
	}
	screen := console.New(os.Stdout, o.json)
	return &operation.Operation{
		Project: project, Stack: o.stack,
		Plugins: operation.PluginChoice(o.plugins), StandInsAllowed: o.standIns, InstallDocker: true,
		Program: program, Provider: pgserver.New, ProviderName: pgserver.Name,
		Access: access.NewModel, Connect: connect, Report: screen.Report, Watch: screen.Event,
	}, screen, nil
}

// only refuses to write two things to standard output.
func (o *options) only(markdown bool) error {
	if markdown && o.json {
		return status{errors.New("--json and --markdown: only one of them can be written to standard output"), exitUsage}
	}
	return nil
}

// program is the Pulumi program, run inline.
func program(projectDir, image string, keys []string) pulumi.RunFunc {
	return database.Program(database.Options{ProjectDir: projectDir, Image: image, ConfigKeys: keys})
}

// writeJSON writes a result for machines.
func writeJSON(result any) error {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(result)
}

// partly writes, for machines, what a command that failed has found or done so
// far, where it has begun, and returns why it failed.
func partly(given *options, begun bool, result any, failure error) error {
	if given.json && begun {
		failure = errors.Join(failure, writeJSON(result))
	}
	return failure
}

// describe says in one line what changed.
func describe(result engine.Result) string {
	var parts []string
	for _, operation := range [][2]string{
		{"create", "created"}, {"update", "updated"}, {"replace", "replaced"}, {"delete", "deleted"}, {"same", "unchanged"},
	} {
		if count := result.Summary[operation[0]]; count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count, operation[1]))
		}
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}
