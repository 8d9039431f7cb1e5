package operation

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/acquire"
	"github.com/witchcityrope/database/internal/engine"
)

// Initialized is what Init made.
type Initialized struct {
	StackFile      string `json:"stackFile"`
	PassphraseFile string `json:"passphraseFile,omitempty"` // empty if the environment has the passphrase
}

// Init makes a passphrase, unless the environment has one, and a root secret,
// and puts that, encrypted, into the stack file.
func (o *Operation) Init(ctx context.Context) (made Initialized, err error) {
	if err := o.load(); err != nil {
		return made, err
	}
	if o.config.RootSecretFrom != config.FromConfig {
		return made, fmt.Errorf("stack %s needs no init: its root secret is a file of this machine (rootSecretFrom: %s)", o.Stack, o.config.RootSecretFrom)
	}
	if _, has := o.values[config.RootSecretKey]; has {
		return made, fmt.Errorf("stack %s has a root secret already, in %s; a new one would lock everybody out", o.Stack, o.Project.StackFile(o.Stack))
	}
	cli, err := acquire.CLI(ctx, acquire.Reporter(o.Report))
	if err != nil {
		return made, err
	}
	made.StackFile = o.Project.StackFile(o.Stack)
	if !engine.PassphraseGiven() {
		made.PassphraseFile = o.Project.PassphraseFile(o.Stack)
		if _, err := os.Stat(made.PassphraseFile); errors.Is(err, os.ErrNotExist) {
			err = o.Project.MakePassphrase(o.Stack)
			if err != nil {
				return made, err
			}
		}
	}
	stack, err := engine.Open(ctx, o.Project, o.config, engine.Tools{CLI: cli})
	if err != nil {
		return made, err
	}
	return made, errors.Join(stack.SetNewRootSecret(ctx), stack.Close())
}
