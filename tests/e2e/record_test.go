package e2e

import (
	"flag"
	"fmt"
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

// sections of the report, by plugins.
var (
	sections      = map[operation.PluginChoice]string{}
	sectionsMutex sync.Mutex
)

// write writes the report, with the sections that there are so far.
func (r *record) write(t *testing.T) {
	t.Helper()
	if *recorded == "" {
		return
	}
	sectionsMutex.Lock()
	defer sectionsMutex.Unlock()
	sections[r.plugins] = fmt.Sprintf("## With %s plugins: %d of %d agree\n\n"+
		"| change | stack file | foretold | seen | container | postmaster | open session | row | volume | agree |\n"+
		"|---|---|---|---|---|---|---|---|---|---|\n%s\n", map[operation.PluginChoice]string{operation.StandIns: "stand-in", operation.Published: "the published"}[r.plugins],
		r.agreed, len(r.rows), strings.Join(r.rows, "\n"))
	text := "# Consequences: foretold and seen\n\n" +
		"Written by `make record-consequences` on " + time.Now().UTC().Format(time.DateOnly) + "; not to be edited.\n\n" +
		"Single changes of a dev stack's file, one after the other on one stack. *Foretold* is the class that `wcrdb preview --json` gave, with the interruption\n" +
		"expected. *Seen* follows from observation alone: the container's id and what `docker inspect` says of it, the postmaster's start and reload times, a session\n" +
		"held open across the change, a row written before, the volume's identity, and what a session that begins afterwards sees differently; with the longest time in which\n" +
		"nobody could log in.\n"
	for _, plugins := range []operation.PluginChoice{operation.StandIns, operation.Published} {
		if section := sections[plugins]; section != "" {
			text += "\n" + section
		}
	}
	path, err := filepath.Abs(filepath.Join("..", "..", *recorded))
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}
