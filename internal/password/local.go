package password

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/witchcityrope/database/internal/wholefile"
)

// LocalRootSecret reads the secret of a stack with rootSecretFrom: local, and
// makes it on first use: a file in a folder of the stack's own, which only its
// owner can read.
func LocalRootSecret(path string) (string, error) {
	secret, err := ReadLocalRootSecret(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("root secret: %w", err)
	}
	// Of two runs at once, both use the first one's.
	if err := wholefile.WriteNew(path, []byte(NewRootSecret()+"\n")); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("root secret: %w", err)
	}
	return ReadLocalRootSecret(path)
}

// ReadLocalRootSecret reads that secret, which must be there.
func ReadLocalRootSecret(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("root secret: %w", err)
	}
	return strings.TrimSpace(string(content)), nil
}
