package engine

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	sdkconfig "github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
)

func TestBegin(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		there bool
		begun bool
		state string
	}{
		"no folder":      {there: true, begun: true, state: `{"version":3,"checkpoint":{"stack":"organization/shop/prod"}}`},
		"present layout": {files: map[string]string{"meta.yaml": "version: 1\n"}, there: true, begun: true, state: `{"version":3,"checkpoint":{"stack":"organization/shop/prod"}}`},
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
			stack.dir = filepath.Join(dir, "project")
			stack.workspace = passphraseWorkspace{}
			engines := filepath.Join(stack.dir, "Pulumi.prod.yaml")
			require.NoError(t, os.Mkdir(stack.dir, 0o700))
			require.NoError(t, os.WriteFile(engines, []byte("config:\n    shop:port: 5433\n"), 0o600))
			path, _ := stack.stateFile()
			there, err := stack.begin(t.Context(), path)
			require.NoError(t, err)
			assert.Equal(t, c.there, there)
			file, err := readStackFile(engines)
			require.NoError(t, err)
			assert.Equal(t, 5433, file.Config["shop:port"])
			assert.Equal(t, c.begun, file.EncryptionSalt != "", "a new stack's secrets have their salt")
			if c.state == "" {
				assert.NoFileExists(t, path)
				return
			}
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, c.state, string(content))
			left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*"))
			require.NoError(t, err)
			assert.Empty(t, left)
		})
	}
}

// TestMakeSalt: the engine finds its word with the right passphrase, and what a
// stack file has stays.
func TestMakeSalt(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		kept string
	}{
		"none":             {file: "config: {}\n"},
		"a salt":           {file: "encryptionsalt: v1:a:b\n", kept: "v1:a:b"},
		"another provider": {file: "secretsprovider: awskms://key\nencryptedkey: k\n", kept: ""},
	} {
		t.Run(name, func(t *testing.T) {
			stack := &Stack{Config: &config.Stack{Name: "prod"}, dir: t.TempDir(), workspace: passphraseWorkspace{}}
			path := filepath.Join(stack.dir, "Pulumi.prod.yaml")
			require.NoError(t, os.WriteFile(path, []byte(c.file), 0o600))
			require.NoError(t, stack.makeSalt(t.Context()))
			file, err := readStackFile(path)
			require.NoError(t, err)
			if name != "none" {
				assert.Equal(t, c.kept, file.EncryptionSalt)
				return
			}
			parts := strings.SplitN(file.EncryptionSalt, ":", 3)
			require.Len(t, parts, 3)
			salt, err := base64.StdEncoding.DecodeString(parts[1])
			require.NoError(t, err)
			word, err := sdkconfig.NewSymmetricCrypterFromPassphrase("pass phrase", salt).DecryptValue(t.Context(), parts[2])
			require.NoError(t, err)
			assert.Equal(t, "pulumi", word)
		})
	}
}

// passphraseWorkspace is a workspace that has a passphrase, and nothing else.
type passphraseWorkspace struct{ auto.Workspace }

func (passphraseWorkspace) GetEnvVars() map[string]string {
	return map[string]string{"PULUMI_CONFIG_PASSPHRASE": "pass phrase"}
}
