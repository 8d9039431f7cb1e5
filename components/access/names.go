package access

import "github.com/witchcityrope/database/config"

// Names are the names of a stack's roles.
type Names = config.Names

// NewNames derives the names from the prefix.
func NewNames(access config.Access) Names { return access.Names() }
