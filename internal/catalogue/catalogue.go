// Package catalogue knows PostgreSQL's settings: those that a major version has, what values each of
// them takes, and how the server reads a value.
//
// The settings come from pg_settings of real servers (see ./data); the rules for reading values are
// those of the server (manual, section 20.1).
package catalogue

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
)

//go:generate go test . -run ^TestCataloguesAreThoseOfTheServers$ -update

// Majors are the supported major versions.
var Majors = []int{14, 15, 16, 17, 18}

// DefaultMajor is the major version where nothing says which.
const DefaultMajor = 16

//go:embed data
var data embed.FS

// Catalogue holds the settings of a major version.
type Catalogue struct {
	major     int
	shipped   []string
	libraries []string
	settings  []Setting
	byName    map[string]int // in lower case
}

// loaded are the catalogues by major, each read when it is first asked for.
var loaded = func() map[int]func() (*Catalogue, error) {
	all := map[int]func() (*Catalogue, error){}
	for _, major := range Majors {
		all[major] = sync.OnceValues(func() (*Catalogue, error) { return load(major) })
	}
	return all
}()

// For returns the catalogue of a major version.
func For(major int) (*Catalogue, error) {
	load, ok := loaded[major]
	if !ok {
		return nil, fmt.Errorf("PostgreSQL %d has no catalogue of settings; supported are %s", major, strings.Trim(fmt.Sprint(Majors), "[]"))
	}
	return load()
}

func load(major int) (*Catalogue, error) {
	name := fmt.Sprintf("data/%d.json", major)
	text, err := data.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var kept struct {
		Shipped   []string
		Libraries []string
		Settings  []Setting
	}
	if err := json.Unmarshal(text, &kept); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	c := &Catalogue{major: major, shipped: kept.Shipped, libraries: kept.Libraries, settings: kept.Settings, byName: map[string]int{}}
	for i := range c.settings {
		setting := &c.settings[i]
		c.byName[lower(setting.Name)] = i
		switch setting.Type {
		case Enum:
			setting.BuildValues = missing(setting.Values, builds[setting.Name])
		case String:
			setting.Words = wordsOf(setting.Name, major)
		}
	}
	return c, nil
}

// missing returns those of the others that values lack.
func missing(values, others []string) []string {
	return slices.DeleteFunc(slices.Clone(others), func(other string) bool { return slices.Contains(values, other) })
}

// Major is the version that the catalogue is of.
func (c *Catalogue) Major() int { return c.major }

// Settings are all settings, ordered by name.
func (c *Catalogue) Settings() []Setting { return slices.Clone(c.settings) }

// Shipped are the libraries that every server of the version has, with settings or without.
func (c *Catalogue) Shipped() []string { return slices.Clone(c.shipped) }

// Libraries are those of them that have settings.
func (c *Catalogue) Libraries() []string { return slices.Clone(c.libraries) }

// Lookup finds a setting. As on the server, the case of its name does not matter.
func (c *Catalogue) Lookup(name string) (Setting, bool) {
	i, ok := c.byName[lower(name)]
	if !ok {
		return Setting{}, false
	}
	return c.settings[i], true
}

// lower folds ASCII letters only, as the server compares the names of settings.
func lower(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, name)
}
