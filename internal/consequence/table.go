package consequence

import (
	"fmt"
	"strings"
)

// Row is a line of the table for people.
type Row struct{ Class, Change, Resource, Reason string }

// Rows are the effects for people, the dearest first. Those that nobody
// notices are taken together by what is done to which type.
func (f Forecast) Rows() []Row {
	var rows []Row
	together := map[string]int{} // index of the row + 1
	counts := map[string]int{}
	for _, effect := range f.Effects {
		class := effect.Class.String()
		if effect.Class == DataLoss {
			class = strings.ToUpper(class)
		}
		row := Row{class, effect.Operation, effect.Name, effect.told()}
		if effect.Class != Online {
			rows = append(rows, row)
			continue
		}
		key := effect.Operation + " " + effect.Type
		counts[key]++
		if at := together[key]; at > 0 {
			rows[at-1].Resource = fmt.Sprintf("%d × %s", counts[key], shortType(effect.Type))
			rows[at-1].Reason = ""
			continue
		}
		rows = append(rows, row)
		together[key] = len(rows)
	}
	return rows
}

// told is the reason, or what differs, with the seconds expected.
func (e Effect) told() string {
	reason := e.Reason
	if reason == "" {
		reason = strings.Join(e.Properties, ", ")
	}
	if e.Seconds > 0 {
		reason += fmt.Sprintf("; about %s of interruption", Seconds(e.Seconds))
	}
	return reason
}

// shortType is the last part of a type's token.
func shortType(token string) string { return token[strings.LastIndex(token, ":")+1:] }

// Markdown is the forecast of a stack for the comment on a pull request.
func (f Forecast) Markdown(stack string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "### `wcrdb preview -s %s`\n\n", stack)
	fmt.Fprintf(&out, "**%s**\n", cell(f.Summary()))
	if len(f.Effects) == 0 {
		return out.String()
	}
	out.WriteString("\n| consequence | change | resource | why |\n|---|---|---|---|\n")
	for _, row := range f.Rows() {
		fmt.Fprintf(&out, "| %s | %s | `%s` | %s |\n", row.Class, row.Change, row.Resource, cell(row.Reason))
	}
	if refused := f.Refused(nil); len(refused) > 0 {
		out.WriteString("\n`up` refuses this unless it is allowed by name:")
		for _, effect := range refused {
			fmt.Fprintf(&out, " `--allow %s`", effect.Name)
		}
		out.WriteString("\n")
	}
	return out.String()
}

// cell is text that a table's cell can hold.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(text)
}
