package engine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
)

const projectFile = "name: shop-database\nruntime: go\nplugins:\n  providers:\n    - name: pgserver\n      path: ./provider\n"

// newProject makes a project with one stack file.
func newProject(t *testing.T, stackFile string) *Project {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Pulumi.yaml"), []byte(projectFile), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Pulumi.prod.yaml"), []byte(stackFile), 0o600))
	project, err := FindProject(filepath.Join(dir))
	require.NoError(t, err)
	return project
}

func TestFindProjectLooksUpwards(t *testing.T) {
	project := newProject(t, "config: {}\n")
	below := filepath.Join(project.Dir, "a", "b")
	require.NoError(t, os.MkdirAll(below, 0o700))
	found, err := FindProject(below)
	require.NoError(t, err)
	assert.Equal(t, project.Dir, found.Dir)
	assert.Equal(t, "shop-database", found.Name)

	_, err = FindProject(t.TempDir())
	assert.ErrorContains(t, err, "no Pulumi.yaml")
}

func TestStackNamesAreChecked(t *testing.T) {
	project := newProject(t, "config: {}\n")
	for _, name := range []string{"", "../prod", "a/b", "no such", "."} {
		_, _, err := project.Config(name)
		assert.ErrorContains(t, err, "not the name of a stack", name)
	}
	_, _, err := project.Config("staging")
	assert.ErrorContains(t, err, "there is no stack staging")
}

func TestWorkspaceKeepsTheSaltOfThisMachine(t *testing.T) {
	project := newProject(t, "config:\n  shop-database:database: {name: shop}\n")
	dir := t.TempDir()
	work := filepath.Join(dir, "Pulumi.prod.yaml")
	require.NoError(t, os.WriteFile(work, []byte("encryptionsalt: v1:local\nconfig:\n  shop-database:old: gone\n"), 0o600))
	require.NoError(t, project.writeWorkspace(dir, "prod", true))
	content, err := os.ReadFile(work)
	require.NoError(t, err)
	assert.Contains(t, string(content), "encryptionsalt: v1:local")
	assert.Contains(t, string(content), "name: shop")
	assert.NotContains(t, string(content), "gone")
	settings, err := os.ReadFile(filepath.Join(dir, "Pulumi.yaml"))
	require.NoError(t, err)
	assert.NotContains(t, string(settings), "./provider", "the provider is attached, not started")
}

func TestCommittedSaltWinsAndThrowawayHasNoSecrets(t *testing.T) {
	project := newProject(t, "encryptionsalt: v1:committed\nconfig:\n  shop-database:rootSecret:\n    secure: v1:abc\n  shop-database:database: {name: shop}\n")
	dir := t.TempDir()
	work := filepath.Join(dir, "Pulumi.prod.yaml")
	require.NoError(t, os.WriteFile(work, []byte("encryptionsalt: v1:local\n"), 0o600))
	require.NoError(t, project.writeWorkspace(dir, "prod", true))
	kept, err := readStackFile(work)
	require.NoError(t, err)
	assert.Equal(t, "v1:committed", kept.EncryptionSalt)
	assert.Contains(t, kept.Config, "shop-database:rootSecret")

	require.NoError(t, project.writeWorkspace(dir, "prod", false))
	bare, err := readStackFile(work)
	require.NoError(t, err)
	assert.Empty(t, bare.EncryptionSalt)
	assert.NotContains(t, bare.Config, "shop-database:rootSecret")
	assert.Contains(t, bare.Config, "shop-database:database")
}

func TestAddSecretKeepsWhatPeopleWrote(t *testing.T) {
	project := newProject(t, "# Production.\nconfig:\n  shop-database:database: {name: shop} # the shop\n")
	path := project.StackFile("prod")
	from := stackFile{EncryptionSalt: "v1:salt", Config: map[string]any{"shop-database:rootSecret": map[string]any{"secure": "v1:abc"}}}
	for range 2 {
		require.NoError(t, addSecret(path, from, "shop-database:rootSecret"))
	}
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, `# Production.
config:
  shop-database:database: {name: shop} # the shop
  shop-database:rootSecret:
    secure: v1:abc
encryptionsalt: v1:salt
`, string(content))
}

func TestPassphraseIsMadeOnceAndOnlyForItsOwner(t *testing.T) {
	project := newProject(t, "config: {}\n")
	require.NoError(t, project.MakePassphrase("prod"))
	info, err := os.Stat(project.PassphraseFile("prod"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	assert.Error(t, project.MakePassphrase("prod"), "a second one would make the secrets unreadable")
}

func TestPassphraseIsThereWholeOrNotAtAll(t *testing.T) {
	project := newProject(t, "config: {}\n")
	for range 200 {
		path := project.PassphraseFile("prod")
		require.NoError(t, os.RemoveAll(filepath.Dir(path)))
		seen := make(chan []byte)
		go func() {
			for {
				if content, err := os.ReadFile(path); err == nil {
					seen <- content
					return
				}
			}
		}()
		require.NoError(t, project.MakePassphrase("prod"))
		require.NotEmpty(t, <-seen)
	}
}

func TestFileBackendWritesNoDescriptionsOfFiles(t *testing.T) {
	for backend, want := range map[string]string{
		"file:///here/state":          "file:///here/state?metadata=skip",
		"file:///here?metadata=other": "file:///here?metadata=other",
		"s3://bucket":                 "s3://bucket",
	} {
		stack := &Stack{Project: &Project{Name: "shop"}, Config: &config.Stack{Name: "prod"}, backend: backend}
		assert.Equal(t, want, stack.backendURL())
	}
}
