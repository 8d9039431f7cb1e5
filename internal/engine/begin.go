package engine

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"

	"github.com/witchcityrope/database/internal/wholefile"
)

// begin says whether a stack has a state in a local backend. Into one of the
// engine's present layout, and into a folder that is none yet, it writes the
// empty state of a new stack, after the salt of its secrets; elsewhere it leaves
// both to the engine, whose own command takes some tenths of a second.
func (s *Stack) begin(ctx context.Context, path string) (there bool, err error) {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err == nil, err
	}
	backend := backendFolder(path)
	layout, version := filepath.Join(backend, "meta.yaml"), "version: 1\n"
	switch content, err := os.ReadFile(layout); {
	case err == nil && string(content) != version:
		return false, nil
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(backend); !errors.Is(err, fs.ErrNotExist) {
			return false, err // of a layout without a version
		}
	case err != nil:
		return false, err
	}
	if err := s.makeSalt(ctx); err != nil {
		return false, err
	}
	checkpoint, err := json.Marshal(apitype.CheckpointV3{Stack: tokens.QName("organization/" + s.Project.Name + "/" + s.Config.Name)})
	if err != nil {
		return false, err
	}
	state, err := json.Marshal(apitype.VersionedCheckpoint{Version: 3, Checkpoint: checkpoint})
	if err != nil {
		return false, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return false, err
	}
	// The layout first: a state without one is taken for one of an older engine.
	if err := wholefile.WriteNew(layout, []byte(version)); err != nil && !errors.Is(err, fs.ErrExist) {
		return false, err
	}
	if err := wholefile.WriteNew(path, state); err != nil && !errors.Is(err, fs.ErrExist) {
		return false, err
	}
	return true, nil
}
