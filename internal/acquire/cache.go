package acquire

import (
	"fmt"
	"os"
	"path/filepath"
)

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
