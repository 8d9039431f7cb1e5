// Package console shows people what happens: progress while it does, tables
// and summaries afterwards.
package console

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"golang.org/x/term"

	"github.com/witchcityrope/database/internal/engine"
)

// Console writes for people. A quiet one shows nothing but what is asked for.
type Console struct {
	out   io.Writer
	quiet bool
	live  bool

	mutex   sync.Mutex
	writer  progress.Writer
	tracker *progress.Tracker
	tenth   int // that was last shown
}

// New makes a console; progress is live where out is a terminal.
func New(out io.Writer, quiet bool) *Console {
	file, isFile := out.(*os.File)
	live := isFile && term.IsTerminal(int(file.Fd()))
	if !live {
		text.DisableColors()
	}
	return &Console{out: out, quiet: quiet, live: live && !quiet}
}

// Report writes one line about what is being done.
func (c *Console) Report(format string, args ...any) {
	if c.quiet {
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	line := fmt.Sprintf(format, args...)
	if c.writer != nil {
		c.writer.Log("%s", line)
		return
	}
	fmt.Fprintln(c.out, line)
}

// Start begins to show progress of an operation; the result ends it.
func (c *Console) Start(title string) (stop func()) {
	if !c.live {
		return func() {}
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.writer = progress.NewWriter()
	c.writer.SetOutputWriter(c.out)
	c.writer.SetUpdateFrequency(100 * time.Millisecond)
	c.writer.SetStyle(progress.StyleDefault)
	c.writer.Style().Visibility.Percentage = false
	c.writer.Style().Visibility.ETA = false
	c.tracker = &progress.Tracker{Message: title, Units: progress.UnitsDefault}
	c.writer.SetAutoStop(true)
	c.writer.AppendTracker(c.tracker)
	writer, rendered := c.writer, make(chan struct{})
	go func() {
		defer close(rendered)
		writer.Render()
	}()
	return func() {
		c.mutex.Lock()
		defer c.mutex.Unlock()
		c.tracker.MarkAsDone()
		<-rendered // the last frame is out before anything else is written
		c.writer, c.tracker = nil, nil
	}
}

// Progress shows how far what was started is, in percent, with a few words;
// where nobody watches, each tenth is worth a line.
func (c *Console) Progress(percent int, words string) {
	c.mutex.Lock()
	tracker, tenth := c.tracker, percent/10
	if tracker == nil {
		news := tenth > c.tenth
		c.tenth = tenth
		c.mutex.Unlock()
		if news {
			c.Report("  %3d %%  %s", percent, words)
		}
		return
	}
	defer c.mutex.Unlock()
	tracker.UpdateMessage(fmt.Sprintf("%d %%  %s", percent, words))
}

// Event shows one event of the engine.
func (c *Console) Event(event events.EngineEvent) {
	if c.quiet {
		return
	}
	switch {
	case event.ResourcePreEvent != nil:
		c.step(event.ResourcePreEvent.Metadata)
	case event.DiagnosticEvent != nil && event.DiagnosticEvent.Severity == "info" && !event.DiagnosticEvent.Ephemeral:
		c.Report("  %s", event.DiagnosticEvent.Message)
	}
}

// verbs of the operations that are worth a line.
var verbs = map[apitype.OpType]string{
	apitype.OpCreate: "create", apitype.OpUpdate: "update", apitype.OpDelete: "delete", apitype.OpReplace: "replace",
	apitype.OpImport: "import",
}

func (c *Console) step(step apitype.StepEventMetadata) {
	name := engine.ResourceName(step.URN)
	c.mutex.Lock()
	if c.tracker != nil {
		c.tracker.Increment(1)
		c.tracker.UpdateMessage(fmt.Sprintf("%s %s", step.Op, name))
		c.mutex.Unlock()
		return
	}
	c.mutex.Unlock()
	if verb, shown := verbs[step.Op]; shown {
		c.Report("  %-8s %s", verb, name)
	}
}

// widestColumn is where the text of a table's cell wraps.
const widestColumn = 70

// Table writes a table.
func (c *Console) Table(header []any, rows [][]any) {
	writer := table.NewWriter()
	writer.SetOutputMirror(c.out)
	writer.SetStyle(table.StyleLight)
	writer.AppendHeader(table.Row(header))
	var columns []table.ColumnConfig
	for i := range header {
		columns = append(columns, table.ColumnConfig{Number: i + 1, WidthMax: widestColumn, WidthMaxEnforcer: text.WrapSoft})
	}
	writer.SetColumnConfigs(columns)
	for _, row := range rows {
		writer.AppendRow(table.Row(row))
	}
	writer.Render()
}

// Print writes what was asked for, quiet or not.
func (c *Console) Print(format string, args ...any) { fmt.Fprintf(c.out, format, args...) }

// Clear empties the terminal for what is shown anew, if there is one.
func (c *Console) Clear() {
	if c.live {
		fmt.Fprint(c.out, "\x1b[H\x1b[2J")
	}
}
