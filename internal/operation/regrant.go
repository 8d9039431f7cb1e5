package operation

import (
	"context"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"github.com/witchcityrope/database/internal/engine"
)

const (
	objectGrantType = "pgserver:index:ObjectGrant"
	ownedGrantType  = "pgserver:index:OwnedGrant"
	schemaGrantType = "pgserver:index:SchemaGrant"
	membershipType  = "pgserver:index:MembershipOptions"

	// What grants were made with by earlier versions.
	grantType       = "postgresql:index/grant:Grant"
	tablesGrantType = "pgserver:index:TablesGrant"
)

var grantTypes = []string{objectGrantType, schemaGrantType, grantType, tablesGrantType}

// granted is whom privileges in a schema are given to, and on which class of objects.
type granted struct{ role, schema, class string }

// grantedBy reads that from a grant's inputs; a grant on no class of objects in a
// schema is about nothing here.
func grantedBy(resourceType string, inputs map[string]any) (about granted, is bool) {
	text := func(key string) string { value, _ := inputs[key].(string); return value }
	about = granted{text("role"), text("schema"), text("class")}
	return about, slices.Contains([]string{objectGrantType, schemaGrantType}, resourceType) && about.schema != "" && slices.Contains([]string{"table", "sequence", "function", "type"}, about.class)
}

// about are what the changes of an operation give or take by one type of grant.
func about(changes []engine.Change, operation, resourceType string) []granted {
	var found []granted
	for _, change := range changes {
		inputs := change.After
		if operation == "delete" {
			inputs = change.Before
		}
		if one, is := grantedBy(change.Type, inputs); is && change.Operation == operation && change.Type == resourceType && !change.Kept {
			found = append(found, one)
		}
	}
	return found
}

// takenOver forgets grants on single objects where a new one on all of their
// schema takes their place: it makes the role have exactly what it says, in one
// step, and their end afterwards would take that away again. Likewise where one on
// all tables but some is changed, and a grant that one of another type, by the same
// name, takes the place of.
func (o *Operation) takenOver(ctx context.Context, stack *engine.Stack, changes []engine.Change) error {
	ended := replacedGrants(changes)
	if len(ended) == 0 {
		return nil
	}
	state, err := stack.State(ctx)
	if err != nil {
		return err
	}
	for _, change := range ended {
		for _, resource := range state.Resources() {
			if string(resource.Type) == change.Type && resource.URN.Name() == change.Name {
				if err := stack.Edit(ctx, forget(resource.URN, false)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// replacedGrants are the ends of grants in whose place others come.
func replacedGrants(changes []engine.Change) []engine.Change {
	whole := slices.Concat(about(changes, "create", schemaGrantType), about(changes, "update", schemaGrantType))
	var ended []engine.Change
	for _, change := range changes {
		one, inSchema := grantedBy(change.Type, change.Before)
		switch {
		case change.Operation != "delete":
		case change.Type == objectGrantType && inSchema && slices.Contains(whole, one),
			slices.Contains(grantTypes, change.Type) && slices.ContainsFunc(changes, func(made engine.Change) bool {
				return made.Operation == "create" && slices.Contains(grantTypes, made.Type) && made.Type != change.Type && made.Name == change.Name
			}):
			ended = append(ended, change)
		}
	}
	return ended
}

// incomplete says whether a run has taken away what it, or one before, had made:
// then another one makes it again.
func (o *Operation) incomplete(ctx context.Context, stack *engine.Stack, changes []engine.Change) (bool, error) {
	takes := func(change engine.Change) bool {
		return change.Operation == "update" && change.Type == roleType ||
			change.Operation == "delete" && slices.Contains(grantTypes, change.Type)
	}
	if !slices.ContainsFunc(changes, takes) {
		return false, nil
	}
	state, err := stack.State(ctx)
	if err != nil {
		return false, err
	}
	return o.wiped(state.Resources(), changes) || o.usual(state.Resources(), changes), nil
}

// usual says whether a membership has lost the options that are declared.
func (o *Operation) usual(resources []apitype.ResourceV3, changes []engine.Change) bool {
	for _, resource := range resources {
		if string(resource.Type) == membershipType && usualAgain(changes, resource.URN.Name(), resource.Inputs) {
			o.Report("role %v was not as declared, and is a member of %v with the usual options now: it gets those declared", resource.Inputs["member"], resource.Inputs["role"])
			return true
		}
	}
	return false
}

// usualAgain says whether a membership has lost its options: its member was
// changed, which makes all its memberships anew, for something that is none of
// the declaration, which would have given the options after that.
func usualAgain(changes []engine.Change, name string, options map[string]any) bool {
	if options["inherit"] == true && options["set"] == true && options["admin"] != true {
		return false
	}
	changed := false
	for _, change := range changes {
		if change.Type == membershipType && change.Name == name {
			return false
		}
		changed = changed || change.Type == roleType && change.Operation == "update" && change.After["name"] == options["member"]
	}
	return changed
}

// wiped says whether the end of a grant has taken what another one gives that the
// run had made before: one on all objects of a schema what those on single ones
// give, either what one on all that an owner has gives.
func (o *Operation) wiped(resources []apitype.ResourceV3, changes []engine.Change) bool {
	whole, single := about(changes, "delete", schemaGrantType), about(changes, "delete", objectGrantType)
	for _, resource := range resources {
		ended, left := whole, []granted{}
		switch string(resource.Type) {
		case objectGrantType, schemaGrantType:
			if one, is := grantedBy(objectGrantType, resource.Inputs); is {
				left = append(left, one)
			}
		case ownedGrantType:
			ended, left = slices.Concat(whole, single), allowedBy(resource.Inputs)
		}
		for _, one := range left {
			if slices.Contains(ended, one) {
				o.Report("%s has lost a grant in schema %s, and with it what another one gives there on each %s: that is given again", one.role, one.schema, one.class)
				return true
			}
		}
	}
	return false
}

// allowedBy are those whom a grant on all that an owner has lets in.
func allowedBy(inputs map[string]any) []granted {
	var all []granted
	class, _ := inputs["class"].(string)
	roles, _ := inputs["allowed"].(map[string]any)
	for role, list := range roles {
		schemas, _ := list.([]any)
		for _, schema := range schemas {
			if name, is := schema.(string); is {
				all = append(all, granted{role, name, class})
			}
		}
	}
	return all
}
