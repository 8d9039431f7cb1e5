// Package consequence says what changes mean for those who use the database:
// who notices, for how long, and whether data is lost. It is pure: changes as
// the engine foresees them, with their inputs before and after, become classes
// with reasons.
package consequence

import (
	"fmt"
	"slices"
)

// Class is what a change costs, from the cheapest to the dearest.
type Class int

// The classes.
const (
	// Online: nobody notices.
	Online Class = iota
	// Reload: the running server reads it anew; open sessions go on.
	Reload
	// NewSessions: in effect for sessions that begin afterwards; open ones go on.
	NewSessions
	// Restart: the server is made anew because its startup flags change; all
	// sessions end, and the data is kept.
	Restart
	// Replaced: the container is made anew for any other reason; all sessions
	// end, and the data is kept.
	Replaced
	// DataLoss: rows are gone, or nobody finds them any more.
	DataLoss
)

var classes = []string{"online", "reload", "new sessions", "restart", "container replaced", "data loss"}

// Classes lists all classes, the cheapest first.
func Classes() []Class { return []Class{Online, Reload, NewSessions, Restart, Replaced, DataLoss} }

// String is the class in words.
func (c Class) String() string { return classes[c] }

// Interrupts says whether sessions end.
func (c Class) Interrupts() bool { return c >= Restart }

// MarshalText writes the class in words.
func (c Class) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads the class in words.
func (c *Class) UnmarshalText(text []byte) error {
	found := slices.Index(classes, string(text))
	if found < 0 {
		return fmt.Errorf("%q is no class of consequence", text)
	}
	*c = Class(found)
	return nil
}
