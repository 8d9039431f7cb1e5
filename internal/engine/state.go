package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// State is what the engine knows of a stack; secrets in it are encrypted.
type State struct {
	deployment apitype.DeploymentV3
}

// stateFile is the file of a stack's state, if the backend is a local folder.
func (s *Stack) stateFile() (string, bool) {
	dir, local := strings.CutPrefix(s.backend, "file://")
	if !local || strings.HasPrefix(dir, "~") || strings.Contains(dir, "?") {
		return "", false
	}
	return filepath.Join(filepath.FromSlash(dir), ".pulumi", "stacks", s.Project.Name, s.Config.Name+".json"), true
}

// backendFolder is the folder .pulumi of a state's file.
func backendFolder(path string) string { return filepath.Join(filepath.Dir(path), "..", "..") }

// backendURL is the backend as the engine is told. The file backend describes
// every file in a second one next to it, which is not written whole or not at
// all: a run killed there would leave a state that nothing can read. Nobody
// needs the second files.
func (s *Stack) backendURL() string {
	if _, local := s.stateFile(); local {
		return s.backend + "?metadata=skip"
	}
	return s.backend
}

// State reads the state: from the file if there is one, which is much faster than asking.
func (s *Stack) State(ctx context.Context) (*State, error) {
	if path, local := s.stateFile(); local {
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return &State{}, nil
		}
		if err != nil {
			return nil, err
		}
		var checkpoint struct {
			Checkpoint struct {
				Latest *apitype.DeploymentV3 `json:"latest"`
			} `json:"checkpoint"`
		}
		if err := json.Unmarshal(content, &checkpoint); err != nil {
			return nil, fmt.Errorf("state file %s: %w", path, err)
		}
		if checkpoint.Checkpoint.Latest == nil {
			return &State{}, nil
		}
		return &State{deployment: *checkpoint.Checkpoint.Latest}, nil
	}
	exported, err := s.auto.Export(ctx)
	if err != nil {
		return nil, err
	}
	var state State
	return &state, json.Unmarshal(exported.Deployment, &state.deployment)
}

// Resources of the state, in the order in which they depend on each other.
func (s *State) Resources() []apitype.ResourceV3 { return s.deployment.Resources }

// BackupAgent ends the name of the container that makes backups: it comes and
// goes without anybody who uses the database noticing.
const BackupAgent = "-backup-agent"

// IsBackupAgent says whether a resource is that container.
func IsBackupAgent(name string) bool { return strings.HasSuffix(name, BackupAgent) }

// Find returns the resource of a type, if there is exactly one beside the
// container that makes backups.
func (s *State) Find(resourceType string) (apitype.ResourceV3, bool) {
	var found []apitype.ResourceV3
	for _, resource := range s.deployment.Resources {
		if string(resource.Type) == resourceType && !resource.Delete && !IsBackupAgent(resource.URN.Name()) {
			found = append(found, resource)
		}
	}
	if len(found) != 1 {
		return apitype.ResourceV3{}, false
	}
	return found[0], true
}

// FindBackupAgent returns the container that makes backups, if there is one.
func (s *State) FindBackupAgent(containerType string) (apitype.ResourceV3, bool) {
	for _, resource := range s.deployment.Resources {
		if string(resource.Type) == containerType && !resource.Delete && IsBackupAgent(resource.URN.Name()) {
			return resource, true
		}
	}
	return apitype.ResourceV3{}, false
}

// Pending are the operations that were under way when a run was killed.
func (s *State) Pending() []apitype.OperationV2 { return s.deployment.PendingOperations }

// Edit changes the stored state; change must keep references whole.
func (s *Stack) Edit(ctx context.Context, change func(*apitype.DeploymentV3)) error {
	exported, err := s.auto.Export(ctx)
	if err != nil {
		return err
	}
	var deployment apitype.DeploymentV3
	if err := json.Unmarshal(exported.Deployment, &deployment); err != nil {
		return err
	}
	change(&deployment)
	if exported.Deployment, err = json.Marshal(deployment); err != nil {
		return err
	}
	return s.auto.Import(ctx, exported)
}

// Outputs of the stack as the state has them: secret ones are left out.
func (s *State) Outputs() (map[string]any, error) {
	for _, candidate := range s.deployment.Resources {
		if candidate.Type == resource.RootStackType {
			outputs := maps.Clone(candidate.Outputs)
			maps.DeleteFunc(outputs, func(_ string, value any) bool { return isSecret(value) })
			return outputs, nil
		}
	}
	return nil, errors.New("the state has no outputs: nothing was brought up")
}

func isSecret(value any) bool {
	object, is := value.(map[string]any)
	return is && object[resource.SigKey] == resource.SecretSig
}
