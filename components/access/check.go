package access

import (
	"fmt"
	"slices"
	"strings"

	"github.com/witchcityrope/database/config"
)

// Check finds what cannot be declared together: what of access.grants would
// take away what another grant gives, or would not hold for what will be created.
func (p Plan) Check(stack *config.Stack) error {
	var faults config.Faults
	names := stack.Access.Names()
	for i, grant := range stack.Access.Grants {
		at := fmt.Sprintf("access.grants[%d]", i)
		for _, role := range names.Named(grant.Role) {
			if fault, found := p.overruled(grant, role); found {
				fault.Path = at
				faults = append(faults, fault)
				break
			}
			if fault, found := p.outgrown(grant, role); found {
				fault.Path = at + ".privileges"
				faults = append(faults, fault)
				break
			}
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return faults
}

// overruled says of a grant on single objects, other than tables, that the role has one on
// all objects of their class there: a change of that revokes on each of them, columns included.
func (p Plan) overruled(grant config.Grant, role string) (config.Fault, bool) {
	class := grant.On
	if class == config.OnColumn {
		class = config.OnTable
	}
	if grant.Whole() || !slices.Contains([]string{config.OnColumn, config.OnSequence, config.OnFunction}, grant.On) {
		return config.Fault{}, false
	}
	all := slices.IndexFunc(p.Grants, func(g Grant) bool {
		return g.Role == role && g.ObjectType == class && g.Schema == grant.Schema
	})
	if all < 0 {
		return config.Fault{}, false
	}
	remedy := "grant on all only what it has of each, and the rest on single ones to another role, of which this one is a member"
	if slices.ContainsFunc(grant.Privileges, func(privilege string) bool { return !slices.Contains(p.Grants[all].Privileges, privilege) }) {
		remedy = "grant to another role, and make this one a member of it"
	}
	return config.Fault{
		Value:  strings.Join(grant.Objects, ", "),
		Reason: fmt.Sprintf("%s has a grant on all objects of class %s in schema %s, which decides about these too", role, class, grant.Schema),
		Remedy: remedy,
	}, true
}

// outgrown says of a grant on all objects of a schema that objects which are created
// there later get more than it says: they would differ from the others for ever.
func (p Plan) outgrown(grant config.Grant, role string) (config.Fault, bool) {
	if !grant.Whole() {
		return config.Fault{}, false
	}
	for _, privileges := range p.DefaultPrivileges {
		if privileges.Owner != p.ownerOf(grant.Schema) || privileges.Role != role || privileges.ObjectType != grant.On ||
			privileges.Schema != "" && privileges.Schema != grant.Schema {
			continue
		}
		for _, privilege := range privileges.Privileges {
			if !slices.Contains(grant.Privileges, privilege) {
				return config.Fault{
					Value:  strings.Join(grant.Privileges, ", "),
					Reason: fmt.Sprintf("what %s creates later, %s gets %s on by default", privileges.Owner, role, strings.Join(privileges.Privileges, ", ")),
					Remedy: "say the same in access.defaultPrivileges",
				}, true
			}
		}
	}
	return config.Fault{}, false
}
