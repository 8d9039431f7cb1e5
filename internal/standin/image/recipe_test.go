package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRef(t *testing.T) {
	ref, err := Ref("16.14.0-beta.17")
	require.NoError(t, err)
	assert.Regexp(t, `^wcrdb-postgres-stand-in:16\.14-[0-9a-f]{12}$`, ref)

	again, err := Ref("16.14.0-beta.17")
	require.NoError(t, err)
	assert.Equal(t, ref, again, "stable")

	other, err := Ref("16.14.0-beta.18")
	require.NoError(t, err)
	assert.NotEqual(t, ref, other, "changes with what is inside")
}

func TestWriteScripts(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, WriteScripts(dir))
	for _, name := range []string{"docker-entrypoint.sh", "customize.sh"} {
		assert.FileExists(t, filepath.Join(dir, name))
	}
}

func TestWriteArchive(t *testing.T) {
	root := filepath.Join(t.TempDir(), "root.tar")
	require.NoError(t, os.WriteFile(root, []byte("the root"), 0o600))
	var buffer bytes.Buffer
	require.NoError(t, WriteArchive(&buffer, root, "example:1", "arm64"))

	members := map[string][]byte{}
	for archive := tar.NewReader(&buffer); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		members[header.Name], err = io.ReadAll(archive)
		require.NoError(t, err)
	}

	var manifest []struct {
		Config           string
		RepoTags, Layers []string
	}
	require.NoError(t, json.Unmarshal(members["manifest.json"], &manifest))
	require.Len(t, manifest, 1)
	assert.Equal(t, []string{"example:1"}, manifest[0].RepoTags)
	assert.Equal(t, "the root", string(members[manifest[0].Layers[0]]))

	var written struct {
		Architecture string
		Config       Config
		RootFS       struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	require.NoError(t, json.Unmarshal(members[manifest[0].Config], &written))
	assert.Equal(t, "arm64", written.Architecture)
	assert.Equal(t, DefaultConfig(), written.Config)
	layer := sha256.Sum256([]byte("the root"))
	assert.Equal(t, []string{"sha256:" + hex.EncodeToString(layer[:])}, written.RootFS.DiffIDs)
}

func TestWriteArchiveWithoutRoot(t *testing.T) {
	err := WriteArchive(io.Discard, filepath.Join(t.TempDir(), "gone.tar"), "example:1", "amd64")
	assert.ErrorIs(t, err, os.ErrNotExist)
}
