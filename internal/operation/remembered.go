package operation

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/witchcityrope/database/internal/health"
	"github.com/witchcityrope/database/internal/migration"
	"github.com/witchcityrope/database/internal/wholefile"
)

// rememberedFile is the file of this machine that has the last migration of the
// script that migrate was given last, whatever has become of it.
func (o *Operation) rememberedFile() string {
	return filepath.Join(o.Project.LocalDir(o.Stack), "migration.json")
}

// rememberMigrations lets health know, without being told, what must be applied.
func (o *Operation) rememberMigrations(script *migration.Script, file string) error {
	if len(script.Migrations) == 0 {
		return nil
	}
	content, err := json.Marshal(health.Remembered{
		Migration: script.Migrations[len(script.Migrations)-1].ID, Script: filepath.Base(file), At: time.Now().UTC().Truncate(time.Second),
	})
	if err != nil {
		return err
	}
	return wholefile.Write(o.rememberedFile(), content, 0o600)
}

// remembered is nil where migrate was never run on this machine.
func (o *Operation) remembered() (*health.Remembered, error) {
	content, err := os.ReadFile(o.rememberedFile())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found health.Remembered
	if err := json.Unmarshal(content, &found); err != nil {
		return nil, fmt.Errorf("%s: %w", o.rememberedFile(), err)
	}
	return &found, nil
}
