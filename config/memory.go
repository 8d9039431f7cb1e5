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
func (s *Stack) Memory() MemoryBudget {
	buffers, maintenance, session := s.bufferTerm(), s.maintenanceTerm(), s.sessionTerm()
	vacuum := maintenance.Bytes
	if own := s.effective("autovacuum_work_mem"); own.Number >= 0 {
		vacuum = inBytes(own)
	}
	workers := int(s.effective("autovacuum_max_workers").Number)
	sessions := s.Budget().Planned()
	return MemoryBudget{Available: s.availableMemory(), Terms: []Term{
		buffers, maintenance,
		{fmt.Sprintf("%d autovacuum workers × %s", workers, vacuum), Size(workers) * vacuum},
		{fmt.Sprintf("%d connections × %s", sessions, session.What), Size(sessions) * session.Bytes},
	}}
}

func (s *Stack) bufferTerm() Term {
	size := inBytes(s.effective("shared_buffers"))
	return Term{fmt.Sprintf("shared_buffers %s", size), size}
}

func (s *Stack) maintenanceTerm() Term {
	size := inBytes(s.effective("maintenance_work_mem"))
	return Term{fmt.Sprintf("maintenance_work_mem %s", size), size}
}

func (s *Stack) sessionTerm() Term {
	size, multiplier := inBytes(s.effective("work_mem")), s.effective("hash_mem_multiplier").Number
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

// memory refuses a cache that the container could not hold, and what a single
// command could take beyond that. What all sessions could take at once is a notice.
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
	for _, command := range []Term{s.maintenanceTerm(), s.sessionTerm()} {
		budget := MemoryBudget{Available: available, Terms: []Term{buffers, command}}
		if budget.Planned() > available {
			faults.add("settings", nil, "a single command could take more memory than the container has, and the kernel would kill the server: "+budget.Arithmetic(),
				"lower one of them, or raise server.memory")
		}
	}
}
