package catalogue_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/catalogue"
)

// What the recorded run tries on each major.
const (
	recordedValues         = 6000
	recordedConfigurations = 80
)

// TestRecord tries catalogue and servers of all majors against each other and writes down what came of it.
func TestRecord(t *testing.T) {
	if !*record {
		t.Skip("NOT RUN: thousands of values and hundreds of configurations on servers of all majors take minutes; make record-settings")
	}
	needServers(t, catalogue.Majors...)
	values, configurations := map[int]tally{}, map[int]tally{}
	for _, major := range catalogue.Majors {
		values[major] = tryValues(t, major, recordedValues)
		configurations[major] = tryConfigurations(t, major, recordedConfigurations)
		t.Logf("PostgreSQL %d: values %+v; configurations %+v", major, values[major], configurations[major])
	}
	reports := filepath.Join(configtest.Root(t), "reports")
	require.NoError(t, os.MkdirAll(reports, 0o755)) //nolint:gosec // it is public
	text := introduction + table("Single values", values) + table("Whole configurations", configurations)
	require.NoError(t, os.WriteFile(filepath.Join(reports, "settings.md"), []byte(text), 0o644)) //nolint:gosec // it is public
	for _, major := range catalogue.Majors {
		assert.Empty(t, values[major].disagreements)
		assert.Empty(t, configurations[major].disagreements)
	}
}

const introduction = `# Settings: the catalogue against real servers

Made by ` + "`make record-settings`" + `; do not edit.

What [internal/catalogue](../internal/catalogue) says of settings was compared with what servers of every supported major say.

* Single values: names and values are drawn at random (right ones, misspelled ones, ones of another version; numbers at and beyond the limits, with fractions,
  exponents, octal and hexadecimal digits, right and wrong units) and given to a running server with ` + "`ALTER SYSTEM`" + ` (a setting of nobody's with ` + "`SET`" + `).
  They agree if both accept or both refuse.
* Whole configurations: 5 to 44 settings that the catalogue accepts are written into ` + "`postgresql.conf`" + `. Every other one also has a setting that it refuses for its name, unit,
  range or value. They agree if the server starts and ` + "`pg_file_settings`" + ` has no error, or if it does not start because the file "contains errors".

Not drawn, because it is not the value alone that decides: locales, files, folders and commands of the machine; what is made in a database (tablespaces, access methods, text search
configurations); values of builds with libraries that these servers lack (lz4, zstd, io_uring); ` + "`max_stack_depth`" + ` beyond 7 MB; numbers of processes beyond 50000; in whole
configurations also what the machine could not hold, what only one of may be set, and how the test itself reaches the server.
Old names that the catalogue refuses with their successor (` + "`force_parallel_mode`, `ssl_ecdh_curve`" + `) are counted apart: the server still takes them for the new ones.
` + "`recovery_target_timeline` and `recovery_target_xid`" + ` are not drawn either: up to 17 the server takes any text for 0, the catalogue does not. Nor is what a server accepts and then
has no use for, or locks the test out with: ` + "`db_user_namespace`, a tiny `transaction_timeout`" + `.
`

// table writes tallies as a table, a major on a row.
func table(title string, tallies map[int]tally) string {
	var kinds []string
	for _, result := range tallies {
		kinds = slices.AppendSeq(kinds, maps.Keys(result.refused))
	}
	slices.Sort(kinds)
	kinds = slices.Compact(kinds)
	var text strings.Builder
	fmt.Fprintf(&text, "\n## %s\n\n| PostgreSQL | both accept | both refuse: %s | old name | disagree |\n|---|%s\n",
		title, strings.Join(kinds, " | "), strings.Repeat("---|", len(kinds)+3))
	tried, disagreements := 0, []string{}
	for _, major := range catalogue.Majors {
		result := tallies[major]
		tried += result.accepted + result.renamed + len(result.disagreements)
		fmt.Fprintf(&text, "| %s | %d |", strings.TrimSuffix(releases[major][:5], "."), result.accepted)
		for _, kind := range kinds {
			tried += result.refused[kind]
			fmt.Fprintf(&text, " %d |", result.refused[kind])
		}
		fmt.Fprintf(&text, " %d | %d |\n", result.renamed, len(result.disagreements))
		disagreements = append(disagreements, result.disagreements...)
	}
	fmt.Fprintf(&text, "\n%d tried, %d disagreements.\n", tried, len(disagreements))
	for _, disagreement := range disagreements {
		fmt.Fprintf(&text, "\n* %s", disagreement)
	}
	return text.String()
}
