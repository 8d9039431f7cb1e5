package privileges

import "slices"

// hasDefaults says of which classes ALTER DEFAULT PRIVILEGES can be.
func (m Model) hasDefaults(class Class) bool {
	switch class {
	case Table, Sequence, Function, Type, Schema:
		return true
	case LargeObject:
		return m.Major >= 18
	}
	return false
}

// Created is an object as it will be when owner creates it: default privileges
// for every schema stand instead of the class's own, those for the object's
// schema come on top.
func (m Model) Created(object Object, owner string) Object {
	object.Owner, object.ACL = owner, nil
	if !m.hasDefaults(object.Class) {
		return object
	}
	acl := m.builtIn(object.Class, owner)
	for _, each := range m.defaultsOf(object.Class, owner) {
		if each.Schema == "" {
			acl, object.ACL = each.ACL, each.ACL
		}
	}
	for _, each := range m.defaultsOf(object.Class, owner) {
		if each.Schema == "" || each.Schema != object.Schema || object.Class == Schema {
			continue
		}
		for _, entry := range each.ACL {
			acl = append(slices.Clone(acl), entry)
		}
		object.ACL = acl
	}
	if len(object.ACL) == 0 {
		object.ACL = nil // default privileges that leave nothing are none
	}
	return object
}

func (m Model) defaultsOf(class Class, owner string) []Default {
	var found []Default
	for _, each := range m.Defaults {
		if each.Class == class && each.Owner == owner {
			found = append(found, each)
		}
	}
	return found
}
