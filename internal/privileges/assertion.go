package privileges

import (
	"fmt"
	"slices"
	"strings"
)

// Assertion is a cell that must or must not be.
type Assertion struct {
	Role    string
	Verb    Privilege
	On      string // see Matching
	Allowed bool
}

// Matching are the objects of a model that a few words mean: database shop,
// schema auth, schemas, tables, tables in auth, new tables in auth, table
// auth.Users, role owner.
func (m Model) Matching(words string) []Object {
	var found []Object
	for _, object := range m.Objects {
		plural := object.Class.noun() + "s"
		names := []string{object.String(), plural, object.plural()}
		if object.Schema != "" {
			names = append(names, plural+" in "+object.Schema)
		}
		if slices.Contains(names, words) {
			found = append(found, object)
		}
	}
	if len(found) > 0 {
		return found
	}
	return m.ofItsKind(words)
}

// ofItsKind takes one that the model does not know for one of its schema's.
func (m Model) ofItsKind(words string) []Object {
	for _, object := range m.Objects {
		name, is := strings.CutPrefix(words, object.Class.noun()+" "+object.Schema+".")
		if is && object.Class.inSchema() && object.Name == "" && object.Schema != "" && !object.New {
			object.Name = name
			return []Object{object}
		}
	}
	return nil
}

// Broken is an assertion that does not hold, for an object.
type Broken struct {
	Object Object
	Reason string
}

// Check says where an assertion does not hold. What is denied must not even be
// reached by SET ROLE; what is allowed must be allowed without, together with
// the way there: CONNECT on the database and USAGE of the schema.
func (m Model) Check(assertion Assertion) []Broken {
	var broken []Broken
	for _, object := range m.Matching(assertion.On) {
		if !assertion.Allowed {
			if may, path := m.Reach(assertion.Role, assertion.Verb, object); may {
				broken = append(broken, Broken{object, path.String()})
			}
			continue
		}
		if may, _ := m.May(assertion.Role, assertion.Verb, object); !may {
			broken = append(broken, Broken{object, m.whyNot(assertion.Role, assertion.Verb, object)})
			continue
		}
		for _, needed := range m.wayTo(object) {
			if may, _ := m.May(assertion.Role, needed.Verb, needed.Object); !may {
				broken = append(broken, Broken{object, fmt.Sprintf("%s lacks %s on %s", assertion.Role, needed.Verb, needed.Object)})
			}
		}
	}
	return broken
}

func (m Model) whyNot(role string, verb Privilege, object Object) string {
	if reach, path := m.Reach(role, verb, object); reach {
		return "only after SET ROLE: " + path.String()
	}
	return fmt.Sprintf("neither %s nor a role whose privileges it has is granted %s, and PUBLIC is not", role, verb)
}

// wayTo are the cells without which a privilege on an object is of no use.
func (m Model) wayTo(object Object) []Path {
	var way []Path
	if object.Class == RoleClass {
		return nil
	}
	if database, there := m.Find(Object{Class: Database, Name: m.Database}); there && object.Class != Database {
		way = append(way, Path{Verb: Connect, Object: database})
	}
	if schema, there := m.Find(Object{Class: Schema, Name: object.Schema}); there {
		way = append(way, Path{Verb: Usage, Object: schema})
	}
	return way
}
