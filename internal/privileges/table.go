package privileges

import (
	"fmt"
	"slices"
	"strings"
)

// Client is a column of a table for people: somebody, and the roles that are judged for
// it. If they differ, what any of them may do counts.
type Client struct {
	Name  string
	Roles []string
}

// Row of a table for people: objects of a class that are judged alike, and
// for each client the verbs.
type Row struct {
	On  string
	May []string
}

// Table folds the matrix of a model into few rows.
func (m Model) Table(clients []Client) []Row {
	var rows []Row
	var folded []*fold
	for _, class := range Classes {
		for _, object := range m.Objects {
			if object.Class != class {
				continue
			}
			may := m.verbsOf(object, clients)
			if !slices.ContainsFunc(may, func(verbs string) bool { return verbs != "" }) && class == RoleClass {
				continue
			}
			i := slices.IndexFunc(folded, func(f *fold) bool { return f.class == class && slices.Equal(f.may, may) })
			if i < 0 {
				folded = append(folded, &fold{class: class, may: may})
				i = len(folded) - 1
			}
			folded[i].objects = append(folded[i].objects, object)
		}
	}
	for _, f := range folded {
		rows = append(rows, Row{f.name(), f.may})
	}
	return rows
}

// fold is a row in the making.
type fold struct {
	class   Class
	may     []string
	objects []Object
}

func (m Model) verbsOf(object Object, clients []Client) []string {
	var may []string
	for _, client := range clients {
		var verbs []string
		for _, verb := range m.Judged(object.Class) {
			if slices.ContainsFunc(client.Roles, func(role string) bool {
				allowed, _ := m.May(role, verb, object)
				return allowed && !object.is(role)
			}) {
				verbs = append(verbs, string(verb))
			}
		}
		if all := m.Judged(object.Class); slices.Contains(all, Own) && len(verbs) == len(all) {
			verbs = []string{"everything"}
		}
		may = append(may, strings.Join(verbs, ", "))
	}
	return may
}

// name tells the objects of a row in few words: tables in auth, public and new
// schemas, those that are there and new ones.
func (f *fold) name() string {
	var parts, named, present, future []string
	for _, object := range f.objects {
		place := object.Schema
		if place == "" {
			place = "new schemas"
		}
		switch {
		case object.Name != "":
			named = append(named, strings.TrimPrefix(object.String(), f.class.noun()+" "))
		case !f.class.inSchema():
			parts = append(parts, object.String())
		case object.New:
			future = append(future, place)
		default:
			present = append(present, place)
		}
	}
	if len(named) > 0 {
		parts = slices.Insert(parts, 0, f.class.noun()+" "+strings.Join(named, ", "))
	}
	plural := f.class.noun() + "s in "
	switch {
	case len(present) > 0 && within(present, future):
		parts = append(parts, plural+strings.Join(future, ", ")+", present and new")
	case len(present) > 0:
		parts = append(parts, plural+strings.Join(present, ", "))
		fallthrough
	default:
		if len(future) > 0 {
			parts = append(parts, "new "+plural+strings.Join(future, ", "))
		}
	}
	return strings.Join(parts, "; ")
}

func within(some, all []string) bool {
	return !slices.ContainsFunc(some, func(one string) bool { return !slices.Contains(all, one) })
}

// Markdown writes rows as a table.
func Markdown(clients []Client, rows []Row) string {
	var out strings.Builder
	head, line := "| on |", "|---|"
	for _, client := range clients {
		head, line = head+" "+client.Name+" |", line+"---|"
	}
	fmt.Fprintf(&out, "%s\n%s\n", head, line)
	for _, row := range rows {
		fmt.Fprintf(&out, "| %s |", row.On)
		for _, may := range row.May {
			fmt.Fprintf(&out, " %s |", may)
		}
		out.WriteString("\n")
	}
	return out.String()
}
