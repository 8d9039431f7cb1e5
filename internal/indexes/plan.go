package indexes

import (
	"fmt"
	"strings"

	"github.com/witchcityrope/database/internal/postgres"
)

// Action is what is to be done about a declared index.
type Action string

// The actions.
const (
	Build   Action = "build"
	Rebuild Action = "rebuild" // what an interrupted build has left is dropped first
	Present Action = "present"
	Covered Action = "covered" // the application has it under another name
	Missing Action = "missing" // its table is not there
	Refused Action = "refused"
)

// Wanted is a declared index and what the server says it would be.
type Wanted struct {
	Name string
	// Table is the name as it is declared; Schemas are where it may be.
	Table   string
	Schemas []string
	Definition
	// Statement builds it.
	Statement string
	// Fault is why the server would not take the definition, if so.
	Fault string
}

// Relation is something that is there under a name that a declared index or its table has.
type Relation struct {
	Schema, Name, Owner string
	Partitioned         bool
}

// Index is an index that is there.
type Index struct {
	Schema, Table, Name string
	Definition
	// Valid is false for one that queries do not use, because its build did not come to its end.
	Valid bool
	// Builder is the session that builds it at this moment; 0 if none does.
	Builder int
}

// Found is what there is, as far as declared indexes are concerned.
type Found struct {
	Tables  []Relation
	Indexes []Index
	// Names has other relations that have the name of a declared index.
	Names []Relation
}

// Step is what is to be done about one index, and why.
type Step struct {
	Wanted Wanted
	Action Action
	Table  Relation // where it is, once that is known
	Reason string
	// Drop has leftovers of interrupted builds, by name, whatever the action.
	Drop []string
}

// Plan says what is to be done about each declared index, in their order.
func Plan(wanted []Wanted, found Found) []Step {
	var steps []Step
	for _, one := range wanted {
		steps = append(steps, found.step(one))
	}
	return steps
}

func (f Found) step(wanted Wanted) Step {
	step := Step{Wanted: wanted}
	refuse := func(format string, args ...any) Step {
		step.Action, step.Reason = Refused, fmt.Sprintf(format, args...)
		return step
	}
	tables := f.tables(wanted)
	switch {
	case len(tables) == 0:
		step.Action = Missing
		step.Reason = fmt.Sprintf("there is no table %s in %s: run the migrations that make it first", wanted.Table, strings.Join(wanted.Schemas, " or "))
		return step
	case len(tables) > 1:
		return refuse("table %s is in %s and in %s: say which with schema", wanted.Table, tables[0].Schema, tables[1].Schema)
	}
	step.Table = tables[0]
	switch {
	case step.Table.Partitioned:
		return refuse("%s is partitioned, and PostgreSQL cannot build an index on it without keeping writers out: have a migration make it", step.Table)
	case wanted.Fault != "":
		return refuse("%s", wanted.Fault)
	}
	for _, other := range f.Names {
		if other.Schema == step.Table.Schema && other.Name == wanted.Name {
			return refuse("%s is something else already: choose another name", other)
		}
	}
	for _, other := range f.Indexes {
		if other.Schema == step.Table.Schema && other.Name == wanted.Name && other.Table != step.Table.Name {
			return refuse("an index of %s has this name already: choose another", postgres.QuoteIdentifier(other.Table))
		}
	}
	return f.decide(step)
}

// decide looks at the indexes that the table has.
func (f Found) decide(step Step) Step {
	step.Action = Build
	serves := ""
	for _, index := range f.Indexes {
		if index.Schema != step.Table.Schema || index.Table != step.Table.Name {
			continue
		}
		ours := index.Name == step.Wanted.Name
		switch {
		case !index.Valid && !leftover(index.Name, step.Wanted.Name):
		case !index.Valid && index.Builder != 0:
			step.Action, step.Reason = Refused, fmt.Sprintf("session %d builds it at this moment: wait for its end", index.Builder)
			return step
		case !index.Valid:
			step.Drop = append(step.Drop, index.Name)
		case ours && index.Same(step.Wanted.Definition):
			step.Action = Present
		case ours:
			step.Action, step.Reason = Refused, "there is an index of this name that is not as declared: declare what it is, choose another name, or drop it"
			return step
		case serves == "" && index.Serves(step.Wanted.Definition):
			serves = index.explain(step.Wanted.Definition)
		}
	}
	switch {
	case step.Action == Present:
	case serves != "":
		step.Action, step.Reason = Covered, serves
	case len(step.Drop) > 0:
		step.Action, step.Reason = Rebuild, fmt.Sprintf("an interrupted build has left %s, which queries do not use", strings.Join(step.Drop, ", "))
	}
	return step
}

// leftover says whether an index that is not valid is what a build of the named
// one, or a REINDEX CONCURRENTLY of it, has left.
func leftover(name, declared string) bool {
	rest, is := strings.CutPrefix(name, declared)
	if !is {
		return false
	}
	rest = strings.TrimRight(rest, "0123456789")
	return name == declared || rest == "_ccnew" || rest == "_ccold"
}

// explain says how an index does what is wanted.
func (i Index) explain(wanted Definition) string {
	name := postgres.QuoteIdentifier(i.Name)
	switch {
	case len(i.Keys) > len(wanted.Keys):
		return name + " begins with the same columns"
	case i.Unique && !wanted.Unique:
		return name + " is on the same columns, and unique"
	default:
		return name + " is the same under another name"
	}
}

func (f Found) tables(wanted Wanted) (tables []Relation) {
	for _, schema := range wanted.Schemas {
		for _, table := range f.Tables {
			if table.Schema == schema && table.Name == wanted.Table {
				tables = append(tables, table)
			}
		}
	}
	return tables
}

func (r Relation) String() string {
	return postgres.QuoteIdentifier(r.Schema) + "." + postgres.QuoteIdentifier(r.Name)
}
