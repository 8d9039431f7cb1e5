package e2e

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
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

Written by ` + "`make record-credentials`" + `: the stack prod with the application's tables, a real server, the real engine.

A login of the flood's tables is the whole of it: TCP, TLS with the server's certificate verified, SCRAM, and one query; that of the health check is what
Docker runs in the container, without Docker's own time. The flooding clients and the server shared %d CPUs: most of a refused login is computed by the client
(SCRAM's 4096 iterations), and PostgreSQL asks for limits only after it. Each client of the flood that was refused tries again, after pauses that double up to 30 seconds, and no more than
%d logins are under way at once: PostgreSQL counts those against max_connections as well. Where both logins of the application flood, which only clients that missed
a rotation can do, they may take all that nobody has reserved: readonly and migrator then wait, too.
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
	text := fmt.Sprintf(figuresIntroduction, runtime.NumCPU(), loginsUnderWay)
	for _, heading := range slices.Sorted(maps.Keys(figures.tables)) {
		text += fmt.Sprintf("\n## %s\n\n%s\n", heading, strings.Join(figures.tables[heading], "\n"))
	}
	require.NoError(t, os.WriteFile(*recordCredentials, []byte(text), 0o644))
}
