package acquire

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// Reporter is told in a line what long work is being done.
type Reporter func(format string, args ...any)

// lockPoll is how often a run looks whether another one has left the lock.
const lockPoll = 100 * time.Millisecond

// CacheDir returns the folder in which acquired tools are kept, and makes it
// if need be. WCRDB_CACHE names another one than the user's own cache folder.
func CacheDir() (string, error) {
	dir := os.Getenv("WCRDB_CACHE")
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find the folder for cached tools: %w; set WCRDB_CACHE to a writable folder", err)
		}
		dir = filepath.Join(base, "wcrdb")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("resolve the cache folder %q: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the cache folder: %w; set WCRDB_CACHE to a writable folder", err)
	}
	return dir, nil
}

// cached returns the path of name in the cache. What is not there yet is made
// by build, at a temporary path on the same disk, and then moved into place, so
// that it is there whole or not at all. Of several runs one builds; the others
// wait for it.
func cached(ctx context.Context, name string, build func(tmp string) error) (path string, err error) {
	dir, err := CacheDir()
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, name)
	if there, err := exists(path); err != nil || there {
		return path, err
	}
	unlock, err := lock(ctx, path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if there, err := exists(path); err != nil || there {
		return path, err
	}
	tmp := path + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return "", fmt.Errorf("remove what an interrupted run left: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	if err := build(tmp); err != nil {
		return "", err
	}
	if err := os.Rename(tmp, path); err != nil {
		return "", fmt.Errorf("put %s into the cache: %w", name, err)
	}
	return path, nil
}

// lock takes the lock file next to path and returns how to let go of it.
func lock(ctx context.Context, path string) (unlock func() error, err error) {
	file := flock.New(path + ".lock")
	if _, err := file.TryLockContext(ctx, lockPoll); err != nil {
		return nil, fmt.Errorf("wait for another run that holds %s.lock: %w", path, err)
	}
	return file.Unlock, nil
}

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
