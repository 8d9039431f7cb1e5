package acquire

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/witchcityrope/database/internal/wholefile"
)

// recall reads what was remembered under name into fact, which stays as it is
// if nothing was.
func recall(name string, fact any) error {
	path, err := factPath(name)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read what an earlier run found out: %w", err)
	}
	if err := json.Unmarshal(content, fact); err != nil {
		return fmt.Errorf("read what an earlier run found out: %w; remove %s", err, path)
	}
	return nil
}

// remember keeps a fact in the cache for later runs.
func remember(name string, fact any) (err error) {
	path, err := factPath(name)
	if err != nil {
		return err
	}
	content, err := json.MarshalIndent(fact, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", name, err)
	}
	if err := wholefile.Write(path, content, 0o600); err != nil {
		return fmt.Errorf("remember %s for later runs: %w", name, err)
	}
	return nil
}

func factPath(name string) (string, error) {
	dir, err := CacheDir()
	return filepath.Join(dir, name+".json"), err
}
