package config

import (
	"fmt"
	"slices"
)

// Generations are numbers by login.
type Generations struct {
	App       int `json:"app" doc:"the API"`
	Migrator  int `json:"migrator" doc:"the migration step"`
	ReadOnly  int `json:"readonly" doc:"people and reports"`
	Monitor   int `json:"monitor" doc:"the exporter"`
	Backup    int `json:"backup" doc:"pg_dump"`
	Health    int `json:"health" doc:"Docker's health check"`
	Superuser int `json:"superuser" doc:"the superuser of a container"`
}

// Root is which root secret the passwords come from.
type Root struct {
	Number int         `json:"number" default:"1" doc:"of the root secret; wcrdb rotate root raises it"`
	Since  Generations `json:"since" doc:"first generation of each login whose password comes from this root secret: those before come from the previous one, until a rotation has replaced them; wcrdb rotate root writes it"`
}

// Superuser is what the superuser is called where clients have their names.
const Superuser = "superuser"

// LoginNames are the logins that have a generation, in the order of the documentation.
var LoginNames = []string{"app", "migrator", "readonly", "monitor", "backup", "health", Superuser}

// Of is the number of a login.
func (g Generations) Of(login string) int { return *g.field(login) }

// Set sets it.
func (g *Generations) Set(login string, number int) { *g.field(login) = number }

func (g *Generations) field(login string) *int {
	return [...]*int{&g.App, &g.Migrator, &g.ReadOnly, &g.Monitor, &g.Backup, &g.Health, &g.Superuser}[slices.Index(LoginNames, login)]
}

// GenerationOf is the generation of a login's present password.
func (a Access) GenerationOf(login string) int { return a.Generation + a.Generations.Of(login) }

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
func (r Root) HasPrevious() bool { return r.Since != Generations{} }

// RootSince is Access.Root.Since by role.
func (s *Stack) RootSince() map[string]int {
	names, since := s.Access.Names(), map[string]int{}
	for _, login := range LoginNames {
		for _, role := range names.Logins(login) {
			since[role] = s.Access.Root.Since.Of(login)
		}
	}
	since[s.Target.Username] = s.Access.Root.Since.Superuser
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
	for _, login := range LoginNames {
		inRange(faults, "access.generations."+login, s.Access.Generations.Of(login), 0, 1<<30)
		inRange(faults, "access.root.since."+login, s.Access.Root.Since.Of(login), 0, 1<<30)
	}
	if s.Access.Root.HasPrevious() && s.Access.Root.Number == 1 {
		faults.add("access.root.since", nil, "there is no root secret before number 1", "leave it out; wcrdb rotate root writes both")
	}
}
