package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/config/configtest"
)

func TestReadmeHasTheTable(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(configtest.Root(t), "README.md"))
	require.NoError(t, err)
	rows, err := rows()
	require.NoError(t, err)
	want, err := replace(string(content), markdown(rows))
	require.NoError(t, err)
	assert.Equal(t, want, string(content), "run: go generate ./config")
}

func TestEveryKeyHasAMeaning(t *testing.T) {
	rows, err := rows()
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, row := range rows {
		assert.NotEmpty(t, row.meaning, row.path)
		assert.False(t, seen[row.path], row.path)
		seen[row.path] = true
	}
	assert.True(t, seen["server.healthCheck.interval"])
	assert.True(t, seen["settings.<name>"])
}

func TestReplaceNeedsItsMarks(t *testing.T) {
	_, err := replace("no place", "table")
	assert.ErrorContains(t, err, "has no place for the table")
	text, err := replace("a\n"+begin+"old"+end+"\nb", "new\n")
	require.NoError(t, err)
	assert.Equal(t, "a\n"+begin+"\nnew\n\n"+end+"\nb", text)
}

// declaration is a key in the config block of Pulumi.yaml.
type declaration struct {
	Type        string `yaml:"type"`
	Default     any    `yaml:"default"`
	Value       any    `yaml:"value"`
	Description string `yaml:"description"`
}

// TestProjectDeclaresTheKeys: the engine checks and documents what Pulumi.yaml
// says, the program what the types say; they have to say the same.
func TestProjectDeclaresTheKeys(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(configtest.Root(t), "Pulumi.yaml"))
	require.NoError(t, err)
	var project struct {
		Config map[string]declaration `yaml:"config"`
	}
	require.NoError(t, yaml.Unmarshal(content, &project))

	want := map[string]declaration{
		"pulumi:disable-default-providers": {Value: []any{"*"}},
		config.RootSecretKey:               {Type: "string", Default: "", Description: project.Config[config.RootSecretKey].Description},
		config.PreviousRootSecretKey:       {Type: "string", Default: "", Description: project.Config[config.PreviousRootSecretKey].Description},
		config.AdministratorPasswordKey:    {Type: "string", Default: "", Description: project.Config[config.AdministratorPasswordKey].Description},
	}
	stack := reflect.TypeFor[config.Stack]()
	for i := range stack.NumField() {
		field := stack.Field(i)
		key := field.Tag.Get("json")
		if key == "-" {
			continue
		}
		declared := declaration{Type: "object", Default: map[string]any{}, Description: sentence(field.Tag.Get("doc"))}
		if field.Type.Kind() == reflect.String {
			declared.Type, declared.Default = "string", field.Tag.Get("default")
		}
		if field.Type.Kind() == reflect.Int {
			declared.Type, declared.Default = "integer", 0
		}
		if isList(field.Type) {
			declared.Type, declared.Default = "array", []any{}
		}
		if key == "database" {
			declared.Default = nil // its name is required
		}
		want[key] = declared
	}
	assert.Equal(t, want, project.Config)
	for key, declared := range project.Config {
		assert.True(t, declared.Description != "" || strings.HasPrefix(key, "pulumi:"), key)
	}
}

// sentence begins with a capital letter.
func sentence(text string) string {
	runes := []rune(text)
	runes[0] = unicode.ToUpper(runes[0])
	return string(runes)
}
