package e2e

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/operation"
)

var recorded = flag.String("record-consequences", "", "file that the report of the consequences is written to")

// record collects what was foretold and seen with one kind of plugins.
type record struct {
	plugins operation.PluginChoice
	agreed  int
	rows    []string
}

func newRecord(plugins operation.PluginChoice) *record { return &record{plugins: plugins} }

func (r *record) add(edit edit, proof proof) {
	agree := "**no**"
	if proof.foretold.Class == proof.class {
		agree = "yes"
		r.agreed++
	}
	same := func(same bool) string {
		if same {
			return "same"
		}
		return "new"
	}
	held := "ended"
	if proof.alive {
		held = "goes on"
	}
	row := "there"
	if !proof.after.row {
		row = "gone"
	}
	foretold, away := "", ""
	if proof.foretold.Seconds > 0 {
		foretold = fmt.Sprintf(" (%.1f s)", proof.foretold.Seconds)
	}
	if proof.class.Interrupts() {
		away = fmt.Sprintf(" (%.1f s)", proof.away.Seconds())
	}
	r.rows = append(r.rows, fmt.Sprintf("| %s | `%s` | %s%s | %s%s | %s | %s | %s | %s | %s | %s |", edit.what, edit.told(),
		proof.foretold.Class, foretold, proof.class, away,
		same(proof.before.container == proof.after.container), same(proof.before.postmaster.Equal(proof.after.postmaster)),
		held, row, same(proof.before.volume == proof.after.volume), agree))
}

// told is an edit as one line of a stack file.
func (e edit) told() string {
	var told []string
	var walk func(path string, value any)
	walk = func(path string, value any) {
		inner, isMap := value.(values)
		if !isMap {
			text := fmt.Sprint(value)
			if value == nil {
				text = "(taken out)"
			}
			told = append(told, path+": "+strings.ReplaceAll(text, "|", "\\|"))
			return
		}
		for key, value := range inner {
			walk(strings.TrimPrefix(path+"."+key, "."), value)
		}
	}
	walk("", e.values)
	slices.Sort(told)
	return strings.Join(told, ", ")
}

// intro of the report.
const intro = "# Consequences: foretold and seen\n\n" +
	"Written by `make record-consequences`; not to be edited.\n\n" +
	"Single changes of a dev stack's file, one after the other on one stack. *Foretold* is the class that `wcrdb preview --json` gave, with the interruption\n" +
	"expected. *Seen* follows from observation alone: the container's id and what `docker inspect` says of it, the postmaster's start and reload times, a session\n" +
	"held open across the change, a row written before, the volume's identity, and what a session that begins afterwards sees differently; with the longest time in which\n" +
	"nobody could log in. The last changes, of data in memory, are those of a test stack. *Under load*: sessions that write while settings of prod change.\n"

// heading of the sections, of each kind of plugins.
const heading = "\n## With "

// kinds are the kinds of plugins as the headings have them.
var kinds = map[operation.PluginChoice]string{operation.StandIns: "stand-ins", operation.Published: "the published plugins"}

// write writes the section of one kind of plugins.
func (r *record) write(t *testing.T) {
	t.Helper()
	writeSection(t, kinds[r.plugins], fmt.Sprintf("%d of %d agree", r.agreed, len(r.rows)),
		"| change | stack file | foretold | seen | container | postmaster | open session | row | volume | agree |\n"+
			"|---|---|---|---|---|---|---|---|---|---|\n"+strings.Join(r.rows, "\n"))
}

// recordLoad writes what changes of settings did to sessions that were writing.
func recordLoad(t *testing.T, plugins operation.PluginChoice, queries, found int64, lost int) {
	t.Helper()
	writeSection(t, kinds[plugins]+", under load", fmt.Sprintf("%d queries, %d lost", queries, queries-found),
		"| stack | changed by two `up` | sessions | sessions lost | queries acknowledged | of which their rows are there |\n|---|---|---|---|---|---|\n"+
			fmt.Sprintf("| prod | `work_mem`, `log_min_duration_statement`, `random_page_cost` | %d | %d | %d | %d |", writers, lost, queries, found))
}

var writing sync.Mutex

// writeSection writes one section of the report; the others stay.
func writeSection(t *testing.T, of, result, table string) {
	t.Helper()
	if *recorded == "" {
		return
	}
	writing.Lock()
	defer writing.Unlock()
	path := filepath.Join("..", "..", *recorded)
	sections := map[string]string{}
	if existing, err := os.ReadFile(path); err == nil {
		for _, section := range strings.Split(string(existing), heading)[1:] {
			kind, _, _ := strings.Cut(section, ":")
			sections[kind] = section
		}
	}
	sections[of] = fmt.Sprintf("%s: %s\n\nOn %s.\n\n%s\n", of, result, time.Now().UTC().Format(time.DateOnly), table)
	text := intro
	for _, kind := range slices.Sorted(maps.Keys(sections)) {
		text += heading + sections[kind]
	}
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}
