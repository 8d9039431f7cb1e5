package acquire

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	file, err := os.CreateTemp(filepath.Dir(path), name+".*")
	if err != nil {
		return fmt.Errorf("remember %s for later runs: %w", name, err)
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("remember %s for later runs: %w", name, errors.Join(err, os.Remove(file.Name())))
	}
	return nil
}

func factPath(name string) (string, error) {
	dir, err := CacheDir()
	return filepath.Join(dir, name+".json"), err
}
