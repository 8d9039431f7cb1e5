package catalogue_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/catalogue"
	"github.com/witchcityrope/database/internal/pgtest"
)

// startedWith are the libraries that the servers of whole configurations preload.
var startedWith = []string{"auto_explain", "pg_prewarm", "pg_stat_statements"}

// modest are ranges of what a server reserves when it starts, or what its settings must be among each
// other: what the machine holds, and combinations, are no matter of the catalogue. (What may be 0 or -1 for
// automatic is then shown in pg_file_settings as not applied, though it is.)
var modest = map[string][2]float64{
	"authentication_timeout": {30, 600}, "autovacuum_max_workers": {1, 10}, "autovacuum_worker_slots": {10, 30}, "commit_timestamp_buffers": {16, 1024},
	"io_max_concurrency": {1, 64}, "max_active_replication_origins": {0, 20}, "max_connections": {40, 200}, "max_files_per_process": {200, 2000},
	"max_locks_per_transaction": {10, 256}, "max_logical_replication_workers": {0, 20}, "max_notify_queue_pages": {64, 1 << 20},
	"max_pred_locks_per_transaction": {10, 256}, "max_prepared_transactions": {0, 100}, "max_replication_slots": {0, 20}, "max_stack_depth": {1000, 7000},
	"max_wal_senders": {0, 20}, "max_wal_size": {32, 1 << 20}, "max_worker_processes": {0, 32}, "min_dynamic_shared_memory": {0, 64},
	"min_wal_size": {32, 1 << 10}, "multixact_member_buffers": {16, 1024}, "multixact_offset_buffers": {16, 1024}, "notify_buffers": {16, 1024},
	"pg_stat_statements.max": {100, 20000}, "reserved_connections": {0, 5}, "serializable_buffers": {16, 1024}, "shared_buffers": {16, 32768},
	"subtransaction_buffers": {16, 1024}, "superuser_reserved_connections": {0, 5}, "track_activity_query_size": {100, 65536},
	"transaction_buffers": {16, 1024}, "wal_buffers": {-1, 8192}, "huge_page_size": {0, 0}, "wal_decode_buffer_size": {65536, 1 << 26},
}

// chosen are the values that settings have where others would depend on the machine, run a program, or
// keep the test itself out.
var chosen = map[string][]string{
	"archive_cleanup_command": {"", "true"}, "archive_command": {"", "true"}, "archive_library": {""}, "basebackup_to_shell.command": {"", "true"},
	"debug_io_direct": {""}, "dynamic_library_path": {"$libdir"}, "huge_pages": {"off", "try"}, "local_preload_libraries": {""},
	"log_directory": {"log", "pg_log"}, "log_filename": {"postgresql-%a.log"}, "log_min_messages": {"warning", "Info", "debug", "debug1", "error", "log"}, "recovery_end_command": {"", "true"}, "restore_command": {"", "true"},
	"search_path": {"public", `"$user", public`, "", `a, "B c"`, "pg_catalog"}, "session_preload_libraries": {"", "auto_explain"},
	"stats_temp_directory": {"pg_stat_tmp"},
	"temp_tablespaces":     {""}, "timezone_abbreviations": {"Default", "Australia", "India"}, "wal_level": {"replica", "logical", "Archive"},
}

// untouched are settings that the test itself needs as they are; and alternatives of which only one may be set.
func untouched(name string) bool {
	return slices.Contains([]string{
		"db_user_namespace", "external_pid_file", "hba_file", "ident_file", "krb_server_keyfile", "listen_addresses", "log_statement_stats", "port", "post_auth_delay", "pre_auth_delay",
		"shared_preload_libraries", "ssl", "ssl_passphrase_command", "transaction_timeout", "unix_socket_directories", "unix_socket_group",
	}, name) || strings.HasPrefix(name, "recovery_target")
}

type line struct{ name, value string }

// configuration draws settings that the catalogue accepts.
func (d *draw) configuration() []line {
	var lines []line
	for _, at := range d.Perm(len(d.settings))[:5+d.IntN(40)] {
		if s := d.settings[at]; !untouched(s.Name) {
			if value, ok := d.accepted(s); ok {
				lines = append(lines, line{s.Name, value})
			}
		}
	}
	return lines
}

// accepted draws a value that the catalogue accepts, if the setting has one here.
func (d *draw) accepted(s catalogue.Setting) (string, bool) {
	for range 50 {
		value := d.value(s)
		if values, ok := chosen[s.Name]; ok {
			value = pick(d, values)
		}
		if d.catalogue.Check(s.Name, value, startedWith).Fault != nil || elsewhere(s, value) {
			continue
		}
		parsed, _ := s.Parse(value)
		if limits, ok := modest[s.Name]; ok && (parsed.Number < limits[0] || parsed.Number > limits[1]) {
			continue
		}
		return value, true
	}
	return "", false
}

// faulty draws a setting that the catalogue refuses for its name, unit, range or value of an enumeration.
func (d *draw) faulty() (line, string) {
	for {
		name := d.name()
		s, known := d.catalogue.Lookup(name)
		if !known {
			s = pick(d, d.settings)
		}
		value := d.value(s)
		if verdict := d.catalogue.Check(name, value, startedWith); verdict.Fault != nil && !strings.Contains(name, ".") && !strings.Contains(verdict.Fault.Reason, ": was renamed in ") {
			if kind := reason(verdict); slices.Contains([]string{"name", "unit", "range", "enum"}, kind) {
				return line{name, value}, kind
			}
		}
	}
}

// tryConfigurations starts the server with configurations drawn at random, half of them with one fault.
func tryConfigurations(t *testing.T, major, count int) tally {
	t.Helper()
	server := pgtest.New(t, releases[major], "shared_preload_libraries="+strings.Join(startedWith, ","))
	file := filepath.Join(server.DataDir, "postgresql.conf")
	initial, err := os.ReadFile(file)
	require.NoError(t, err)
	result := tally{refused: map[string]int{}}
	d := newDraw(t, of(t, major))
	for i := range count {
		lines := d.configuration()
		var fault string
		if i%2 == 1 {
			var faulty line
			faulty, fault = d.faulty()
			lines = slices.DeleteFunc(lines, func(l line) bool { return strings.EqualFold(l.name, faulty.name) }) // the last one counts
			lines = slices.Insert(lines, d.IntN(len(lines)+1), faulty)
		}
		text := written(lines)
		require.NoError(t, os.WriteFile(file, append(slices.Clone(initial), text...), 0o600))
		complaint := begin(t, server)
		switch {
		case fault == "" && complaint == "":
			result.accepted++
		case fault != "" && strings.Contains(complaint, "contains errors"):
			result.refused[fault]++
		default:
			result.disagreements = append(result.disagreements, fmt.Sprintf("%d: expected fault %q, the server says: %s\n%s", major, fault, cmp.Or(complaint, "nothing"), text))
		}
	}
	return result
}

// written is a configuration as a file has it.
func written(lines []line) string {
	var text strings.Builder
	for _, line := range lines {
		fmt.Fprintf(&text, "\n%s = '%s'", line.name, strings.NewReplacer(`'`, `''`, `\`, `\\`).Replace(line.value))
	}
	return text.String() + "\n"
}

// begin starts the server and stops it, and returns what it had to complain about.
func begin(t *testing.T, server *pgtest.Server) string {
	t.Helper()
	if err := os.Truncate(server.LogFile, 0); err != nil && !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	if err := server.Start(t.Context()); err != nil {
		return err.Error()
	}
	defer func() { require.NoError(t, server.Kill()) }()
	config, err := pgx.ParseConfig(fmt.Sprintf("host=127.0.0.1 port=%d user=%s password=%s dbname=postgres sslmode=disable connect_timeout=30", server.Port, pgtest.Superuser, pgtest.Password))
	require.NoError(t, err)
	for _, timeout := range []string{"statement_timeout", "lock_timeout", "idle_session_timeout", "idle_in_transaction_session_timeout"} {
		config.RuntimeParams[timeout] = "0"
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		return err.Error()
	}
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	var complaint string
	if err := conn.QueryRow(t.Context(), `SELECT coalesce(string_agg(name || ' = ' || setting || ': ' || error, '; '), '') FROM pg_file_settings WHERE error IS NOT NULL`).Scan(&complaint); err != nil {
		return err.Error()
	}
	return complaint
}

func TestConfigurationsAgainstServer(t *testing.T) {
	needServers(t, catalogue.DefaultMajor)
	result := tryConfigurations(t, catalogue.DefaultMajor, 12)
	t.Logf("accepted %d, refused %v", result.accepted, result.refused)
	require.Empty(t, result.disagreements)
}
