package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/password"
	"github.com/witchcityrope/database/internal/wholefile"
)

// RootSecret is the secret that the stack's passwords are derived from.
func (s *Stack) RootSecret(ctx context.Context) (string, error) {
	return s.secret(ctx, config.RootSecretKey, s.Config.Access.Root.File())
}

// PreviousRootSecret is the one before, where passwords may still come from it.
func (s *Stack) PreviousRootSecret(ctx context.Context) (string, error) {
	return s.secret(ctx, config.PreviousRootSecretKey, s.Config.Access.Root.PreviousFile())
}

func (s *Stack) secret(ctx context.Context, key, file string) (string, error) {
	if s.Config.RootSecretFrom == config.FromLocal {
		path := filepath.Join(s.Project.LocalDir(s.Config.Name), file)
		if s.reading {
			return password.ReadLocalRootSecret(path)
		}
		return password.LocalRootSecret(path)
	}
	stdout, stderr, _, err := s.command(ctx, nil, "config", "get", s.Project.Name+":"+key, "--stack", s.Config.Name)
	if err != nil {
		return "", fmt.Errorf("%s of stack %s cannot be read: %w: %s; make one with: wcrdb init %[2]s", key, s.Config.Name, err, strings.TrimSpace(stderr))
	}
	return strings.TrimRight(stdout, "\r\n"), nil
}

// AdministratorPassword is that of an external server's superuser.
func (s *Stack) AdministratorPassword(ctx context.Context) (string, error) {
	stdout, stderr, _, err := s.command(ctx, nil, "config", "get", s.Project.Name+":"+config.AdministratorPasswordKey, "--stack", s.Config.Name)
	if err != nil {
		return "", fmt.Errorf("%s of stack %s cannot be read: %w: %s", config.AdministratorPasswordKey, s.Config.Name, err, strings.TrimSpace(stderr))
	}
	return strings.TrimRight(stdout, "\r\n"), nil
}

// SetNewRootSecret makes a root secret and puts it, encrypted, into the
// committed stack file; the secret itself is shown to nobody.
func (s *Stack) SetNewRootSecret(ctx context.Context) error {
	local, err := s.newRootSecret(ctx)
	if err != nil {
		return err
	}
	return addSecret(s.Project.StackFile(s.Config.Name), local, s.Project.Name+":"+config.RootSecretKey)
}

// NewRootSecret makes a root secret and returns it encrypted, as the stack file
// has it below "secure"; nothing has it yet.
func (s *Stack) NewRootSecret(ctx context.Context) (string, error) {
	local, err := s.newRootSecret(ctx)
	if err != nil {
		return "", err
	}
	return secure(local, s.Project.Name+":"+config.RootSecretKey)
}

// Encrypted is a secret as the committed stack file has it.
func (p *Project) Encrypted(stack, key string) (string, error) {
	file, err := readStackFile(p.StackFile(stack))
	if err != nil {
		return "", err
	}
	return secure(file, p.Name+":"+key)
}

// secure is what a stack file has of a secret.
func secure(file stackFile, key string) (string, error) {
	object, _ := file.Config[key].(map[string]any)
	text, is := object["secure"].(string)
	if !is {
		return "", fmt.Errorf("%s: is not there, or not encrypted", key)
	}
	return text, nil
}

// newRootSecret puts a root secret into the engine's copy of the stack file.
func (s *Stack) newRootSecret(ctx context.Context) (stackFile, error) {
	secret := strings.NewReader(password.NewRootSecret())
	_, stderr, _, err := s.command(ctx, secret, "config", "set", "--secret", s.Project.Name+":"+config.RootSecretKey, "--stack", s.Config.Name)
	if err != nil {
		return stackFile{}, fmt.Errorf("%s of stack %s: %w: %s", config.RootSecretKey, s.Config.Name, err, strings.TrimSpace(stderr))
	}
	return readStackFile(filepath.Join(s.dir, "Pulumi."+s.Config.Name+".yaml"))
}

// addSecret copies an encrypted value and what decrypts it from one stack file
// to another, whose comments and order stay.
func addSecret(path string, from stackFile, key string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(content, &document); err != nil {
		return fmt.Errorf("stack file %s: %w", path, err)
	}
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.MappingNode {
		return fmt.Errorf("stack file %s: is not a mapping", path)
	}
	root := document.Content[0]
	for _, entry := range []struct{ key, value string }{
		{"secretsprovider", from.SecretsProvider}, {"encryptedkey", from.EncryptedKey}, {"encryptionsalt", from.EncryptionSalt},
	} {
		if entry.value != "" {
			if err := setEntry(root, entry.key, entry.value); err != nil {
				return err
			}
		}
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == "config" {
			if err := setEntry(root.Content[i+1], key, from.Config[key]); err != nil {
				return err
			}
		}
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(&document), encoder.Close()); err != nil {
		return err
	}
	return wholefile.Write(path, out.Bytes(), 0o600)
}

// setEntry sets an entry of a YAML mapping.
func setEntry(mapping *yaml.Node, key string, value any) error {
	var encoded yaml.Node
	if err := encoded.Encode(value); err != nil {
		return err
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			mapping.Content[i+1] = &encoded
			return nil
		}
	}
	mapping.Content = append(mapping.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: key}, &encoded)
	return nil
}
