// Package wholefile writes files whole or not at all: whoever reads one finds
// what it was or what it is to be, whatever becomes of the run that writes it.
package wholefile

import (
	"errors"
	"os"
	"path/filepath"
)

// Write writes a file, in place of one that may be there.
func Write(path string, content []byte, mode os.FileMode) error {
	draft, err := draft(path, content, mode)
	if err != nil {
		return err
	}
	if err := os.Rename(draft, path); err != nil {
		return errors.Join(err, os.Remove(draft))
	}
	return nil
}

// WriteNew writes a file that only its owner can read, and leaves one that is
// there as it is: the error is then fs.ErrExist. Of two runs at once, one writes.
func WriteNew(path string, content []byte) error {
	draft, err := draft(path, content, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(os.Link(draft, path), os.Remove(draft))
}

// draft writes the content beside the file. Its name begins with a dot, by which
// folders that are listed know it.
func draft(path string, content []byte, mode os.FileMode) (name string, err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return "", err
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Chmod(mode), file.Sync(), file.Close()); err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	return file.Name(), nil
}
