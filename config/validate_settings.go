package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ours are the settings that other parts of the configuration decide.
var ours = map[string]string{
	"config_file":             "it lives in the data directory",
	"data_directory":          "storage decides",
	"external_pid_file":       "the container decides",
	"hba_file":                "access rules are made from access and tls",
	"ident_file":              "access rules are made from access and tls",
	"listen_addresses":        "network decides",
	"password_encryption":     "it is scram-sha-256",
	"port":                    "network.publish.port decides; inside it is 5432",
	"ssl":                     "tls.enabled decides",
	"ssl_ca_file":             "tls decides",
	"ssl_cert_file":           "tls decides",
	"ssl_key_file":            "tls decides",
	"unix_socket_directories": "the image decides",
}

// gone are names that are no settings of a supported server, though people write them.
var gone = map[string]struct{ reason, remedy string }{
	"checkpoint_segments": {"was removed in PostgreSQL 9.5", "use max_wal_size"},
	"log_login_failures":  {"never existed", "leave it out: failed logins are logged by default"},
	"wal_keep_segments":   {"was removed in PostgreSQL 13", "use wal_keep_size"},
	"hash_mem":            {"never existed", "use hash_mem_multiplier"},
}

// settingName is a name, or the name of an extension and one of its settings (manual, section 20.16).
var settingName = regexp.MustCompile(`^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$`)

func settingNames(s *Stack, faults *Faults) {
	for _, name := range sortedKeys(s.Settings) {
		at := "settings." + name
		if reason, is := ours[name]; is {
			faults.add(at, s.Settings[name], "is not set here: "+reason, "leave it out")
		} else if note, is := gone[name]; is {
			faults.add(at, s.Settings[name], "no such setting in PostgreSQL 16: "+note.reason, note.remedy)
		} else if !settingName.MatchString(name) {
			faults.add(at, s.Settings[name], "is not the name of a setting", "use lower-case letters, digits and underscores")
		}
	}
}

func settingValues(s *Stack, faults *Faults) {
	for _, name := range sortedKeys(s.Settings) {
		if strings.ContainsAny(string(s.Settings[name]), "\x00\n\r") {
			faults.add("settings."+name, strconv.Quote(string(s.Settings[name])), "has a line break or a zero byte", "write it on one line")
		}
	}
	for _, limit := range []struct {
		name        string
		least, most int
	}{
		{"max_connections", 1, 262143}, {"superuser_reserved_connections", 0, 262143}, {"reserved_connections", 0, 262143},
		{"log_min_duration_statement", -1, 2147483647},
	} {
		value, given := s.Settings[limit.name]
		if !given {
			continue
		}
		n, err := strconv.Atoi(string(value))
		if err != nil && limit.name == "log_min_duration_statement" {
			continue // a time with a unit
		}
		if err != nil {
			faults.add("settings."+limit.name, value, "is not a whole number", "write one")
			continue
		}
		inRange(faults, "settings."+limit.name, n, limit.least, limit.most)
	}
}

// durability refuses what risks the data of storage that is meant to survive
// (manual, section 20.5: "fsync … unrecoverable data corruption").
func durability(s *Stack, faults *Faults) {
	if s.Storage.Type == Tmpfs {
		return
	}
	for _, name := range []string{"fsync", "full_page_writes", "synchronous_commit"} {
		if value, given := s.Settings[name]; given && isOff(value) {
			faults.add("settings."+name, value, fmt.Sprintf("a crash would lose or corrupt data, and storage.type %s is meant to survive", s.Storage.Type), "leave it on, or use tmpfs")
		}
	}
}

// isOff reads a boolean as PostgreSQL does: unambiguous beginnings count
// (manual, section 20.1.1).
func isOff(value Setting) bool {
	text := strings.ToLower(strings.TrimSpace(string(value)))
	return text == "0" || len(text) >= 1 && (strings.HasPrefix("false", text) || strings.HasPrefix("no", text)) ||
		len(text) >= 2 && strings.HasPrefix("off", text)
}

// externalSettings refuses what nobody would apply.
func externalSettings(s *Stack, faults *Faults) {
	if s.Target.Type == External && len(s.Settings) > 0 {
		faults.add("settings", nil, "settings are flags that a container's server is started with; an external server is started by somebody else",
			"leave them out, and set them where that server is run")
	}
}

// memoryValue is a number and a unit of memory (manual, section 20.1.1).
var memoryValue = regexp.MustCompile(`^\s*(\d+)\s*(B|kB|MB|GB|TB)?\s*$`)

// sharedBuffers refuses a cache that the container could not hold.
func sharedBuffers(s *Stack, faults *Faults) {
	parts := memoryValue.FindStringSubmatch(string(s.Settings["shared_buffers"]))
	if parts == nil || s.Target.Type == External {
		return
	}
	unit := map[string]float64{"": 8 << 10, "B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}[parts[2]]
	number, err := strconv.ParseFloat(parts[1], 64)
	if err == nil && number*unit > float64(s.Server.Memory)*3/4 {
		faults.add("settings.shared_buffers", s.Settings["shared_buffers"], fmt.Sprintf("is more than three quarters of server.memory (%s): connections would have no room", s.Server.Memory),
			"lower it (a quarter is usual), or raise server.memory")
	}
}

// needsPreload are extensions that do nothing, or fail, unless their library is preloaded.
var needsPreload = []string{"pg_stat_statements"}

func preload(s *Stack, faults *Faults) {
	if s.Target.Type == External {
		return // its libraries are not known here
	}
	libraries := s.Preloaded()
	for i, extension := range s.Database.Extensions {
		if slices.Contains(needsPreload, extension) && !slices.Contains(libraries, extension) {
			faults.add(fmt.Sprintf("database.extensions[%d]", i), extension, "its library is not preloaded", "add it to settings.shared_preload_libraries")
		}
	}
}

// Preloaded are the libraries of shared_preload_libraries.
func (s *Stack) Preloaded() []string {
	var libraries []string
	for library := range strings.SplitSeq(string(s.Settings["shared_preload_libraries"]), ",") {
		if library = strings.TrimSpace(library); library != "" {
			libraries = append(libraries, library)
		}
	}
	return libraries
}
