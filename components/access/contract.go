package access

import (
	"fmt"
	"slices"
	"strings"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/privileges"
)

// CheckContract says which assertions of access.contract the plan breaks, by
// which path, and which make no sense.
func CheckContract(stack *config.Stack) error {
	model := NewModel(stack)
	var faults config.Faults
	for i, assertion := range stack.Access.Contract {
		at := fmt.Sprintf("access.contract[%d]", i)
		fault := func(key, value, reason, remedy string) {
			faults = append(faults, config.Fault{Path: at + key, Value: value, Reason: reason, Remedy: remedy})
		}
		roles := contractRoles(stack, model, assertion.Role)
		objects := model.Matching(assertion.On)
		switch {
		case len(roles) == 0:
			fault(".role", assertion.Role, "is no role or client of this stack", "known are "+strings.Join(contractNames(stack, model), ", "))
			continue
		case len(objects) == 0:
			fault(".on", assertion.On, "is nothing that access is declared on", "write for example database "+model.Database+", schema public, tables, tables in public, table public.orders, or role "+model.Roles[1].Name)
			continue
		case !slices.Contains(model.Judged(objects[0].Class), privileges.Privilege(assertion.Verb)):
			fault(".verb", assertion.Verb, "is nothing that can be done to "+objects[0].String(), "known are "+joinVerbs(model.Judged(objects[0].Class)))
			continue
		}
		for _, role := range roles {
			broken := model.Check(asserted(role, assertion))
			for _, cell := range broken {
				text := fmt.Sprintf("%s %s on %s", role, assertion.Verb, cell.Object)
				if assertion.Allowed {
					fault("", text, "must be allowed and is not: "+cell.Reason, "grant it, or take the assertion out")
				} else {
					fault("", text, "must not be allowed and is: "+cell.Reason, "close that path, or take the assertion out")
				}
			}
		}
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

// asserted is an assertion about one role.
func asserted(role string, assertion config.Assertion) privileges.Assertion {
	return privileges.Assertion{Role: role, Verb: privileges.Privilege(assertion.Verb), On: assertion.On, Allowed: assertion.Allowed}
}

// contractRoles are the roles of a client, or the one of the name; everybody is
// public, too.
func contractRoles(stack *config.Stack, model privileges.Model, name string) []string {
	for _, client := range Clients(stack) {
		if client.Name == name || slices.Equal(client.Roles, []string{name}) {
			return client.Roles
		}
	}
	for _, role := range model.Roles {
		if role.Name == name && !role.Superuser {
			return []string{name}
		}
	}
	return nil
}

func contractNames(stack *config.Stack, model privileges.Model) []string {
	var names []string
	for _, client := range Clients(stack) {
		names = append(names, client.Name)
	}
	for _, role := range model.Roles {
		if !role.Superuser && !predefined(role.Name) {
			names = append(names, role.Name)
		}
	}
	return names
}

func joinVerbs(verbs []privileges.Privilege) string {
	texts := make([]string, len(verbs))
	for i, verb := range verbs {
		texts[i] = string(verb)
	}
	return strings.Join(texts, ", ")
}
