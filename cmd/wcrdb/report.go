package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/witchcityrope/database/internal/console"
	"github.com/witchcityrope/database/internal/report"
)

func newReport(given *options) *cobra.Command {
	var watch bool
	var every time.Duration
	var rows int
	command := &cobra.Command{
		Use:   "report " + strings.Join(report.Names, "|"),
		Short: "Show what goes on in the database",
		Long: `Show what goes on in the database. It changes nothing.

  activity  who is connected, and what they do
  cache     how much of what was read was in memory, by table (it should be over 95 %)
  indexes   which are used, which never, which are invalid, or the same as another
  slow      the statements that take longest (needs pg_stat_statements)
  size      what takes how much room
  locks     who waits for whom
  bloat     tables that hold more than their rows need

--json has all of it; with --watch one document in each line. The unit of a
column is the end of its name: _bytes, _seconds, _ms or _percent.`,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		ValidArgs: report.Names,
		RunE: func(command *cobra.Command, args []string) error {
			if every < 100*time.Millisecond || rows < 1 {
				return status{fmt.Errorf("--every %s, --rows %d: at least 100ms and 1", every, rows), exitUsage}
			}
			op, screen, err := given.begin()
			if err != nil {
				return err
			}
			if !watch {
				every = 0
			}
			return op.Reports(command.Context(), args[0], rows, every, func(table report.Table) error {
				switch {
				case given.json && watch:
					return json.NewEncoder(os.Stdout).Encode(table)
				case given.json:
					return writeJSON(table)
				}
				if watch {
					screen.Clear()
				}
				showReport(screen, given.stack, table)
				return nil
			})
		},
	}
	command.Flags().BoolVar(&watch, "watch", false, "show it again and again, until interrupted")
	command.Flags().DurationVar(&every, "every", 2*time.Second, "how often, with --watch")
	command.Flags().IntVar(&rows, "rows", 30, "how many rows at most")
	return command
}

func showReport(screen *console.Console, stack string, table report.Table) {
	screen.Print("%s of %s in stack %s, %s\n", table.Report, table.Database, stack, table.At.Local().Format(time.DateTime))
	var rows [][]any
	for _, line := range table.Text() {
		rows = append(rows, cells(line))
	}
	screen.Table(cells(table.Header()), rows)
}

// cells of a table's line.
func cells(texts []string) []any {
	line := make([]any, len(texts))
	for i, text := range texts {
		line[i] = text
	}
	return line
}
