package catalogue

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Verdict is what the catalogue says of a setting and its value.
type Verdict struct {
	Setting Setting
	Known   bool   // whether the catalogue has the setting; where it has not, a fault is the name's, not the value's
	Notice  string // what to know of a setting that is passed
	Fault   *Fault // why it cannot be; nil if it can
}

// fileName is how a name is written in a configuration file (guc-file.l, ID and QUALIFIED_ID).
var fileName = regexp.MustCompile(`^[A-Za-z_\x{80}-\x{10ffff}][A-Za-z_0-9\x{80}-\x{10ffff}]*(\.[A-Za-z_\x{80}-\x{10ffff}][A-Za-z_0-9\x{80}-\x{10ffff}]*)?$`)

// onDemand are the libraries that the server loads by itself, when one of their functions is called or
// another setting names them.
var onDemand = []string{"basic_archive", "isn", "pg_trgm", "pgcrypto", "plpgsql", "postgres_fdw"}

// Check says whether a server of this major version takes a value for the setting called name, if it is
// started with the preloaded libraries.
func (c *Catalogue) Check(name, value string, preloaded []string) Verdict {
	setting, known := c.Lookup(name)
	if !known {
		return c.unknown(name)
	}
	verdict := Verdict{Setting: setting, Known: true}
	switch {
	case setting.Context == Internal:
		verdict.Fault = &Fault{"is reported by the server and cannot be set", "leave it out"}
	case ofSession[setting.Name] != "":
		verdict.Fault = &Fault{"is of a transaction and cannot be set for the server", ofSession[setting.Name]}
	case setting.Fixed:
		verdict.Fault = &Fault{"cannot be changed by ALTER SYSTEM", "leave it out"}
	case setting.Library != "" && !slices.Contains(onDemand, setting.Library) && !slices.Contains(preloaded, setting.Library):
		verdict.Fault = &Fault{"is a setting of " + setting.Library + ", which is not preloaded", "add " + setting.Library + " to shared_preload_libraries"}
	case strings.ContainsAny(value, "\x00\n\r"):
		verdict.Fault = &Fault{"has a line break or a zero byte", "write it on one line"}
	default:
		var parsed Value
		parsed, verdict.Fault = setting.Parse(value)
		if verdict.Fault == nil && slices.Contains(setting.BuildValues, parsed.Text) {
			verdict.Notice = parsed.Text + " needs a server built with it, as the official images are"
		}
	}
	return verdict
}

// unknown says what a name is that the catalogue has not.
func (c *Catalogue) unknown(name string) Verdict {
	none := fmt.Sprintf("no such setting in PostgreSQL %d", c.major)
	folded := lower(name)
	library, _, dotted := strings.Cut(folded, ".")
	if remedy, ok := ofSession[folded]; ok {
		return refused("is of a session and cannot be set for the server", remedy)
	}
	if departure, ok := departed[folded]; ok {
		verb := "removed"
		if departure.renamed {
			verb = "renamed"
		}
		return refused(none+": was "+verb+" in PostgreSQL "+departure.major, departure.remedy)
	}
	if remedy, ok := imagined[folded]; ok {
		return refused(none+": never existed", remedy)
	}
	if since := c.since(folded); since != 0 {
		return refused(none+": came with PostgreSQL "+strconv.Itoa(since), "leave it out, or run that version")
	}
	if dotted && slices.Contains(c.libraries, library) {
		return refused("no such setting of "+library+" in PostgreSQL "+strconv.Itoa(c.major), c.suggestion(name))
	}
	if !fileName.MatchString(name) {
		return refused("is not the name of a setting", "use letters, digits and underscores")
	}
	if dotted {
		return Verdict{Notice: "is a setting of something that this catalogue does not know; the server takes any value for it"}
	}
	return refused(none, c.suggestion(name))
}

func refused(reason, remedy string) Verdict { return Verdict{Fault: &Fault{reason, remedy}} }

// since is the later version that a setting came with; 0 if there is none.
func (c *Catalogue) since(name string) int {
	for _, major := range Majors {
		if major <= c.major {
			continue
		}
		later, err := For(major)
		if err != nil {
			panic(err) // the data is part of the program
		}
		if _, ok := later.Lookup(name); ok {
			return major
		}
	}
	return 0
}

// suggestion asks for the nearest name.
func (c *Catalogue) suggestion(name string) string {
	names := make([]string, len(c.settings))
	for i, setting := range c.settings {
		names[i] = setting.Name
	}
	if near := nearest(name, names); near != "" {
		return "did you mean " + near + "?"
	}
	return "leave it out"
}
