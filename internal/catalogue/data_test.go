package catalogue_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/acquire"
	"github.com/witchcityrope/database/internal/catalogue"
	"github.com/witchcityrope/database/internal/pgtest"
)

var update = flag.Bool("update", false, "write the catalogues anew")

// releases are the versions of the npm package that the catalogues are made from.
var releases = pgtest.Releases

// preloadedOnly are the libraries with settings that exist only if the server starts with them.
const preloadedOnly = "pg_stat_statements,pg_prewarm"

// needServers skips a test where a major's server cannot be had.
func needServers(t *testing.T, majors ...int) {
	t.Helper()
	for _, major := range majors {
		if _, err := acquire.EmbeddedPostgres(t.Context(), releases[major], t.Logf); err != nil {
			t.Skipf("NOT RUN: PostgreSQL %d cannot be had: %v", major, err)
		}
	}
}

// TestCataloguesAreThoseOfTheServers makes each catalogue anew and finds no difference.
func TestCataloguesAreThoseOfTheServers(t *testing.T) {
	for _, major := range catalogue.Majors {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			needServers(t, major)
			server := pgtest.New(t, releases[major], "shared_preload_libraries="+preloadedOnly)
			require.NoError(t, server.Start(t.Context()))
			same(t, fmt.Sprintf("%d.json", major), describe(t, server))
			if major == catalogue.DefaultMajor {
				same(t, "timezones.txt", timeZones(t, server))
			}
		})
	}
}

// same compares what was made with what is kept in ./data, or keeps it.
func same(t *testing.T, name string, made []byte) {
	t.Helper()
	file := filepath.Join("data", name)
	if *update {
		require.NoError(t, os.WriteFile(file, made, 0o644)) //nolint:gosec // it is public
	}
	kept, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(kept), string(made), "make it anew with: go generate ./internal/catalogue")
}

// timeZones asks a server for the names of time zones.
func timeZones(t *testing.T, server *pgtest.Server) []byte {
	t.Helper()
	var names string
	require.NoError(t, server.Connect(t).QueryRow(t.Context(), `SELECT string_agg(name || E'\n', '' ORDER BY name COLLATE "C") FROM pg_timezone_names`).Scan(&names))
	return []byte(names)
}

// described is what a file of ./data says.
type described struct {
	Version   string
	Shipped   []string
	Libraries []string
	Settings  []catalogue.Setting
}

// describe asks a server for its settings and those of the libraries it can load, one on a line.
func describe(t *testing.T, server *pgtest.Server) []byte {
	t.Helper()
	var found described
	conn := server.Connect(t)
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT current_setting('server_version')").Scan(&found.Version))
	found.Shipped = loadable(t, server, conn)
	found.Settings, found.Libraries = settingsOf(t, server, found.Shipped)
	words := slices.Collect(maps.Keys(synonyms))
	for _, setting := range found.Settings {
		words = append(words, setting.Values...)
	}
	slices.Sort(words)
	for i := range found.Settings {
		learnMore(t, conn, &found.Settings[i], slices.Compact(words))
	}
	var text bytes.Buffer
	line := func(value any) string {
		var line strings.Builder
		encoder := json.NewEncoder(&line)
		encoder.SetEscapeHTML(false)
		require.NoError(t, encoder.Encode(value))
		return strings.TrimSpace(line.String())
	}
	fmt.Fprintf(&text, "{\n\"Version\": %s,\n\"Shipped\": %s,\n\"Libraries\": %s,\n\"Settings\": [\n", line(found.Version), line(found.Shipped), line(found.Libraries))
	for i, setting := range found.Settings {
		comma := ","
		if i == len(found.Settings)-1 {
			comma = ""
		}
		fmt.Fprintf(&text, "%s%s\n", line(setting), comma)
	}
	text.WriteString("]\n}\n")
	return text.Bytes()
}

// settingsOf returns the settings of the server and of every library, and which libraries have some.
func settingsOf(t *testing.T, server *pgtest.Server, libraries []string) ([]catalogue.Setting, []string) {
	t.Helper()
	session := server.Connect(t)
	for _, library := range libraries {
		_, err := session.Exec(t.Context(), "LOAD '"+library+"'")
		require.NoError(t, err)
	}
	rows, err := session.Query(t.Context(), `
		SELECT name, context, vartype AS type, coalesce(unit, '') AS unit, coalesce(min_val, '') AS min, coalesce(max_val, '') AS max,
		       coalesce(enumvals, '{}') AS values, coalesce(boot_val, '') AS default, category, short_desc AS description
		FROM pg_settings ORDER BY name COLLATE "C"`)
	require.NoError(t, err)
	settings, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[catalogue.Setting])
	require.NoError(t, err)
	var owners []string
	for i := range settings {
		library, _, isExtension := strings.Cut(settings[i].Name, ".")
		if !isExtension {
			continue
		}
		require.Contains(t, libraries, library, settings[i].Name)
		settings[i].Library = library
		owners = append(owners, library)
	}
	return settings, slices.Compact(owners)
}

// loadable lists the libraries of the server that a session can load. Left out are those that need an
// interpreter, which not every machine has.
func loadable(t *testing.T, server *pgtest.Server, conn *pgx.Conn) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), `
		SELECT name FROM pg_ls_dir((SELECT setting FROM pg_config WHERE name = 'PKGLIBDIR')) AS name
		WHERE name LIKE '%.so' AND name !~ 'perl|python|tcl' ORDER BY name COLLATE "C"`)
	require.NoError(t, err)
	files, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	var libraries []string
	for _, file := range files {
		name := strings.TrimSuffix(file, ".so")
		session, err := server.Login(t.Context(), pgtest.Superuser, pgtest.Password, "postgres")
		require.NoError(t, err)
		_, err = session.Exec(t.Context(), "LOAD '"+name+"'")
		require.NoError(t, errors.Join(err, session.Close(t.Context())))
		libraries = append(libraries, name)
	}
	return libraries
}

// learnMore asks what pg_settings does not say: whether a file may hold the setting, and which
// of the words an enumeration accepts without listing them.
func learnMore(t *testing.T, conn *pgx.Conn, setting *catalogue.Setting, words []string) {
	t.Helper()
	if setting.Library != "" {
		_, err := conn.Exec(t.Context(), "LOAD '"+setting.Library+"'")
		require.NoError(t, err)
	}
	_, err := conn.Exec(t.Context(), "ALTER SYSTEM RESET "+setting.Name)
	setting.Fixed = sqlState(err) == "55P02"
	if !setting.Fixed {
		require.NoError(t, err, setting.Name)
	}
	if setting.Type != catalogue.Enum || setting.Fixed {
		return
	}
	for _, word := range words {
		if slices.Contains(setting.Values, word) || !takes(t.Context(), conn, setting.Name, word) {
			continue
		}
		if setting.Synonyms == nil {
			setting.Synonyms = map[string]string{}
		}
		setting.Synonyms[word] = cmp.Or(synonyms[word], word)
	}
	_, err = conn.Exec(t.Context(), "ALTER SYSTEM RESET "+setting.Name)
	require.NoError(t, err)
}

// synonyms are the other spellings that some enumerations accept (among the hidden entries of guc_tables.c).
var synonyms = map[string]string{
	"true": "on", "yes": "on", "1": "on", "false": "off", "no": "off", "0": "off",
	"debug": "debug2", "archive": "replica", "hot_standby": "replica",
}

// takes reports whether ALTER SYSTEM accepts a value.
func takes(ctx context.Context, conn *pgx.Conn, name, value string) bool {
	_, err := conn.Exec(ctx, "ALTER SYSTEM SET "+name+" = '"+strings.ReplaceAll(value, "'", "''")+"'")
	return err == nil
}

func sqlState(err error) string {
	var refusal *pgconn.PgError
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return ""
}
