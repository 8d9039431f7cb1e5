package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/password"
	"github.com/witchcityrope/database/internal/wholefile"
)

// StateDir is the file backend inside the project's folder.
func (p *Project) StateDir() string { return filepath.Join(p.Dir, ".wcrdb", "state") }

// PassphraseFile has the passphrase that encrypts a stack's secrets, where the
// environment names none.
func (p *Project) PassphraseFile(stack string) string {
	return filepath.Join(p.LocalDir(stack), "passphrase")
}

// backend is where the state lives: PULUMI_BACKEND_URL, else a login, else the
// project's folder.
func (p *Project) backend() (url string, err error) {
	if url := os.Getenv("PULUMI_BACKEND_URL"); url != "" {
		return url, nil
	}
	credentials, err := workspace.GetStoredCredentials()
	if err != nil {
		return "", fmt.Errorf("credentials of Pulumi: %w", err)
	}
	if credentials.Current != "" {
		return credentials.Current, nil
	}
	return p.ownBackend(), nil
}

func (p *Project) ownBackend() string { return "file://" + filepath.ToSlash(p.StateDir()) }

// ErrNoPassphrase says that a stack's secrets cannot be read or written.
var ErrNoPassphrase = errors.New("no passphrase for the stack's secrets")

// PassphraseGiven says whether the environment has a passphrase.
func PassphraseGiven() bool {
	return os.Getenv("PULUMI_CONFIG_PASSPHRASE") != "" || os.Getenv("PULUMI_CONFIG_PASSPHRASE_FILE") != ""
}

// passphrase names the variables that give the engine the passphrase. A stack
// whose root secret is local has one made; any other has to be given one.
func (p *Project) passphrase(stack *config.Stack) (map[string]string, error) {
	env, err := p.presentPassphrase(stack)
	if !errors.Is(err, ErrNoPassphrase) || stack.RootSecretFrom != config.FromLocal {
		return env, err
	}
	if err := p.MakePassphrase(stack.Name); err != nil {
		return nil, err
	}
	return p.presentPassphrase(stack)
}

// CheckPassphrase says what a run that changes the stack lacks; it makes nothing.
func (p *Project) CheckPassphrase(stack *config.Stack) error {
	_, err := p.presentPassphrase(stack)
	if errors.Is(err, ErrNoPassphrase) && stack.RootSecretFrom == config.FromLocal {
		return nil // the run makes one
	}
	return err
}

// presentPassphrase is the passphrase that there is.
func (p *Project) presentPassphrase(stack *config.Stack) (map[string]string, error) {
	if PassphraseGiven() {
		return nil, nil // the engine inherits it
	}
	path := p.PassphraseFile(stack.Name)
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: set PULUMI_CONFIG_PASSPHRASE_FILE (or PULUMI_CONFIG_PASSPHRASE), or make a passphrase and a root secret with: wcrdb init %s", ErrNoPassphrase, stack.Name)
	}
	return map[string]string{"PULUMI_CONFIG_PASSPHRASE_FILE": path}, err
}

// MakePassphrase makes the passphrase of a stack, which must not have one.
func (p *Project) MakePassphrase(stack string) error {
	path := p.PassphraseFile(stack)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return wholefile.WriteNew(path, []byte(password.NewRootSecret()+"\n"))
}
