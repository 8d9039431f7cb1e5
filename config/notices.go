package config

import (
	"fmt"
	"slices"

	"github.com/witchcityrope/database/internal/catalogue"
)

// Notice is something to know about a configuration that is accepted.
type Notice struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

func (n Notice) String() string { return n.Path + ": " + n.Text }

// Notices are what a preview says about the stack.
func (s *Stack) Notices() []Notice {
	var notices []Notice
	for _, place := range s.settingPlaces() {
		for _, name := range sortedKeys(place.settings) {
			if text := s.check(place, name).Notice; text != "" {
				notices = append(notices, Notice{place.path + name, text})
			}
		}
	}
	if s.Target.Type == External {
		return notices
	}
	notices = append(notices, s.unlimited()...)
	notices = append(notices, s.libraries()...)
	if s.effective("logging_collector").Bool {
		notices = append(notices, Notice{"settings.logging_collector", "the log is written into the data directory, where nothing limits it, and docker logs shows nothing"})
	}
	if budget := s.Memory(); budget.Planned() > budget.Available {
		notices = append(notices, Notice{"settings", "with all connections at work at once, the container's memory would not do: " + budget.Arithmetic()})
	}
	return notices
}

// libraries are those that the server starts with, and that not every image has.
func (s *Stack) libraries() []Notice {
	var notices []Notice
	for _, library := range s.Preloaded() {
		what := " is none of PostgreSQL's own libraries"
		switch {
		case slices.Contains(s.Catalogue().Shipped(), library):
			continue
		case slices.Contains(catalogue.Optional, library):
			what = " is only in servers that were built with it"
		}
		notices = append(notices, Notice{"settings.shared_preload_libraries", library + what + "; the server does not start unless the image has it"})
	}
	return notices
}

// unlimited are declared logins that the connection budget cannot count.
func (s *Stack) unlimited() []Notice {
	names := s.Access.Names()
	var notices []Notice
	for i, role := range s.Access.Roles {
		if role.Login && role.ConnectionLimit < 0 && !names.Standard(names.Named(role.Name)[0]) {
			notices = append(notices, Notice{fmt.Sprintf("access.roles[%d].connectionLimit", i),
				"without one, login " + role.Name + " may take every connection that is not reserved, and leave none to the clients"})
		}
	}
	return notices
}
