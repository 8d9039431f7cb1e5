package config

import (
	"fmt"
	"slices"
)

// Generations are numbers by login: those of LoginNames, and declared ones.
type Generations map[string]int

// Root is which root secret the passwords come from.
type Root struct {
	Number int         `json:"number" default:"1" doc:"of the root secret; wcrdb rotate root raises it"`
	Since  Generations `json:"since" doc:"by login: first generation of each login whose password comes from this root secret: those before come from the previous one, until a rotation has replaced them; wcrdb rotate root writes it"`
}

// Superuser is what the superuser is called where clients have their names.
const Superuser = "superuser"

// LoginNames are the logins that every stack has, in the order of the documentation.
var LoginNames = []string{"app", "migrator", "readonly", "monitor", "backup", "health", Superuser}

// DeclaredLogins are the further logins that a stack declares and that have
// passwords of ours, in the order of the stack file.
func (a Access) DeclaredLogins() []Role {
	names := a.Names()
	var logins []Role
	for _, role := range a.Roles {
		if role.Login && role.Password == DerivedPassword && !names.Standard(names.Named(role.Name)[0]) {
			logins = append(logins, role)
		}
	}
	return logins
}

// Logins are all that have a generation.
func (a Access) Logins() []string {
	logins := slices.Clone(LoginNames)
	for _, role := range a.DeclaredLogins() {
		logins = append(logins, role.Name)
	}
	return logins
}

// GenerationOf is the generation of a login's present password.
func (a Access) GenerationOf(login string) int { return a.Generation + a.Generations[login] }

// SuperuserGenerations are those whose password the superuser may have: the
// present one, those before, which an abandoned rotation may have left, and
// the next one, where a rotation was taken back.
func (s *Stack) SuperuserGenerations() []int {
	present := s.Access.GenerationOf(Superuser)
	generations := []int{present}
	for earlier := present - 1; earlier >= max(0, present-3); earlier-- {
		generations = append(generations, earlier)
	}
	return append(generations, present+1)
}

// file is where a stack with rootSecretFrom: local keeps a root secret, in its LocalDir.
func (r Root) file(number int) string {
	if number == 1 {
		return "root-secret"
	}
	return fmt.Sprintf("root-secret-%d", number)
}

// File is where a stack with rootSecretFrom: local keeps its root secret.
func (r Root) File() string { return r.file(r.Number) }

// PreviousFile is where it keeps the one before.
func (r Root) PreviousFile() string { return r.file(r.Number - 1) }

// HasPrevious says whether passwords may still come from the previous root secret.
func (r Root) HasPrevious() bool {
	for _, since := range r.Since {
		if since != 0 {
			return true
		}
	}
	return false
}

// RootSince is Access.Root.Since by role.
func (s *Stack) RootSince() map[string]int {
	names, since := s.Access.Names(), map[string]int{}
	for _, login := range LoginNames {
		for _, role := range names.Logins(login) {
			since[role] = s.Access.Root.Since[login]
		}
	}
	since[s.Target.Username] = s.Access.Root.Since[Superuser]
	return since
}

// RootSettled says whether no password comes from the previous root secret any
// more: not even that of a slot which clients may still use.
func (s *Stack) RootSettled() bool {
	names := s.Access.Names()
	for role, since := range s.RootSince() {
		generation := s.Access.GenerationOf(Superuser)
		if role != s.Target.Username {
			generation = names.Generation(role)
		}
		if generation < since {
			return false
		}
	}
	return true
}

func generations(s *Stack, faults *Faults) {
	inRange(faults, "access.generation", s.Access.Generation, 1, 1<<30)
	inRange(faults, "access.root.number", s.Access.Root.Number, 1, 1<<30)
	for _, numbers := range []struct {
		at    string
		of    Generations
		known []string
	}{{"access.generations", s.Access.Generations, s.Access.Logins()}, {"access.root.since", s.Access.Root.Since, LoginNames}} {
		for _, login := range sortedKeys(numbers.of) {
			if !slices.Contains(numbers.known, login) {
				faults.add(numbers.at+"."+login, nil, "no login whose password this stack makes", suggestion(login, numbers.known))
			}
			inRange(faults, numbers.at+"."+login, numbers.of[login], 0, 1<<30)
		}
	}
	for i, role := range s.Access.Roles {
		if role.Login && role.Password == DerivedPassword && (role.Name == Superuser || role.Name == "root") {
			faults.add(fmt.Sprintf("access.roles[%d].name", i), role.Name, "has another meaning for wcrdb rotate", "choose another")
		}
	}
	if s.Access.Root.HasPrevious() && s.Access.Root.Number == 1 {
		faults.add("access.root.since", nil, "there is no root secret before number 1", "leave it out; wcrdb rotate root writes both")
	}
}
