package privileges

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Matrix is who may do what: verbs by object and role. Who may do nothing to
// an object is left out.
type Matrix map[string]map[string][]Privilege

// Matrix judges every role and every object of the model.
func (m Model) Matrix() Matrix {
	matrix := Matrix{}
	for _, object := range m.Objects {
		for _, role := range m.judged() {
			var verbs []Privilege
			for _, verb := range m.Judged(object.Class) {
				if may, _ := m.May(role, verb, object); may && !object.is(role) {
					verbs = append(verbs, verb)
				}
			}
			if len(verbs) == 0 {
				continue
			}
			if matrix[object.String()] == nil {
				matrix[object.String()] = map[string][]Privilege{}
			}
			matrix[object.String()][role] = verbs
		}
	}
	return matrix
}

// judged are PUBLIC and all roles that neither PostgreSQL has made nor may do everything.
func (m Model) judged() []string {
	roles := []string{Public}
	for _, role := range m.Roles {
		if !role.Superuser && !strings.HasPrefix(role.Name, "pg_") {
			roles = append(roles, role.Name)
		}
	}
	return roles
}

// Change is what a role gains or loses.
type Change struct {
	Role   string      `json:"role"`
	Gains  bool        `json:"gains"` // else it loses
	Verbs  []Privilege `json:"verbs"`
	Object string      `json:"object"`
}

func (c Change) String() string {
	what := "loses"
	if c.Gains {
		what = "gains"
	}
	verbs := make([]string, len(c.Verbs))
	for i, verb := range c.Verbs {
		verbs[i] = string(verb)
	}
	return fmt.Sprintf("%s %s %s on %s", c.Role, what, strings.Join(verbs, ", "), c.Object)
}

// Difference is what comes and goes from one matrix to another, by role and object.
func Difference(before, after Matrix) []Change {
	var changes []Change
	for _, object := range union(before, after) {
		for _, role := range union(before[object], after[object]) {
			had, has := before[object][role], after[object][role]
			if gained := without(has, had); len(gained) > 0 {
				changes = append(changes, Change{role, true, gained, object})
			}
			if lost := without(had, has); len(lost) > 0 {
				changes = append(changes, Change{role, false, lost, object})
			}
		}
	}
	slices.SortStableFunc(changes, func(a, b Change) int { return cmp.Compare(a.Role, b.Role) })
	return changes
}

func union[V any](a, b map[string]V) []string {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(keys)
	return slices.Compact(keys)
}

func without(verbs, others []Privilege) []Privilege {
	return slices.DeleteFunc(slices.Clone(verbs), func(verb Privilege) bool { return slices.Contains(others, verb) })
}

// is says whether the object is the role itself.
func (o Object) is(role string) bool { return o.Class == RoleClass && o.Name == role }
