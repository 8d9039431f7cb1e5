package privileges

import "slices"

// Exception is a table of which a role may do less than default privileges give
// it of every table of that schema.
type Exception struct {
	Table Object
	Role  string
	Lacks []Privilege
}

// Exceptions are those of the model's tables: whoever creates one of them creates
// it with too much.
func (m Model) Exceptions() []Exception {
	var found []Exception
	for _, table := range m.Objects {
		created, declared := m.Find(Object{Class: Table, Schema: table.Schema, New: true})
		if table.Class != Table || table.Name == "" || !declared {
			continue
		}
		for _, given := range created.ACL {
			kept := func(entry Entry) bool { return entry.Grantee == given.Grantee && entry.Privilege == given.Privilege }
			if given.Grantee == table.Owner || slices.ContainsFunc(table.ACL, kept) {
				continue
			}
			at := slices.IndexFunc(found, func(e Exception) bool { return e.Table.Same(table) && e.Role == given.Grantee })
			if at < 0 {
				at, found = len(found), append(found, Exception{Table: table, Role: given.Grantee})
			}
			found[at].Lacks = append(found[at].Lacks, given.Privilege)
		}
	}
	return found
}
