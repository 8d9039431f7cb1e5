// Package engine drives the real Pulumi engine over the program: the pulumi
// executable does the work, the program and our own providers run in this
// process.
package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"gopkg.in/yaml.v3"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/wholefile"
)

// Project is a checkout: the folder of Pulumi.yaml.
type Project struct {
	Dir  string
	Name string

	settings *workspace.Project
}

// FindProject looks for Pulumi.yaml in a folder and its parents.
func FindProject(from string) (*Project, error) {
	dir, err := filepath.Abs(from)
	if err != nil {
		return nil, err
	}
	for ; ; dir = filepath.Dir(dir) {
		settings, err := workspace.LoadProject(filepath.Join(dir, "Pulumi.yaml"))
		if err == nil {
			// Providers are attached to the engine, not started by it.
			settings.Plugins = nil
			return &Project{Dir: dir, Name: string(settings.Name), settings: settings}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("project in %s: %w", dir, err)
		}
		if dir == filepath.Dir(dir) {
			return nil, fmt.Errorf("no Pulumi.yaml in %s or above: run this in a checkout of the project, or name one with --project", from)
		}
	}
}

// StackFile is the path of a stack's committed configuration.
func (p *Project) StackFile(stack string) string {
	return filepath.Join(p.Dir, "Pulumi."+stack+".yaml")
}

// LocalDir is where a stack's files of this machine are: nothing in it is committed.
func (p *Project) LocalDir(stack string) string {
	return filepath.Join(p.Dir, filepath.FromSlash(config.LocalDir(stack)))
}

// workspaceDir is the folder that the engine works in.
func (p *Project) workspaceDir(stack string) string {
	return filepath.Join(p.LocalDir(stack), "project")
}

// stackName is what names a stack, its file and its folder.
var stackName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_-]*$`)

// Config reads and validates a stack's configuration. The values come back
// too: the keys tell the program what the stack file has.
func (p *Project) Config(stack string) (*config.Stack, map[string]string, error) {
	if !stackName.MatchString(stack) {
		return nil, nil, fmt.Errorf("%q is not the name of a stack", stack)
	}
	if _, err := os.Stat(p.StackFile(stack)); err != nil {
		return nil, nil, fmt.Errorf("there is no stack %s: %w", stack, err)
	}
	values, err := config.ReadFile(p.StackFile(stack), p.Name)
	if err != nil {
		return nil, nil, err
	}
	decoded, err := config.Decode(p.Name, stack, values)
	return decoded, values, err
}

// stackFile is what of a stack file concerns secrets; the rest is copied as it is.
type stackFile struct {
	SecretsProvider string         `yaml:"secretsprovider,omitempty"`
	EncryptedKey    string         `yaml:"encryptedkey,omitempty"`
	EncryptionSalt  string         `yaml:"encryptionsalt,omitempty"`
	Config          map[string]any `yaml:"config,omitempty"`
}

func readStackFile(path string) (stackFile, error) {
	var file stackFile
	content, err := os.ReadFile(path)
	if err != nil {
		return file, err
	}
	if err := yaml.Unmarshal(content, &file); err != nil {
		return file, fmt.Errorf("stack file %s: %w", path, err)
	}
	return file, nil
}

func (f stackFile) write(path string) error {
	content, err := yaml.Marshal(f)
	if err != nil {
		return err
	}
	return wholefile.Write(path, content, 0o600)
}

// encrypted says whether a configuration value is.
func encrypted(value any) bool {
	object, is := value.(map[string]any)
	_, secure := object["secure"]
	return is && secure && len(object) == 1
}

// WriteStackFile writes a stack's committed configuration, whole or not at all.
func (p *Project) WriteStackFile(stack string, content []byte) error {
	info, err := os.Stat(p.StackFile(stack))
	if err != nil {
		return err
	}
	return wholefile.Write(p.StackFile(stack), content, info.Mode().Perm())
}

// writeWorkspace writes the folder that the engine works in: the project, and
// the committed stack file together with the key material that this machine
// alone has (a committed file with secrets has its own).
func (p *Project) writeWorkspace(dir, stack string, withSecrets bool) error {
	file, err := readStackFile(p.StackFile(stack))
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "Pulumi."+stack+".yaml")
	local, err := readStackFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if file.EncryptionSalt == "" && file.SecretsProvider == "" {
		file.EncryptionSalt, file.SecretsProvider, file.EncryptedKey = local.EncryptionSalt, local.SecretsProvider, local.EncryptedKey
	}
	if !withSecrets {
		file.EncryptionSalt, file.SecretsProvider, file.EncryptedKey = "", "", ""
		for key, value := range file.Config {
			if encrypted(value) {
				delete(file.Config, key)
			}
		}
	}
	if file.SecretsProvider == "passphrase" {
		file.SecretsProvider = "" // the engine's default, which it would take out itself
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := file.write(path); err != nil {
		return err
	}
	return p.settings.Save(filepath.Join(dir, "Pulumi.yaml"))
}
