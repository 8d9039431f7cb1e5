package tests

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/tests/program"
)

// faulty is a configuration that the program has to refuse.
type faulty struct {
	Name  string `yaml:"name"`
	Stack string `yaml:"stack"` // dev, test, prod, or minimal: the least that is valid
	// Set changes values by their path in the stack file, Remove takes them out.
	Set    map[string]any    `yaml:"set"`
	Remove []string          `yaml:"remove"`
	Secret map[string]string `yaml:"secret"` // encrypted configuration
	Files  map[string]string `yaml:"files"`  // content by path in the project's folder
	Up     bool              `yaml:"up"`     // a real run instead of a preview
	Faults []string          `yaml:"faults"` // what it is told, fault by fault
}

func readFaulty(t *testing.T) []faulty {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", "faults.yaml"))
	require.NoError(t, err)
	defer file.Close()
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true)
	var all []faulty
	require.NoError(t, decoder.Decode(&all))
	return all
}

// run makes the configuration's run of the program.
func (f faulty) run(t *testing.T) program.Run {
	t.Helper()
	run := program.Run{Stack: f.Stack, Dir: t.TempDir(), DryRun: !f.Up, Secret: f.Secret, Values: map[string]string{"database": `{"name": "shop"}`}}
	if f.Stack != "minimal" {
		run.Values = program.StackValues(t, f.Stack)
	}
	for path, value := range f.Set {
		edit(t, run.Values, path, func(object map[string]any, key string) { object[key] = value })
	}
	for _, path := range f.Remove {
		edit(t, run.Values, path, func(object map[string]any, key string) { delete(object, key) })
	}
	for path, content := range f.Files {
		path = filepath.Join(run.Dir, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	return run
}

// edit changes the object that a path such as server.healthCheck.retries ends in.
func edit(t *testing.T, values map[string]string, path string, change func(map[string]any, string)) {
	t.Helper()
	top, rest, nested := strings.Cut(path, ".")
	root := map[string]any{}
	if text, given := values[top]; given {
		root[top] = text
		var object map[string]any
		if json.Unmarshal([]byte(text), &object) == nil {
			root[top] = object
		}
	}
	keys := []string{top}
	switch before, name, is := strings.Cut(path, "settings."); {
	case is && before == "access.": // the name of a client, and of a setting, which may have a dot
		keys = append(keys, append([]string{"settings"}, strings.SplitN(name, ".", 2)...)...)
	case is && before == "database.":
		keys = append(keys, "settings", name)
	case is:
		keys = append(keys, name)
	case nested:
		keys = append(keys, strings.Split(rest, ".")...)
	}
	object := root
	for _, key := range keys[:len(keys)-1] {
		inner, is := object[key].(map[string]any)
		if !is {
			inner = map[string]any{}
			object[key] = inner
		}
		object = inner
	}
	change(object, keys[len(keys)-1])
	delete(values, top)
	switch value := root[top].(type) {
	case nil:
	case string:
		values[top] = value
	default:
		text, err := json.Marshal(value)
		require.NoError(t, err)
		values[top] = string(text)
	}
}

func TestFaultyConfigurationsAreRefused(t *testing.T) {
	all := readFaulty(t)
	require.GreaterOrEqual(t, len(all), 65)
	names := map[string]bool{}
	for _, faulty := range all {
		require.False(t, names[faulty.Name], "%s is there twice", faulty.Name)
		names[faulty.Name] = true
		t.Run(faulty.Name, func(t *testing.T) {
			require.NotEmpty(t, faulty.Faults)
			registrations, err := faulty.run(t).Do()
			require.Error(t, err)
			assert.Empty(t, registrations, "nothing is registered by a program that refuses its configuration")
			var faults config.Faults
			if !errors.As(err, &faults) { // a fault of a secret comes alone
				require.Len(t, faulty.Faults, 1)
				assert.Contains(t, err.Error(), faulty.Faults[0])
				return
			}
			var told []string
			for _, fault := range faults {
				told = append(told, fault.String())
				assert.NotEmpty(t, fault.Path)
				assert.NotEmpty(t, fault.Reason)
				if !strings.Contains(fault.Reason, "must be one of") {
					assert.NotEmpty(t, fault.Remedy, "what to do about: %s", fault)
				}
				assert.Contains(t, err.Error(), "\n  "+fault.String())
			}
			assert.Equal(t, faulty.Faults, told)
		})
	}
}

func TestPreviewNeedsNoSecret(t *testing.T) {
	registrations, err := program.Run{Stack: "prod", Values: program.StackValues(t, "prod"), Dir: t.TempDir(), DryRun: true}.Do()
	require.NoError(t, err)
	assert.Greater(t, len(registrations), 40)
}
