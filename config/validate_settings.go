package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/witchcityrope/database/internal/catalogue"
)

// ours are the settings that other parts of the configuration decide.
var ours = map[string]string{
	"allow_alter_system":      "this program changes settings by ALTER SYSTEM",
	"config_file":             "it lives in the data directory",
	"data_directory":          "storage decides",
	"external_pid_file":       "the container decides",
	"hba_file":                "access rules are made from access and tls",
	"ident_file":              "access rules are made from access and tls",
	"listen_addresses":        "network decides",
	"password_encryption":     "it is scram-sha-256",
	"port":                    "network.publish.port decides; inside it is 5432",
	"role":                    "what a login acts as is made from access",
	"session_authorization":   "what a login acts as is made from access",
	"ssl":                     "tls.enabled decides",
	"ssl_ca_file":             "tls decides",
	"ssl_cert_file":           "tls decides",
	"ssl_key_file":            "tls decides",
	"unix_socket_directories": "the image decides",
	"unix_socket_group":       "the container decides",
}

// settingName is a name, or the name of an extension and one of its settings (manual, section 20.16).
var settingName = regexp.MustCompile(`^[a-z_][a-z0-9_$]*(\.[a-z_][a-z0-9_$]*)*$`)

// settingsAt is one of the places where settings stand.
type settingsAt struct {
	path     string // with the dot before a name
	settings Settings
	sessions bool // of sessions only: ALTER DATABASE or ALTER ROLE
}

// settingPlaces are all places where settings stand.
func (s *Stack) settingPlaces() []settingsAt {
	places := []settingsAt{{"settings.", s.Settings, false}, {"database.settings.", s.Database.Settings, true}}
	for _, login := range s.Access.Settings.List() {
		places = append(places, settingsAt{"access.settings." + login.Client + ".", login.Settings, true})
	}
	for i, role := range s.Access.Roles {
		places = append(places, settingsAt{fmt.Sprintf("access.roles[%d].settings.", i), role.Settings, true})
	}
	return places
}

// settingValues checks every setting by itself: its name, its value, and
// whether it can be set where it stands.
func settingValues(s *Stack, faults *Faults) {
	for _, place := range s.settingPlaces() {
		for _, name := range sortedKeys(place.settings) {
			at, value := place.path+name, place.settings[name]
			reason, is := ours[name]
			switch {
			case is:
				faults.add(at, value, "is not set here: "+reason, "leave it out")
			case !settingName.MatchString(name) && s.knows(strings.ToLower(name)):
				faults.add(at, value, "has upper-case letters", "write "+strings.ToLower(name)+", which is the same to PostgreSQL")
			case !settingName.MatchString(name):
				faults.add(at, value, "is not the name of a setting", "use lower-case letters, digits and underscores")
			case strings.ContainsAny(string(value), "\x00\n\r"):
				faults.add(at, strconv.Quote(string(value)), "has a line break or a zero byte", "write it on one line")
			default:
				verdict := s.check(place, name)
				if fault := verdict.Fault; fault != nil && verdict.Known {
					faults.add(at, value, fault.Reason, fault.Remedy)
				} else if fault != nil {
					faults.add(at, nil, fault.Reason, fault.Remedy)
				} else if verdict.Known && place.sessions && !verdict.Setting.Context.PerRole() {
					faults.add(at, value, "is a setting of the whole server, not of a session", "move it to settings")
				}
			}
		}
	}
}

// knows says whether the catalogue has a setting of that name.
func (s *Stack) knows(name string) bool {
	_, known := s.Catalogue().Lookup(name)
	return known && settingName.MatchString(name)
}

// check asks the catalogue about one setting.
func (s *Stack) check(place settingsAt, name string) catalogue.Verdict {
	libraries := s.Catalogue().Libraries() // which of them an external server has loaded is not known here
	if s.Target.Type != External {
		libraries = slices.Concat(s.Preloaded(), list(s.Settings["session_preload_libraries"]), list(place.settings["session_preload_libraries"]))
	}
	return s.Catalogue().Check(name, string(place.settings[name]), libraries)
}

// same says whether a value means the same as another to the server.
func (s *Stack) same(name string, value Setting, other string) bool {
	setting, known := s.Catalogue().Lookup(name)
	return known && setting.Same(string(value), other)
}

// externalSettings refuses what nobody would apply: a server that somebody else
// runs is not restarted by this program, and takes ALTER SYSTEM only if the
// stack says so.
func externalSettings(s *Stack, faults *Faults) {
	if s.Target.Type != External {
		return
	}
	for _, name := range sortedKeys(s.Settings) {
		at, value := "settings."+name, s.Settings[name]
		setting, known := s.Catalogue().Lookup(name)
		switch {
		case known && setting.Context == catalogue.Postmaster:
			faults.add(at, value, "is only read when the server starts, and an external server is started by somebody else", "set it where that server is run")
		case s.Target.AlterSystem:
		case !known || setting.Context.PerRole():
			faults.add(at, value, "would be set by ALTER SYSTEM, which an external server may refuse",
				"move it to database.settings, which holds for sessions in this database, or set target.alterSystem")
		default:
			faults.add(at, value, "would be set by ALTER SYSTEM, which an external server may refuse",
				"set it where that server is run, or set target.alterSystem")
		}
	}
}

// readOnlySessions refuses what would shut out this program itself (manual, section 20.11.1).
func readOnlySessions(s *Stack, faults *Faults) {
	const name = "default_transaction_read_only"
	for _, place := range s.settingPlaces()[:2] {
		if value, given := place.settings[name]; given && s.same(name, value, "on") {
			faults.add(place.path+name, value, "nobody could declare roles and grants any more", "move it to access.settings, to the clients that only read")
		}
	}
}

// shortestTimeout is the least that may end everybody's sessions and statements.
const shortestTimeout = 1.0 // s

// timeoutsForEverybody refuses what would shut out this program itself, and backups and migrations with it: a
// number without a unit is so many milliseconds (manual, section 20.11.1, which advises against two of them
// for the whole server, "because it would affect all sessions").
func timeoutsForEverybody(s *Stack, faults *Faults) {
	for _, place := range s.settingPlaces()[:2] {
		for _, name := range []string{"idle_in_transaction_session_timeout", "idle_session_timeout", "statement_timeout", "transaction_timeout"} {
			given, is := place.settings[name]
			setting, known := s.Catalogue().Lookup(name)
			if !is || !known {
				continue
			}
			value, fault := setting.Parse(string(given))
			if seconds, _ := value.Seconds(); fault == nil && seconds > 0 && seconds < shortestTimeout {
				faults.add(place.path+name, given, "ends everybody's work after less than a second, this program's too (a number without a unit is so many milliseconds)",
					"write a unit, such as 5min, or move it to access.settings")
			}
		}
	}
}

// searchPaths refuses what a role's own search path cannot be.
func searchPaths(s *Stack, faults *Faults) {
	for _, login := range s.Access.Settings.List() {
		if value, given := login.Settings["search_path"]; given && strings.TrimSpace(string(value)) == "" {
			faults.add("access.settings."+login.Client+".search_path", nil, "an empty search path is taken for none", "write pg_catalog, which is always searched")
		}
	}
}

// durability refuses what risks the data of storage that is meant to survive
// (manual, section 20.5: "fsync … unrecoverable data corruption").
func durability(s *Stack, faults *Faults) {
	if s.Storage.Disposable && s.Storage.Protect {
		faults.add("storage.disposable", true, "protected data is not disposable", "leave out one of the two")
	}
	if s.Storage.Disposable && s.Storage.Type == Tmpfs {
		faults.add("storage.disposable", true, "tmpfs is lost with the container anyway", "leave it out")
	}
	if s.Target.Type != External && (s.Storage.Type == Tmpfs || s.Storage.Disposable) {
		return
	}
	meant := fmt.Sprintf("storage.type %s", s.Storage.Type)
	remedy := "leave it on, use tmpfs, or say that the data may be lost: storage.disposable"
	if s.Target.Type == External {
		meant, remedy = "an external server", "leave it on"
	}
	for _, place := range s.settingPlaces() {
		for _, name := range []string{"fsync", "full_page_writes", "synchronous_commit"} {
			if value, given := place.settings[name]; given && s.same(name, value, "off") {
				faults.add(place.path+name, value, "a crash would lose or corrupt data, and "+meant+" is meant to survive", remedy)
			}
		}
	}
}

// needsPreload are extensions that do nothing, or fail, unless their library is preloaded.
var needsPreload = []string{"pg_stat_statements"}

// preload refuses extensions whose library the server does not load (manual, section F.32: pg_stat_statements
// "must be loaded by adding pg_stat_statements to shared_preload_libraries").
func preload(s *Stack, faults *Faults) {
	if s.Target.Type == External {
		return // its libraries are not known here
	}
	for i, extension := range s.Database.Extensions {
		if slices.Contains(needsPreload, extension.Name) && !s.preloads(extension.Name) {
			faults.add(fmt.Sprintf("database.extensions[%d]", i), extension, "its library is not preloaded", "add it to settings.shared_preload_libraries")
		}
	}
}

// libraryNames refuses misspelt libraries (manual, section 20.11.4: "the server will fail to start" if one is not found).
func libraryNames(s *Stack, faults *Faults) {
	for _, library := range s.Preloaded() {
		if remedy := nearest(library, s.Catalogue().Libraries()); remedy != "" && !s.ownLibrary(library) {
			faults.add("settings.shared_preload_libraries", s.Settings["shared_preload_libraries"],
				fmt.Sprintf("has %s, which is no library of PostgreSQL %d", library, s.Major()), remedy)
		}
	}
}

// Preloaded are the libraries of shared_preload_libraries.
func (s *Stack) Preloaded() []string { return list(s.Settings["shared_preload_libraries"]) }

// PreloadsUnknown says whether the server starts with a library that PostgreSQL does not ship: nobody knows
// its settings, nor which of them it reads at the start only.
func (s *Stack) PreloadsUnknown() bool {
	return slices.ContainsFunc(s.Preloaded(), func(library string) bool { return !s.ownLibrary(library) })
}

// ownLibrary says whether a library is PostgreSQL's own.
func (s *Stack) ownLibrary(library string) bool {
	return slices.Contains(s.Catalogue().Shipped(), library) || slices.Contains(catalogue.Optional, library)
}

// preloads says whether the server starts with a library.
func (s *Stack) preloads(library string) bool { return slices.Contains(s.Preloaded(), library) }

// list takes a list of plain names apart.
func list(value Setting) []string {
	var names []string
	for name := range strings.SplitSeq(string(value), ",") {
		if name = strings.Trim(strings.TrimSpace(name), `"`); name != "" {
			names = append(names, name)
		}
	}
	return names
}
