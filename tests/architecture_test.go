package tests

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/agent"
)

const module = "github.com/witchcityrope/database"

// worlds are what packages of other people talk to.
var worlds = map[string]string{
	"github.com/pulumi/": "Pulumi", "github.com/docker/docker/": "Docker", "github.com/jackc/pgx/": "SQL",
}

// forTests are the folders that only tests import.
var forTests = []string{"tests", "config/configtest", "internal/dockerengine/dockertest", "internal/pgtest", "internal/masking/maskingtest"}

// room is a row of the table in ARCHITECTURE.md.
type room struct{ imports, worlds []string }

func rooms(t *testing.T) map[string]room {
	t.Helper()
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| [^|]+ \\|([^|]*)\\|([^|]*)\\|$")
	code := regexp.MustCompile("`([^`]+)`")
	found := map[string]room{}
	for _, columns := range row.FindAllStringSubmatch(document(t, "ARCHITECTURE.md"), -1) {
		var this room
		for _, name := range code.FindAllStringSubmatch(columns[2], -1) {
			this.imports = append(this.imports, name[1])
		}
		if text := strings.TrimSpace(columns[3]); text != "" {
			this.worlds = strings.Split(text, ", ")
		}
		require.NotContains(t, found, columns[1])
		found[columns[1]] = this
	}
	require.NotEmpty(t, found)
	return found
}

// imports lists what the files of each folder import, for every system, tests left out.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	root := configtest.Root(t)
	found := map[string][]string{}
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata") {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir = filepath.ToSlash(dir)
		found[dir] = append(found[dir], "") // a package without imports is one too
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			found[dir] = append(found[dir], imported)
		}
		return nil
	}))
	return found
}

func isForTests(dir string) bool {
	return slices.ContainsFunc(forTests, func(helper string) bool { return dir == helper || strings.HasPrefix(dir, helper+"/") })
}

func TestPackagesImportWhatTheirRoomMay(t *testing.T) {
	rooms := rooms(t)
	packages := imports(t)
	for dir, imported := range packages {
		if isForTests(dir) {
			continue
		}
		room, known := rooms[dir]
		if !assert.True(t, known, "%s has no row in ARCHITECTURE.md", dir) {
			continue
		}
		for _, path := range imported {
			if inside, is := strings.CutPrefix(path, module+"/"); is {
				assert.Contains(t, room.imports, inside, "%s may not import %s: see the table in ARCHITECTURE.md", dir, inside)
			}
			for prefix, world := range worlds {
				if strings.HasPrefix(path, prefix) {
					assert.Contains(t, room.worlds, world, "%s may not import %s: see the table in ARCHITECTURE.md", dir, path)
				}
			}
		}
	}
	for name, room := range rooms {
		assert.Contains(t, packages, name, "ARCHITECTURE.md has a room that is not there")
		for _, allowed := range room.imports {
			assert.Contains(t, rooms, allowed, "%s may import what is no room", name)
		}
	}
}

// TestOnlyTheConfigurationKnowsTheApplication: names come from the stack files.
func TestOnlyTheConfigurationKnowsTheApplication(t *testing.T) {
	application := regexp.MustCompile(`(?i)witch.?city`)
	for dir := range imports(t) {
		if isForTests(dir) || level(dir) == 3 || dir == "config" {
			continue
		}
		files, err := filepath.Glob(filepath.Join(configtest.Root(t), dir, "*.go"))
		require.NoError(t, err)
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				content, err := os.ReadFile(file)
				require.NoError(t, err)
				assert.NotRegexp(t, application, strings.ReplaceAll(string(content), module, ""), file)
			}
		}
	}
}

// level of a room: imports point from a higher to a lower one, or stay on it.
func level(dir string) int {
	switch {
	case dir == "." || strings.HasPrefix(dir, "cmd/"):
		return 3
	case strings.HasPrefix(dir, "components/") || dir == "provider" || strings.HasPrefix(dir, "provider/"):
		return 2
	default:
		return 1
	}
}

func TestTheTableItselfPointsDownwards(t *testing.T) {
	for name, room := range rooms(t) {
		for _, allowed := range room.imports {
			assert.GreaterOrEqual(t, level(name), level(allowed), "%s may import %s", name, allowed)
		}
		if name == "internal/postgres" || name == "config" {
			assert.Empty(t, room.worlds, name)
		}
	}
}

// TestTheAgentsSourcesAreAllOfThem: its version is a hash over them.
func TestTheAgentsSourcesAreAllOfThem(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "./cmd/wcrdb-backup")
	list.Dir = configtest.Root(t)
	list.Env = append(os.Environ(), "GOOS=linux")
	output, err := list.Output()
	require.NoError(t, err)
	var ours []string
	for _, path := range strings.Fields(string(output)) {
		if folder, inside := strings.CutPrefix(path, module+"/"); inside {
			ours = append(ours, folder)
		}
	}
	assert.ElementsMatch(t, agent.Sources, ours)
}
