package config

import (
	"fmt"
	"strings"

	"github.com/witchcityrope/database/internal/catalogue"
)

// Term is one summand of a memory budget.
type Term struct {
	What  string // as arithmetic has it
	Bytes Size
}

// MemoryBudget is what the server may take of the container's memory.
type MemoryBudget struct {
	Available Size // the container's limit, less what tmpfs may hold
	// Terms are the cache, maintenance, and all sessions at work at once.
	Terms []Term
}

// Planned is the sum.
func (b MemoryBudget) Planned() Size {
	var sum Size
	for _, term := range b.Terms {
		sum += term.Bytes
	}
	return sum
}

// Arithmetic shows the sum.
func (b MemoryBudget) Arithmetic() string {
	terms := make([]string, len(b.Terms))
	for i, term := range b.Terms {
		terms[i] = term.What
	}
	return fmt.Sprintf("%s = %s of %s", strings.Join(terms, " + "), b.Planned(), b.Available)
}

// Memory adds up what the server may take at most. A sort takes work_mem, a
// hash hash_mem_multiplier times as much; autovacuum's workers and a
// maintenance command take maintenance_work_mem each (manual, section 20.4.1).
// Sessions of a client have their own settings.
func (s *Stack) Memory() MemoryBudget {
	maintenance := inBytes(s.effective("maintenance_work_mem"))
	vacuum := maintenance
	if own := s.effective("autovacuum_work_mem"); own.Number >= 0 {
		vacuum = inBytes(own)
	}
	_, largest := greatest(s.sessionPlaces(), s.maintenanceTerm)
	workers := int(s.effective("autovacuum_max_workers").Number)
	budget := MemoryBudget{Available: s.availableMemory(), Terms: []Term{
		s.bufferTerm(), largest, {fmt.Sprintf("%d autovacuum workers × %s", workers, vacuum), Size(workers) * vacuum},
	}}
	var sessions []Term
	counts := map[Term]int{}
	for _, holder := range s.Budget().Holders {
		session := s.sessionTerm(s.placeOf(holder.Client))
		if counts[session] == 0 {
			sessions = append(sessions, session)
		}
		counts[session] += holder.Connections
	}
	for _, session := range sessions {
		count := counts[session]
		budget.Terms = append(budget.Terms, Term{fmt.Sprintf("%d connections × %s", count, session.What), Size(count) * session.Bytes})
	}
	return budget
}

// placeOf is where the settings of a client's sessions stand.
func (s *Stack) placeOf(client string) settingsAt {
	for _, login := range s.Access.Settings.List() {
		if login.Client == client {
			return settingsAt{"access.settings." + client, login.Settings, true}
		}
	}
	return settingsAt{"database.settings", s.Database.Settings, true} // administrators have none of their own
}

// sessionPlaces are the places where the settings of sessions stand, the whole server's first.
func (s *Stack) sessionPlaces() []settingsAt {
	places := s.settingPlaces()
	for i := range places {
		places[i].path = strings.TrimSuffix(places[i].path, ".")
	}
	return places
}

// greatest is the place with the greatest term, and that term.
func greatest(places []settingsAt, term func(settingsAt) Term) (at settingsAt, most Term) {
	for i, place := range places {
		if found := term(place); i == 0 || found.Bytes > most.Bytes {
			at, most = place, found
		}
	}
	return at, most
}

// inSession reads a setting as sessions with a place's settings will: a login's win over the database's,
// which win over the server's (manual, section 20.1.3).
func (s *Stack) inSession(name string, place settingsAt) catalogue.Value {
	if place.sessions {
		setting, known := s.Catalogue().Lookup(name)
		for _, settings := range []Settings{place.settings, s.Database.Settings} {
			if given, is := settings[name]; is && known {
				if value, fault := setting.Parse(string(given)); fault == nil {
					return value
				}
			}
		}
	}
	return s.effective(name)
}

func (s *Stack) bufferTerm() Term {
	size := inBytes(s.effective("shared_buffers"))
	return Term{fmt.Sprintf("shared_buffers %s", size), size}
}

func (s *Stack) maintenanceTerm(place settingsAt) Term {
	size := inBytes(s.inSession("maintenance_work_mem", place))
	return Term{fmt.Sprintf("maintenance_work_mem %s", size), size}
}

func (s *Stack) sessionTerm(place settingsAt) Term {
	size, multiplier := inBytes(s.inSession("work_mem", place)), s.inSession("hash_mem_multiplier", place).Number
	return Term{fmt.Sprintf("work_mem %s × hash_mem_multiplier %g", size, multiplier), Size(float64(size) * multiplier)}
}

// availableMemory is what the server may take before the kernel kills it.
func (s *Stack) availableMemory() Size {
	if s.Storage.Type == Tmpfs {
		return s.Server.Memory - s.Storage.Size
	}
	return s.Server.Memory
}

func inBytes(value catalogue.Value) Size {
	size, _ := value.Bytes()
	return Size(size)
}

// memory refuses a cache that the container could not hold (manual, section 20.4.1: more than 40% of memory
// is unlikely to work better), and what a single command could take beyond that, wherever its session's
// settings stand: the kernel kills what goes beyond (manual, section 18.4.4). What all sessions could take
// at once is a notice.
func memory(s *Stack, faults *Faults) {
	buffers, available := s.bufferTerm(), s.availableMemory()
	if s.Server.Memory < leastMemory || available <= 0 {
		return // which is a fault of its own
	}
	if buffers.Bytes > s.Server.Memory*3/4 {
		faults.add("settings.shared_buffers", s.shown("shared_buffers"), fmt.Sprintf("is more than three quarters of server.memory (%s): connections would have no room", s.Server.Memory),
			"lower it (a quarter is usual), or raise server.memory")
		return
	}
	for _, command := range []func(settingsAt) Term{s.maintenanceTerm, s.sessionTerm} {
		place, term := greatest(s.sessionPlaces(), command)
		budget := MemoryBudget{Available: available, Terms: []Term{buffers, term}}
		if budget.Planned() > available {
			faults.add(place.path, nil, "a single command could take more memory than the container has, and the kernel would kill the server: "+budget.Arithmetic(),
				"lower one of them, or raise server.memory")
		}
	}
}
