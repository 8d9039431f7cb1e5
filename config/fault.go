package config

import (
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing that is wrong with a configuration.
type Fault struct {
	Path   string `json:"path"`   // such as "storage.path"
	Value  string `json:"value"`  // what stands there; empty where nothing does
	Reason string `json:"reason"` // why it cannot be
	Remedy string `json:"remedy"` // what to do
}

func (f Fault) String() string {
	text := f.Path + ": "
	if f.Value != "" {
		text += f.Value + ": "
	}
	text += f.Reason
	if f.Remedy != "" {
		text += "; " + f.Remedy
	}
	return text
}

// Faults are all faults of a configuration, in the order of the stack file's keys.
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = "  " + fault.String()
	}
	noun := "fault"
	if len(f) != 1 {
		noun = "faults"
	}
	return fmt.Sprintf("the stack configuration has %d %s:\n%s", len(f), noun, strings.Join(lines, "\n"))
}

func (f *Faults) add(path string, value any, reason, remedy string) {
	text := ""
	if value != nil {
		text = fmt.Sprint(value)
	}
	*f = append(*f, Fault{Path: path, Value: text, Reason: reason, Remedy: remedy})
}

// without leaves out what is wrong only because something at or above its path
// could not be read.
func (f Faults) without(unread Faults) Faults {
	return slices.DeleteFunc(f, func(fault Fault) bool {
		return slices.ContainsFunc(unread, func(cause Fault) bool {
			return fault.Path == cause.Path || strings.HasPrefix(fault.Path, cause.Path+".") || strings.HasPrefix(fault.Path, cause.Path+"[")
		})
	})
}
