package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/witchcityrope/database/internal/consequence"
	"github.com/witchcityrope/database/internal/console"
	"github.com/witchcityrope/database/internal/operation"
)

// showForecast shows what an up would do, for people.
func showForecast(screen *console.Console, report operation.Report) {
	for _, warning := range report.Warnings {
		screen.Print("warning: %s\n", warning)
	}
	showEffects(screen, report.Consequence)
	screen.Print("stack %s: %s\n", report.Stack, report.Consequence.Summary())
	for _, change := range report.Access {
		screen.Print("access: %s\n", change)
	}
	if refused := report.Consequence.Refused(nil); len(refused) > 0 {
		screen.Print("up refuses this unless it is allowed by name: %s\n", allowing(refused))
	}
}

func showEffects(screen *console.Console, forecast consequence.Forecast) {
	var rows [][]any
	for _, row := range forecast.Rows() {
		rows = append(rows, []any{row.Class, row.Change, row.Resource, row.Reason})
	}
	if len(rows) > 0 {
		screen.Table([]any{"consequence", "change", "resource", "why"}, rows)
	}
}

// markdownOf is a preview as the comment on a pull request.
func markdownOf(report operation.Report) string {
	var out strings.Builder
	out.WriteString(report.Consequence.Markdown(report.Stack))
	if len(report.Access) > 0 {
		out.WriteString("\nWho may do what:\n\n")
	}
	for _, change := range report.Access {
		fmt.Fprintf(&out, "- %s\n", change)
	}
	for _, warning := range report.Warnings {
		fmt.Fprintf(&out, "\n> %s\n", strings.ReplaceAll(warning, "\n", "\n> "))
	}
	if len(report.StandIns) > 0 {
		fmt.Fprintf(&out, "\nStand-ins were used for: %s\n", joined(report.StandIns))
	}
	return out.String()
}

// answers are what was said on the command line to what an up will ask.
type answers struct {
	yes   bool
	allow []string
	// force and terminate say what becomes of sessions of a login that gets its next password.
	force, terminate bool
}

// approver shows what an up means, and asks where sessions end or data is lost.
type approver struct {
	ctx context.Context // of the command: an interrupted question is not waited for
	answers
	stack  string
	quiet  bool // only machines look at standard output
	screen *console.Console
	title  string
	stop   func() // ends what is shown of the run
}

// newApprover begins to show a run.
func newApprover(ctx context.Context, given *options, screen *console.Console, verb string, said answers) *approver {
	title := verb + " " + given.stack
	return &approver{ctx: ctx, answers: said, stack: given.stack, quiet: given.json, screen: screen, title: title, stop: screen.Start(title)}
}

// pause stops what is shown, while somebody is asked.
func (a *approver) pause() (resume func()) {
	a.stop()
	return func() { a.stop = a.screen.Start(a.title) }
}

// approve is an operation's Approve. One answer counts for the whole run.
func (a *approver) approve(forecast consequence.Forecast) error {
	if len(forecast.Effects) == 0 {
		return nil
	}
	resume := a.pause()
	defer resume()
	if !a.quiet {
		showEffects(a.screen, forecast)
		a.screen.Print("stack %s: %s\n", a.stack, forecast.Summary())
	}
	if refused := forecast.Refused(a.allow); len(refused) > 0 {
		return fmt.Errorf("stack %s: refused, and nothing was changed:\n%s\nIf that is what you want: wcrdb up -s %[1]s %[3]s",
			a.stack, reasons(refused), allowing(refused))
	}
	asked := forecast.Asks(a.allow)
	if a.yes || len(asked) == 0 {
		return nil
	}
	if err := a.ask(forecast, asked); err != nil {
		return err
	}
	a.yes = true
	return nil
}

func (a *approver) ask(forecast consequence.Forecast, asked []consequence.Effect) error {
	if a.quiet || !term.IsTerminal(int(os.Stdin.Fd())) {
		return fmt.Errorf("stack %s: this interrupts everybody who uses the database, and nobody is there to confirm it; nothing was changed:\n%s\nTo go on: wcrdb up -s %[1]s --yes",
			a.stack, reasons(asked))
	}
	return goOn(a.ctx, forecast.Summary()+".")
}

// reasons lists effects, one on a line.
func reasons(effects []consequence.Effect) string {
	var lines []string
	for _, effect := range effects {
		lines = append(lines, fmt.Sprintf("  %s: %s %s: %s", effect.Class, effect.Operation, effect.Name, effect.Reason))
	}
	return strings.Join(lines, "\n")
}

// allowing are the flags that allow effects.
func allowing(effects []consequence.Effect) string {
	var flags []string
	for _, effect := range effects {
		flags = append(flags, "--allow "+effect.Name)
	}
	return strings.Join(flags, " ")
}
