package catalogue_test

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/catalogue"
	"github.com/witchcityrope/database/internal/pgtest"
)

var (
	record = flag.Bool("record", false, "try many values and configurations on servers of all majors, and write reports/settings.md")
	seed   = flag.Uint64("seed", 0, "of what is drawn at random; 0: another one each time, which a failure names")
)

// quoted are settings that the server quotes name by name; their lists are tried in whole configurations.
var quoted = []string{
	"local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries", "temp_tablespaces", "unix_socket_directories",
}

// elsewhere reports whether it depends on the machine, on a database or on other settings if the server
// takes the value.
func elsewhere(s catalogue.Setting, value string) bool {
	switch s.Name {
	case "lc_messages", "lc_monetary", "lc_numeric", "lc_time": // locales of the machine
		return value != "C" && value != ""
	case "default_table_access_method", "default_tablespace", "default_text_search_config": // made in a database
		return value != s.Default
	case "max_stack_depth": // the stack that the server was started with
		parsed, fault := s.Parse(value)
		return fault == nil && parsed.Number > 7000
	case "autovacuum_max_workers", "autovacuum_worker_slots", "max_connections", "max_wal_senders", "max_worker_processes": // their sum has a limit
		parsed, fault := s.Parse(value)
		return fault == nil && parsed.Number > 50000
	case "basic_archive.archive_directory": // a folder of the machine
		return value != ""
	case "recovery_target_timeline", "recovery_target_xid": // up to 17 the server takes any text for 0
		return true
	case "recovery_target_time": // the calendar
		return !slices.Contains(texts[s.Name], value)
	}
	parsed, fault := s.Parse(value)
	return fault == nil && slices.Contains(s.BuildValues, parsed.Text)
}

// tally counts what became of what was tried.
type tally struct {
	accepted      int
	renamed       int            // old names that we refuse, though the server still takes them
	refused       map[string]int // by what for
	disagreements []string
}

// reason names the kind of a fault.
func reason(verdict catalogue.Verdict) string {
	text := verdict.Fault.Reason
	switch {
	case strings.HasSuffix(text, "cannot be set for the server"):
		return "not settable"
	case !verdict.Known:
		return "name"
	case strings.HasPrefix(text, "unit ") || text == "has no unit":
		return "unit"
	case strings.HasPrefix(text, "is outside "):
		return "range"
	case verdict.Setting.Type == catalogue.Enum && strings.HasPrefix(text, "must be one of "):
		return "enum"
	case verdict.Setting.Type == catalogue.Bool:
		return "boolean"
	case text == "is not a number":
		return "number"
	case verdict.Setting.Type == catalogue.String:
		return "text"
	default:
		return "not settable"
	}
}

// tryValues gives the server values drawn at random, one by one.
func tryValues(t *testing.T, major, count int) tally {
	t.Helper()
	c, eighteen := of(t, major), of(t, 18)
	server := pgtest.New(t, releases[major], "shared_preload_libraries="+preloadedOnly)
	require.NoError(t, server.Start(t.Context()))
	conn := server.Connect(t)
	for _, library := range c.Libraries() {
		_, err := conn.Exec(t.Context(), "LOAD '"+library+"'")
		require.NoError(t, err)
	}
	result := tally{refused: map[string]int{}}
	d := newDraw(t, c)
	for range count {
		name := d.name()
		s, known := c.Lookup(name)
		if !known {
			s = pick(d, d.settings)
		}
		if slices.Contains(quoted, s.Name) {
			continue
		}
		value := d.value(s)
		if elsewhere(s, value) {
			continue
		}
		if library, _, dotted := strings.Cut(name, "."); dotted && !known && slices.Contains(eighteen.Libraries(), library) && !slices.Contains(c.Libraries(), library) {
			continue // of a library that has no settings yet, whose name is then free
		}
		result.compare(t, conn, c, name, value)
	}
	return result
}

func (r *tally) compare(t *testing.T, conn *pgx.Conn, c *catalogue.Catalogue, name, value string) {
	t.Helper()
	verdict := c.Check(name, value, c.Libraries())
	statement := "ALTER SYSTEM SET "
	if !verdict.Known && verdict.Fault == nil {
		statement = "SET " // before 17, ALTER SYSTEM takes no setting that the session does not have
	}
	_, err := conn.Exec(t.Context(), statement+pgx.Identifier(strings.Split(name, ".")).Sanitize()+" = '"+strings.ReplaceAll(value, "'", "''")+"'")
	switch {
	case verdict.Fault == nil && err == nil:
		r.accepted++
	case verdict.Fault != nil && err != nil:
		r.refused[reason(verdict)]++
	case verdict.Fault != nil && strings.Contains(verdict.Fault.Reason, ": was renamed in "):
		r.renamed++
	case verdict.Fault != nil:
		r.disagreements = append(r.disagreements, fmt.Sprintf("%d: %s = %q: the server takes it, we say: %s", c.Major(), name, value, verdict.Fault.Reason))
	default:
		r.disagreements = append(r.disagreements, fmt.Sprintf("%d: %s = %q: we take it, the server says: %v", c.Major(), name, value, err))
	}
}

func TestValuesAgainstServer(t *testing.T) {
	needServers(t, catalogue.DefaultMajor)
	result := tryValues(t, catalogue.DefaultMajor, 2000)
	t.Logf("accepted %d, refused %v", result.accepted, result.refused)
	require.Empty(t, result.disagreements)
}
