// Package e2e proves wcrdb as people use it: the built program, the real
// Pulumi engine, a real Docker Engine and a real PostgreSQL.
//
// Everything runs twice, with the stand-ins and with the published provider
// plugins, and the same assertions hold for both.
package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/witchcityrope/database/internal/acquire"
	"github.com/witchcityrope/database/internal/operation"
)

var (
	enabled = flag.Bool("e2e", false, "run the end-to-end tests; they need a Docker Engine and take minutes")
	choice  = flag.String("plugins", string(operation.Auto), "provider plugins: stand-ins, published, or auto: stand-ins, and published where they are installed")
	until   = flag.Int64("until", 0, "moment, in seconds since 1970, from which on no test begins any more: what was not run says so; 0 for none")
)

// wcrdb is the path of the built program.
var wcrdb string

func TestMain(m *testing.M) {
	flag.Parse()
	if !*enabled {
		fmt.Println("NOT RUN: the end-to-end tests need a Docker Engine and take minutes; run them with: go test ./tests/e2e -e2e")
		os.Exit(m.Run())
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tests/e2e:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

// run builds the program, gets what it needs, and runs the tests.
func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "wcrdb-e2e-*")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	wcrdb = filepath.Join(dir, "wcrdb")
	root := filepath.Join("..", "..")
	for _, command := range []*exec.Cmd{
		exec.Command("go", "build", "-o", wcrdb, "./cmd/wcrdb"),
		exec.Command(wcrdb, "setup", "--stack", "test"),
	} {
		command.Dir = root
		if output, err := command.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("%s: %w\n%s", strings.Join(command.Args, " "), err, output)
		}
	}
	if reason, err := publishedMissing(); err != nil {
		return 0, err
	} else if reason != "" && *choice == string(operation.Auto) {
		fmt.Printf("NOT RUN: the half of the end-to-end tests with the published plugins: %s\n", reason)
	}
	return m.Run(), nil
}

// publishedMissing says which published plugins are not installed; empty if all are.
func publishedMissing() (string, error) {
	plugins, err := acquire.FindPlugins()
	if err != nil {
		return "", err
	}
	var missing []string
	for _, plugin := range plugins {
		if !plugin.Published {
			missing = append(missing, fmt.Sprintf("%s is not installed (pulumi plugin install resource %s %s)", plugin, plugin.Name, plugin.Version))
		}
	}
	return strings.Join(missing, ", "), nil
}

// eachPlugins runs a test with the stand-ins and with the published plugins.
// Tests run side by side, the two halves of one after each other.
func eachPlugins(t *testing.T, test func(t *testing.T, plugins operation.PluginChoice)) {
	if !*enabled {
		t.Skip("needs -e2e")
	}
	t.Parallel()
	for _, plugins := range []operation.PluginChoice{operation.StandIns, operation.Published} {
		if *choice != string(operation.Auto) && *choice != string(plugins) {
			continue
		}
		t.Run(string(plugins), func(t *testing.T) {
			if reason, err := publishedMissing(); err != nil {
				t.Fatal(err)
			} else if plugins == operation.Published && reason != "" {
				if *choice == string(operation.Published) {
					t.Fatal(reason)
				}
				t.Skip("NOT RUN: ", reason)
			}
			if *until > 0 && time.Now().Unix() > *until {
				t.Skipf("NOT RUN: %s: no time was left for it (-until)", t.Name())
			}
			test(t, plugins)
		})
	}
}
