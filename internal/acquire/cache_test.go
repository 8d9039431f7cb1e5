package acquire

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCacheDir(t *testing.T) {
	want := filepath.Join(t.TempDir(), "made", "on", "demand")
	t.Setenv("WCRDB_CACHE", want)
	got, err := CacheDir()
	require.NoError(t, err)
	assert.Equal(t, want, got)
	assert.DirExists(t, want)

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	t.Setenv("WCRDB_CACHE", file)
	_, err = CacheDir()
	assert.ErrorContains(t, err, "set WCRDB_CACHE to a writable folder")
}

func TestCachedBuildsOnce(t *testing.T) {
	dir := ownCache(t)
	var builds atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			path, err := cached(t.Context(), "thing", func(tmp string) error {
				builds.Add(1)
				return os.WriteFile(tmp, []byte("whole"), 0o600)
			})
			assert.NoError(t, err)
			assert.Equal(t, filepath.Join(dir, "thing"), path)
		})
	}
	all.Wait()
	assert.EqualValues(t, 1, builds.Load())
}

func TestCachedLeavesNothingHalfDone(t *testing.T) {
	dir := ownCache(t)
	broken := errors.New("broken")
	_, err := cached(t.Context(), "thing", func(tmp string) error {
		return errors.Join(os.WriteFile(tmp, []byte("half"), 0o600), broken)
	})
	require.ErrorIs(t, err, broken)
	assert.NoFileExists(t, filepath.Join(dir, "thing"))
	assert.NoFileExists(t, filepath.Join(dir, "thing.new"))

	// A run that was killed leaves its work; the next one starts afresh.
	require.NoError(t, os.Mkdir(filepath.Join(dir, "thing.new"), 0o700))
	_, err = cached(t.Context(), "thing", func(tmp string) error { return os.WriteFile(tmp, nil, 0o600) })
	require.NoError(t, err)
}

func TestCachedWaitsNoLongerThanItsContext(t *testing.T) {
	dir := ownCache(t)
	unlock, err := lock(t.Context(), filepath.Join(dir, "thing"))
	require.NoError(t, err)
	defer func() { require.NoError(t, unlock()) }()

	ctx, cancel := context.WithTimeout(t.Context(), 2*lockPoll)
	defer cancel()
	_, err = cached(ctx, "thing", func(string) error { return nil })
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.ErrorContains(t, err, "wait for another run")
}

func TestFacts(t *testing.T) {
	dir := ownCache(t)
	fact := "unknown"
	require.NoError(t, recall("weather", &fact))
	assert.Equal(t, "unknown", fact)

	require.NoError(t, remember("weather", "fair"))
	require.NoError(t, remember("weather", "foul"))
	require.NoError(t, recall("weather", &fact))
	assert.Equal(t, "foul", fact)

	path := filepath.Join(dir, "weather.json")
	require.NoError(t, os.WriteFile(path, []byte("{"), 0o600))
	assert.ErrorContains(t, recall("weather", &fact), "remove "+path)
}
