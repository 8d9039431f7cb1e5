package e2e

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

var recordCredentials = flag.String("record-credentials", "", "file to write what rotations and floods were measured to do to clients, as Markdown")

// figures are tables of a report, by their headings.
var figures = struct {
	sync.Mutex
	tables map[string][]string
}{tables: map[string][]string{}}

const figuresIntroduction = `# Rotations and floods, as clients see them

Written by ` + "`make record-credentials`" + `: the stack prod with the application's tables, a real server, the real engine. Times are those of whole
logins over TLS, on a machine that does other things, too; the number of CPUs decides them more than anything else.
`

// recordTable adds a table to the report and writes it.
func recordTable(t *testing.T, heading string, rows ...string) {
	t.Helper()
	if *recordCredentials == "" {
		return
	}
	figures.Lock()
	defer figures.Unlock()
	if content, err := os.ReadFile(*recordCredentials); err == nil && len(figures.tables) == 0 {
		for _, section := range strings.Split(string(content), "\n## ")[1:] { // of tests that do not run this time
			of, table, _ := strings.Cut(section, "\n\n")
			figures.tables[of] = []string{strings.TrimRight(table, "\n")}
		}
	}
	figures.tables[heading] = rows
	text := figuresIntroduction
	for _, heading := range slices.Sorted(maps.Keys(figures.tables)) {
		text += fmt.Sprintf("\n## %s\n\n%s\n", heading, strings.Join(figures.tables[heading], "\n"))
	}
	require.NoError(t, os.WriteFile(*recordCredentials, []byte(text), 0o644))
}
