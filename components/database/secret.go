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
	previousRoot  string // empty unless passwords may come from it
	administrator string // the superuser of an external server
}

func readSecrets(ctx *pulumi.Context, stack *config.Stack, projectDir string) (secrets, error) {
	root, err := secretConfig(ctx, config.RootSecretKey)
	if err != nil {
		return secrets{}, err
	}
	previous, err := secretConfig(ctx, config.PreviousRootSecretKey)
	if err != nil {
		return secrets{}, err
	}
	administrator, err := secretConfig(ctx, config.AdministratorPasswordKey)
	if err != nil {
		return secrets{}, err
	}
	switch external := stack.Target.Type == config.External; {
	case external && administrator == "":
		return secrets{}, fmt.Errorf("%s: an external server needs its superuser's password; set it with: pulumi config set --secret %[1]s", config.AdministratorPasswordKey)
	case !external && administrator != "":
		return secrets{}, fmt.Errorf("%s: is only for target.type external; remove it with: pulumi config rm %[1]s", config.AdministratorPasswordKey)
	}
	given := secrets{administrator: administrator}
	if given.root, err = rootSecret(ctx, stack, projectDir, config.RootSecretKey, stack.Access.Root.File(), root); err != nil || !stack.Access.Root.HasPrevious() {
		return given, err
	}
	given.previousRoot, err = rootSecret(ctx, stack, projectDir, config.PreviousRootSecretKey, stack.Access.Root.PreviousFile(), previous)
	return given, err
}

// rootSecret is the given one, or the one that takes its place.
func rootSecret(ctx *pulumi.Context, stack *config.Stack, projectDir, key, file, given string) (string, error) {
	local := stack.RootSecretFrom == config.FromLocal
	switch {
	case local && given != "":
		return "", fmt.Errorf("%s: is not used, because rootSecretFrom is %s; set that to %s, or remove it with: pulumi config rm %[1]s",
			key, config.FromLocal, config.FromConfig)
	case local:
		return password.LocalRootSecret(filepath.Join(projectDir, config.LocalDir(stack.Name), file))
	case given != "":
		return given, nil
	}
	missing := key + ": this stack has no root secret"
	switch {
	case ctx.DryRun():
	case key == config.PreviousRootSecretKey:
		return "", fmt.Errorf("%s: is missing, and access.root.since says that passwords may still come from it; take it out of an earlier version of the stack file, or take out access.root.since if no database has such a password any more", key)
	default:
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
