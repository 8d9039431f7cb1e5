package database

import (
	"fmt"
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/password"
)

// secrets are what a stack is given and cannot derive.
type secrets struct {
	root          string
	administrator string // the superuser of an external server
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
		return password.LocalRootSecret(filepath.Join(projectDir, config.LocalDir(stack.Name)))
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
