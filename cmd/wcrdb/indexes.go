package main

import (
	"fmt"
	"strings"
	"time"

	units "github.com/docker/go-units"
	"github.com/spf13/cobra"

	"github.com/witchcityrope/database/internal/console"
	"github.com/witchcityrope/database/internal/indexes"
)

func newIndexes(given *options) *cobra.Command {
	var wait time.Duration
	var dryRun bool
	command := &cobra.Command{
		Use:   "indexes",
		Short: "Build the indexes that the stack file declares, while the database is in use",
		Long: `Build the indexes that the stack file declares, while the database is in use.

They are built one after the other, CREATE INDEX CONCURRENTLY, as the owner of
their table: nobody who reads or writes waits for them. What an interrupted build
has left is removed, and built again. An index that the application has already
under another name, or that begins with the same columns, is not built twice.
Tables that got an index are analyzed. Indexes that no query has used are listed,
with their sizes; none of them is dropped.

The exit status is 1 if an index could not be built, or its table is not there.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			report, err := op.Indexes(command.Context(), wait, dryRun, newProgressLines(screen))
			if err != nil && !given.json && len(report.Indexes) > 0 {
				showIndexes(screen, given.stack, report, dryRun)
			}
			if err != nil {
				return partly(given, report.Indexes != nil, report, err)
			}
			if given.json {
				err = writeJSON(report)
			} else {
				showIndexes(screen, given.stack, report, dryRun)
			}
			if count := report.Unfinished(); err == nil && count > 0 {
				err = fmt.Errorf("stack %s: %d of %d indexes are not there as declared", given.stack, count, len(report.Indexes))
			}
			return err
		},
	}
	command.Flags().DurationVar(&wait, "wait", 0, "how long to wait for tables that are not there yet, e.g. 2m")
	command.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be done")
	return command
}

// newProgressLines tells the progress of builds: each phase once, and again whenever it has waited or done a good part more.
func newProgressLines(screen *console.Console) func(indexes.Progress) {
	last := ""
	return func(progress indexes.Progress) {
		line := fmt.Sprintf("%s on %s: %s", progress.Index, plainName(progress.Table), progress.Phase)
		if progress.WaitsFor != 0 {
			line += fmt.Sprintf(", until session %d ends its transaction", progress.WaitsFor)
		} else if progress.Done >= 0 {
			line += fmt.Sprintf(", %d %%", int(progress.Done*10)*10)
		}
		if line != last {
			screen.Report("%s", line)
		}
		last = line
	}
}

// mostUnused is how many indexes that nobody uses are shown to people.
const mostUnused = 10

func showIndexes(screen *console.Console, stack string, report indexes.Report, dryRun bool) {
	var rows [][]any
	count := map[indexes.Outcome]int{}
	for _, result := range report.Indexes {
		count[result.Outcome]++
		detail := result.Reason
		if result.Outcome == indexes.Built {
			detail = fmt.Sprintf("%s in %.1f s", size(result.Bytes), result.Seconds)
		}
		rows = append(rows, []any{result.Name, plainName(result.Table), result.Outcome, detail})
	}
	if len(rows) > 0 {
		screen.Table([]any{"index", "table", "", "what"}, rows)
	}
	if len(report.Unused) > 0 {
		rows = nil
		for _, index := range report.Unused[:min(len(report.Unused), mostUnused)] {
			rows = append(rows, []any{index.Name, plainName(index.Table), size(index.Bytes)})
		}
		screen.Print("%d indexes not used by any query since %s, the largest first; --json has all:\n", len(report.Unused), report.Since.UTC().Format("2006-01-02 15:04 UTC"))
		screen.Table([]any{"index", "table", "size"}, rows)
	}
	done := fmt.Sprintf("%d built", count[indexes.Built])
	if dryRun {
		done = fmt.Sprintf("%d to build", count[indexes.WouldBuild])
	}
	line := fmt.Sprintf("stack %s: %d declared: %s, %d present, %d that the application has already", stack, len(report.Indexes), done, count[indexes.IsPresent], count[indexes.IsCovered])
	if missing := count[indexes.NoTable]; missing > 0 {
		line += fmt.Sprintf(", %d without a table", missing)
	}
	if failed := count[indexes.Failed]; failed > 0 {
		line += fmt.Sprintf(", %d failed", failed)
	}
	if len(report.Analyzed) > 0 {
		line += fmt.Sprintf("; %d tables analyzed", len(report.Analyzed))
	}
	screen.Print("%s\n", line)
}

// plainName is a quoted name as people read it.
func plainName(name string) string { return strings.ReplaceAll(name, `"`, "") }

func size(bytes int64) string { return units.BytesSize(float64(bytes)) }
