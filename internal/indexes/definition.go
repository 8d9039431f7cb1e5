// Package indexes builds the indexes that a stack declares while the database
// is in use, and knows those that it has already under other names.
package indexes

import (
	"slices"
)

// Definition is what an index is, in the words of the server: expressions,
// collations and operator classes are spelt as it spells them.
type Definition struct {
	Method           string
	Unique           bool
	NullsNotDistinct bool
	Keys             []Key
	Include          []string
	Where            string
}

// Key is one of the columns or expressions that an index is sorted or searched by.
type Key struct {
	Expression    string
	Collation     string
	OperatorClass string // with its parameters
	Descending    bool
	NullsFirst    bool
}

// Same says whether two indexes are the same but for their names.
func (d Definition) Same(other Definition) bool {
	return d.Method == other.Method && d.Unique == other.Unique && d.NullsNotDistinct == other.NullsNotDistinct && d.Where == other.Where &&
		slices.Equal(d.Keys, other.Keys) && sameSet(d.Include, other.Include)
}

// Serves says whether whoever wants an index needs none any more, because this
// one does all that it would do. It may do more: be unique, have further
// columns behind those that are wanted, or be read backwards.
func (d Definition) Serves(wanted Definition) bool {
	if d.Same(wanted) {
		return true
	}
	if d.Method != wanted.Method || d.Where != wanted.Where || len(d.Keys) < len(wanted.Keys) || !d.has(wanted.Include) {
		return false
	}
	if wanted.Unique && (!d.Unique || d.NullsNotDistinct != wanted.NullsNotDistinct || len(d.Keys) != len(wanted.Keys)) {
		return false
	}
	leading := d.Keys[:len(wanted.Keys)]
	if d.Method == "btree" {
		return slices.Equal(leading, wanted.Keys) || slices.Equal(backwards(leading), wanted.Keys)
	}
	return len(d.Keys) == len(wanted.Keys) && slices.Equal(leading, wanted.Keys)
}

// has says whether the columns can be read from the index.
func (d Definition) has(columns []string) bool {
	for _, column := range columns {
		isColumn := func(key Key) bool { return key.Expression == column }
		if !slices.Contains(d.Include, column) && !slices.ContainsFunc(d.Keys, isColumn) {
			return false
		}
	}
	return true
}

// backwards are keys as who reads the index from its end finds them.
func backwards(keys []Key) []Key {
	turned := slices.Clone(keys)
	for i := range turned {
		turned[i].Descending, turned[i].NullsFirst = !turned[i].Descending, !turned[i].NullsFirst
	}
	return turned
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
