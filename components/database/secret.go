package database

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/password"
)

// secrets are what a stack is given and cannot derive.
type secrets struct {
	root          string
	administrator string // the superuser of an external server
}

// RootSecretFile is where a stack with rootSecretFrom: local keeps its secret.
func RootSecretFile(projectDir, stack string) string {
	return filepath.Join(projectDir, ".wcrdb", stack, "root-secret")
}

func readSecrets(ctx *pulumi.Context, stack *config.Stack, projectDir string) (secrets, error) {
	var given secrets
	var err error
	if given.root, err = rootSecret(ctx, stack, projectDir); err != nil {
		return secrets{}, err
	}
	if stack.Target.Type == config.External {
		given.administrator, err = secretConfig(ctx, config.AdministratorPasswordKey)
		if err == nil && given.administrator == "" {
			err = fmt.Errorf("%s: an external server needs its superuser's password; set it with: pulumi config set --secret %[1]s", config.AdministratorPasswordKey)
		}
	}
	return given, err
}

func rootSecret(ctx *pulumi.Context, stack *config.Stack, projectDir string) (string, error) {
	if stack.RootSecretFrom == config.FromLocal {
		return LocalRootSecret(projectDir, stack.Name)
	}
	secret, err := secretConfig(ctx, config.RootSecretKey)
	if err != nil || secret != "" {
		return secret, err
	}
	const missing = config.RootSecretKey + ": this stack has no root secret"
	if !ctx.DryRun() {
		return "", fmt.Errorf("%s, from which all its passwords are derived; make one with: wcrdb init %s", missing, stack.Name)
	}
	warning := missing + ": this preview derives its passwords from a throwaway one and shows every password as changed"
	return password.NewRootSecret(), ctx.Log.Warn(warning, nil)
}

// secretConfig reads a key that must be encrypted in the stack file. It is
// empty where the key is not there.
func secretConfig(ctx *pulumi.Context, key string) (string, error) {
	full := ctx.Project() + ":" + key
	value, given := ctx.GetConfig(full)
	if given && value != "" && !ctx.IsConfigSecret(full) {
		return "", fmt.Errorf("%s: stands in the stack file in clear; take it out, change it, and set it with: pulumi config set --secret %[1]s", key)
	}
	return value, nil
}

// LocalRootSecret reads the secret of a stack with rootSecretFrom: local, and
// makes it on first use: a file that only its owner can read.
func LocalRootSecret(projectDir, stack string) (string, error) {
	path := RootSecretFile(projectDir, stack)
	content, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(content)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("root secret: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("root secret: %w", err)
	}
	// Written aside and linked: of two runs at once, both use the first one's.
	draft, err := os.CreateTemp(filepath.Dir(path), "root-secret-*")
	if err != nil {
		return "", fmt.Errorf("root secret: %w", err)
	}
	defer os.Remove(draft.Name())
	_, err = draft.WriteString(password.NewRootSecret() + "\n")
	if err = errors.Join(err, draft.Sync(), draft.Close()); err != nil {
		return "", fmt.Errorf("root secret: %w", err)
	}
	if err := os.Link(draft.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("root secret: %w", err)
	}
	content, err = os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("root secret: %w", err)
	}
	return strings.TrimSpace(string(content)), nil
}
