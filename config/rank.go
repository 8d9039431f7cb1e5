package config

import (
	"fmt"
	"strconv"
)

// Rank says how much the data of an environment has to be guarded. Data flows
// only from a higher rank to a lower one.
type Rank int

// The least and the highest rank; zero is none.
const (
	Throwaway  Rank = 1
	Production Rank = 100
)

// UnmarshalText reads a rank as a stack file has it.
func (r *Rank) UnmarshalText(text []byte) error {
	number, err := strconv.Atoi(string(text))
	if err != nil {
		return fmt.Errorf("is not a whole number; write 1 (throwaway) to %d (production)", Production)
	}
	*r = Rank(number)
	return nil
}

// Guarded says whether the stack's data is, or may be, that of production: what
// has no rank may be anything.
func (s *Stack) Guarded() bool { return s.Rank == 0 || s.Rank == Production }

// Below says why data must not flow from another stack into this one; nil if it may.
func (s *Stack) Below(source *Stack) error {
	const rule = "data only flows from a higher rank to a lower one"
	switch {
	case s.Name == source.Name:
		return fmt.Errorf("stack %s would be refreshed from itself", s.Name)
	case source.Rank == 0:
		return fmt.Errorf("stack %s has no rank, and %s: set rank in its stack file, 1 (throwaway) to %d (production)", source.Name, rule, Production)
	case s.Rank == 0:
		return fmt.Errorf("stack %s has no rank, and %s: set rank in its stack file, 1 (throwaway) to %d (production)", s.Name, rule, Production)
	case s.Rank >= source.Rank:
		return fmt.Errorf("stack %s has rank %d and stack %s has rank %d: %s", source.Name, source.Rank, s.Name, s.Rank, rule)
	}
	return nil
}

func rank(s *Stack, faults *Faults) {
	if s.Rank != 0 {
		inRange(faults, "rank", int(s.Rank), int(Throwaway), int(Production))
	}
}
