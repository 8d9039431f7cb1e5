package engine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
)

func TestBegin(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		there bool
		state string
	}{
		"no folder":      {there: true, state: `{"version":3,"checkpoint":{"stack":"organization/shop/prod"}}`},
		"present layout": {files: map[string]string{"meta.yaml": "version: 1\n"}, there: true, state: `{"version":3,"checkpoint":{"stack":"organization/shop/prod"}}`},
		"another layout": {files: map[string]string{"meta.yaml": "version: 2\n"}},
		"no layout":      {files: map[string]string{"stacks/old.json": "{}"}},
		"a state": {
			files: map[string]string{"meta.yaml": "version: 1\n", "stacks/shop/prod.json": "kept"}, there: true, state: "kept",
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, content := range c.files {
				path := filepath.Join(dir, ".pulumi", file)
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
				require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
			}
			stack := &Stack{Project: &Project{Name: "shop"}, Config: &config.Stack{Name: "prod"}, backend: "file://" + filepath.ToSlash(dir)}
			path, _ := stack.stateFile()
			there, err := stack.begin(path)
			require.NoError(t, err)
			assert.Equal(t, c.there, there)
			if c.state == "" {
				assert.NoFileExists(t, path)
				return
			}
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, c.state, string(content))
			left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".new-*"))
			require.NoError(t, err)
			assert.Empty(t, left)
		})
	}
}
