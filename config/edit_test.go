package config

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

func inConfig(names ...string) []string { return append([]string{"config"}, names...) }

func TestEditKeepsEverythingElse(t *testing.T) {
	const file = `# Production
secretsprovider: passphrase   # as it is

config:
  # who may do what
  shop:access:   # here
    # short
    prefix: shop   # of all roles

    generation: 7 # the seventh
    generations: {app: 3, "monitor": 1}  # single ones

  shop:secret:
    secure: v1:abc
  # last
  shop:root: {secure: 'v1:def'}
`
	replaced := func(old, new string) string {
		at := len(file) - len(file[indexOf(t, file, old):])
		return file[:at] + new + file[at+len(old):]
	}
	for name, example := range map[string]struct {
		edit Edit
		want string
	}{
		"number":            {Edit{inConfig("shop:access", "generation"), 8}, replaced("generation: 7 #", "generation: 8 #")},
		"number in a line":  {Edit{inConfig("shop:access", "generations", "app"), 12}, replaced("app: 3,", "app: 12,")},
		"new in a line":     {Edit{inConfig("shop:access", "generations", "backup"), 1}, replaced("{app", "{backup: 1, app")},
		"new in a block":    {Edit{inConfig("shop:access", "root", "number"), 2}, replaced("# here\n", "# here\n    root: {number: 2}\n")},
		"new at the top":    {Edit{inConfig("shop:new"), map[string]any{"secure": "v1:x"}}, replaced("config:\n", "config:\n  shop:new: {secure: 'v1:x'}\n")},
		"mapping in a line": {Edit{inConfig("shop:root"), map[string]any{"secure": "v1:x"}}, replaced("{secure: 'v1:def'}", "{secure: 'v1:x'}")},
		"inside a secret":   {Edit{inConfig("shop:secret", "secure"), "v1:new"}, replaced("v1:abc", "v1:new")},
		"gone":              {Edit{inConfig("shop:access", "generation"), nil}, replaced("    generation: 7 # the seventh\n", "")},
		"block gone":        {Edit{inConfig("shop:secret"), nil}, replaced("  shop:secret:\n    secure: v1:abc\n", "")},
		"gone already":      {Edit{inConfig("shop:other", "key"), nil}, file},
	} {
		got, err := EditFile([]byte(file), example.edit)
		require.NoError(t, err, name)
		assert.Equal(t, example.want, string(got), name)
	}
}

func indexOf(t *testing.T, text, part string) int {
	t.Helper()
	for i := range text {
		if len(text)-i >= len(part) && text[i:i+len(part)] == part {
			return i
		}
	}
	t.Fatalf("%q is not there", part)
	return 0
}

func TestEditRefusesWhatItCannotDoInPlace(t *testing.T) {
	for file, edit := range map[string]Edit{
		"config:\n  a: |\n    1\n    2\n":     {inConfig("a"), 1},
		"config:\n  a: &x 1\n  b: *x\n":       {inConfig("b", "c"), 1},
		"config:\n  a: 1\n":                   {inConfig("a", "b"), 2},
		"config:\n  a: {b: 1}\n":              {inConfig("a", "b"), nil},
		"- config\n":                          {inConfig("a"), 1},
		"config:\n  a: {b: 1,\n      c: 2}\n": {inConfig("a"), 2},
	} {
		_, err := EditFile([]byte(file), edit)
		assert.ErrorContains(t, err, "change it by hand", file)
	}
}

// TestStackFilesCanBeRotated: the committed files, whatever they look like.
func TestStackFilesCanBeRotated(t *testing.T) {
	for _, name := range []string{"dev", "test", "prod"} {
		content, err := os.ReadFile("../Pulumi." + name + ".yaml")
		require.NoError(t, err)
		access := inConfig(project + ":access")
		for generation := 2; generation < 5; generation++ {
			content, err = EditFile(content,
				Edit{append(access, "generation"), generation}, Edit{append(access, "generations", "app"), generation},
				Edit{append(access, "root"), map[string]any{"number": generation, "since": map[string]int{"app": 3, "backup": 1}}})
			require.NoError(t, err, name)
		}
		var file struct{ Config map[string]map[string]any }
		var anything map[string]any
		require.NoError(t, yaml.Unmarshal(content, &anything))
		_ = yaml.Unmarshal(content, &file) // other keys are of other types
		assert.Equal(t, 4, file.Config[project+":access"]["generation"], name)
	}
}
