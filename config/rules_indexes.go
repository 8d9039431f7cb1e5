package config

import (
	"fmt"
	"slices"
)

// indexMethods are PostgreSQL's own, and what each can do (manual, section 11.2 and CREATE INDEX).
var indexMethods = map[string]struct{ order, include, several bool }{
	"btree": {order: true, include: true, several: true},
	"hash":  {},
	"gin":   {several: true}, "brin": {several: true},
	"gist": {include: true, several: true}, "spgist": {include: true},
}

// declaredIndexes checks indexes one by one, and that no two have one name.
func declaredIndexes(s *Stack, faults *Faults) {
	seen := map[string]bool{}
	for i, index := range s.Indexes {
		at := fmt.Sprintf("indexes[%d]", i)
		indexNames(s, faults, at, index)
		if seen[index.Name] && index.Name != "" {
			faults.add(at+".name", index.Name, "is there twice", "give each its own")
		}
		seen[index.Name] = true
		if _, known := indexMethods[index.Method]; !known {
			oneOf(faults, at+".method", index.Method, sortedKeys(indexMethods)...)
			continue
		}
		indexColumns(faults, at, index)
	}
}

func indexNames(s *Stack, faults *Faults, at string, index Index) {
	for _, name := range []struct{ path, value string }{{at + ".name", index.Name}, {at + ".table", index.Table}} {
		if name.value == "" {
			faults.add(name.path, nil, "an index needs one", "set it")
		} else {
			plainName(faults, name.path, name.value)
		}
	}
	if index.Schema != "" {
		declaredSchema(s, faults, at+".schema", index.Schema, false)
	}
}

func indexColumns(faults *Faults, at string, index Index) {
	method := indexMethods[index.Method]
	if index.Unique && index.Method != "btree" {
		faults.add(at+".unique", true, "only an index of method btree can be", "leave it out, or use btree")
	}
	if len(index.Columns) == 0 {
		faults.add(at+".columns", nil, "an index needs at least one", "name the columns")
	}
	if len(index.Columns) > 1 && !method.several {
		faults.add(at+".columns", nil, fmt.Sprintf("an index of method %s has one", index.Method), "leave the others out, or use btree")
	}
	if len(index.Include) > 0 && !method.include {
		faults.add(at+".include", nil, fmt.Sprintf("an index of method %s keeps no further columns", index.Method), "leave it out, or use btree")
	}
	for i, column := range index.Columns {
		element := fmt.Sprintf("%s.columns[%d]", at, i)
		switch {
		case column.Name == "" && column.Expression == "":
			faults.add(element, nil, "names neither a column nor an expression", "set name or expression")
		case column.Name != "" && column.Expression != "":
			faults.add(element, column.Name, "is a column and an expression at once", "leave one of them out")
		case column.Name != "":
			plainName(faults, element, column.Name)
		}
		if !slices.Contains([]string{"", NullsFirst, NullsLast}, column.Nulls) {
			oneOf(faults, element+".nulls", column.Nulls, NullsFirst, NullsLast)
		}
		if (column.Descending || column.Nulls != "") && !method.order {
			faults.add(element, column.String(), fmt.Sprintf("an index of method %s has no order", index.Method), "leave descending and nulls out, or use btree")
		}
		if column.Name != "" && slices.Contains(index.Include, column.Name) {
			faults.add(at+".include", column.Name, "is indexed already", "leave it out")
		}
	}
	duplicates(faults, at+".include", index.Include)
}
