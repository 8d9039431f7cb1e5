package privileges

import (
	"fmt"
	"slices"
	"strings"
)

// By is what gives the last role of a path its access.
type By string

// What gives access.
const (
	Superuser  By = "superuser"
	Ownership  By = "ownership"
	Grant      By = "grant"
	Everybody  By = "public"
	Predefined By = "predefined role"
	Member     By = "membership"
)

// Path is how an access comes.
type Path struct {
	// Become are the steps by which the one that asks becomes the first of the
	// chain, where it has to.
	Become []string
	// Chain are the roles from the one that asks to the one that has the
	// access, each a member of the next.
	Chain  []string
	By     By
	Verb   Privilege
	Object Object
}

// String tells the path as a sentence without a subject.
func (p Path) String() string {
	if len(p.Chain) == 0 {
		return "no path"
	}
	steps := append(slices.Clone(p.Become), memberSteps(p.Chain)...)
	last := p.Chain[len(p.Chain)-1]
	switch p.By {
	case Superuser:
		steps = append(steps, last+" is a superuser")
	case Ownership:
		steps = append(steps, fmt.Sprintf("%s owns %s", last, p.Object))
	case Grant:
		steps = append(steps, fmt.Sprintf("%s is granted %s on %s", last, p.Verb, p.Object))
	case Everybody:
		steps = append(steps, fmt.Sprintf("PUBLIC has %s on %s", p.Verb, p.Object))
	case Predefined:
		steps = append(steps, last+" has it everywhere")
	}
	return strings.Join(steps, ", ")
}

// memberSteps tell a chain of memberships.
func memberSteps(chain []string) (steps []string) {
	for i := range len(chain) - 1 {
		steps = append(steps, fmt.Sprintf("%s is a member of %s", chain[i], chain[i+1]))
	}
	return steps
}

// String names an object as people do.
func (o Object) String() string {
	switch {
	case o.Class == Column:
		return fmt.Sprintf("column %s.%s.%s", o.Schema, o.Name, o.Column)
	case o.Name == "" && o.Schema != "":
		return o.plural() + " in " + o.Schema
	case o.Name == "" && o.New && o.Class.inSchema():
		return o.plural() + " in new schemas"
	case o.Name == "":
		return o.plural()
	case o.Schema != "":
		return fmt.Sprintf("%s %s.%s", o.Class.noun(), o.Schema, o.Name)
	default:
		return o.Class.noun() + " " + o.Name
	}
}

func (o Object) plural() string {
	if o.New {
		return "new " + o.Class.noun() + "s"
	}
	return o.Class.noun() + "s"
}

// noun is what people call an object of the class.
func (c Class) noun() string {
	if c == LargeObject {
		return "large object"
	}
	return string(c)
}

// inSchema says whether objects of the class are in schemas.
func (c Class) inSchema() bool {
	switch c {
	case Table, Column, Sequence, Function, Type:
		return true
	}
	return false
}
