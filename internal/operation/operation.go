// Package operation is what wcrdb does to a stack: bring it up, preview it,
// refresh it, take it down. It puts the engine, the machine's tools and the
// recovery from accidents together.
package operation

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/docker/docker/client"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/consequence"
	"github.com/witchcityrope/database/internal/engine"
	"github.com/witchcityrope/database/internal/password"
	"github.com/witchcityrope/database/internal/privileges"
	"github.com/witchcityrope/database/internal/wholefile"
)

// Reporter takes one line about what is being done.
type Reporter func(format string, args ...any)

// Operation is one command on one stack.
type Operation struct {
	Project *engine.Project
	Stack   string
	// Plugins says which provider plugins to use.
	Plugins PluginChoice
	// StandInsAllowed lets a protected stack use stand-ins.
	StandInsAllowed bool
	// InstallDocker lets a bare Debian get a Docker Engine.
	InstallDocker bool
	// Program makes the Pulumi program; image replaces the stack's unless it is
	// empty, keys are those of the stack file.
	Program func(projectDir, image string, keys []string) pulumi.RunFunc
	// Provider makes our own provider, and its name is ProviderName.
	Provider     func() (p.Provider, error)
	ProviderName string
	// Access is who may do what by a configuration.
	Access func(*config.Stack) privileges.Model
	// Connect says how the application reaches the database of a configuration.
	Connect func(*config.Stack, *password.Derivation) (Handed, error)
	Report  Reporter
	Watch   engine.Watch
	// Approve decides about what an up means, before anything is done; an error
	// refuses it. If nil, whatever interrupts or loses data is refused.
	Approve func(consequence.Forecast) error
	// ReuseSlots gives logins that clients take turns with their next password
	// even if there are sessions left; EndSessions ends those, too.
	ReuseSlots, EndSessions bool

	config *config.Stack
	values map[string]string
	docker client.APIClient
}

// Report of what an operation did.
type Report struct {
	engine.Result
	// Consequence is what the changes mean for those who use the database.
	Consequence consequence.Forecast `json:"consequence"`
	// Access is who gains and who loses what, in a preview.
	Access []privileges.Change `json:"access,omitempty"`
	// StandIns are the plugins that were stood in for.
	StandIns []string `json:"standIns,omitempty"`
	// Image that the container runs.
	Image string `json:"image,omitempty"`
	// CA is the path of the CA's certificate.
	CA string `json:"caFile,omitempty"`
	// Outputs of the stack; secret ones are encrypted and left out.
	Server map[string]any `json:"server,omitempty"`
}

// load reads the configuration.
func (o *Operation) load() error {
	var err error
	o.config, o.values, err = o.Project.Config(o.Stack)
	return err
}

// keys of the stack file.
func (o *Operation) keys() []string {
	keys := []string{}
	for key := range o.values {
		keys = append(keys, key)
	}
	return keys
}

// Up makes reality what the stack declares: one run repairs whatever it finds.
func (o *Operation) Up(ctx context.Context) (report Report, err error) {
	if report, err = o.bringUp(ctx); err == nil && o.rootLeft() {
		o.Report("no password comes from the previous root secret any more, and %s still has it: a rotation did not come to its end; "+
			"the next one (wcrdb rotate -s %s) takes it out, or take out %s and access.root.since and run this again", o.Project.StackFile(o.Stack), o.Stack, config.PreviousRootSecretKey)
	}
	return report, err
}

// bringUp is Up without a word about what rotations have left.
func (o *Operation) bringUp(ctx context.Context) (report Report, err error) {
	err = o.with(ctx, true, func(stack *engine.Stack, tools *tools) error {
		report, err = o.up(ctx, stack, tools)
		return err
	})
	return report, err
}

func (o *Operation) up(ctx context.Context, stack *engine.Stack, tools *tools) (Report, error) {
	if err := o.checkAuthority(ctx, stack); err != nil {
		return Report{}, err
	}
	undrilled, err := o.checkDrill(ctx, stack)
	if err != nil {
		return Report{}, err
	}
	derivation, err := o.derivation(ctx, stack)
	if err != nil {
		return Report{}, err
	}
	recovery := o.recovery(stack, derivation)
	var repair finding
	foreign := ""
	if recovery != nil {
		if repair, err = recovery.recover(ctx); err != nil {
			return Report{}, err
		}
		if foreign, err = recovery.foreignVolume(ctx); err != nil {
			return Report{}, err
		}
	}
	var ending []string
	if o.edited(tools) {
		if ending, err = o.checkSlots(ctx, stack, recovery, repair); err != nil {
			return Report{}, err
		}
	}
	switch {
	case repair.gone:
		if _, err := o.refreshOnly(ctx, stack, withoutServer...); err != nil {
			return Report{}, err
		}
		repair.refresh = false
	case repair.moved:
		if err := o.upAfter(ctx, stack, tools, repair.replace, withoutServer...); err != nil {
			return Report{}, err
		}
		repair.refresh, repair.replace = true, nil
	case repair.unencrypted:
		o.Report("TLS was switched off in the server: it is switched on before anything else is looked at")
		if err := o.upAfter(ctx, stack, tools, nil, withoutTLS...); err != nil {
			return Report{}, err
		}
		repair.refresh = true
	case !repair.refresh:
		if repair.refresh, err = o.drifted(ctx, stack, derivation); err != nil {
			return Report{}, err
		}
	}
	result, forecast, err := o.apply(ctx, stack, tools, engine.Options{Refresh: repair.refresh, Replace: repair.replace})
	if repair.refresh && interrupted(err) {
		o.Report("a rotation of the superuser did not come to its end: it is finished before anything else is looked at")
		if err := o.upAfter(ctx, stack, tools, repair.replace, withoutServer...); err != nil {
			return Report{}, err
		}
		result, forecast, err = o.apply(ctx, stack, tools, engine.Options{Refresh: true})
	}
	if err != nil && foreign != "" {
		err = errors.Join(fmt.Errorf("%w\nvolume %s was there before this run and is left as it is: neither the state nor down will touch it", err, foreign),
			recovery.release(context.WithoutCancel(ctx)))
	}
	if err != nil {
		return Report{Result: result}, err
	}
	if again, err := o.incomplete(ctx, stack, result.Changes); err != nil {
		return Report{Result: result}, err
	} else if again {
		if _, _, err := o.apply(ctx, stack, tools, engine.Options{Refresh: true}); err != nil {
			return Report{Result: result}, err
		}
		repair.refresh = true
	}
	result.Warnings = append(result.Warnings, undrilled...)
	report := Report{Result: result, Consequence: forecast, StandIns: tools.standIns, Image: tools.image}
	if err := o.endSessions(ctx, recovery, ending); err != nil {
		return report, err
	}
	if err := o.rememberDeclared(tools); err != nil {
		return report, err
	}
	if err := o.readOutputs(ctx, stack, &report); err != nil {
		return report, err
	}
	if repair.refresh && len(result.Changes) > 0 {
		// One drift can hide another: the next run looks again.
		return report, o.forgetFingerprint()
	}
	return report, o.remember(ctx, stack, derivation)
}

// upAfter brings up what can be without a look at the rest, which can then be
// looked at.
func (o *Operation) upAfter(ctx context.Context, stack *engine.Stack, tools *tools, replace []string, types ...string) error {
	if _, err := o.refreshOnly(ctx, stack, types...); err != nil {
		return err
	}
	if err := o.forgetDeclared(); err != nil {
		return err
	}
	_, _, err := o.apply(ctx, stack, tools, engine.Options{Replace: replace})
	return err
}

// Types of resources, by how they begin, that can be looked at where there is
// no server, and where it has no TLS: then, what hangs on roles has to wait until
// roles can be looked at.
var (
	withoutServer = []string{"docker:", "tls:", directoryType}
	withoutTLS    = append(slices.Clone(withoutServer), superuserType, fileType, settingType, databaseType)
)

// refreshOnly looks at the resources of some types.
func (o *Operation) refreshOnly(ctx context.Context, stack *engine.Stack, types ...string) (engine.Result, error) {
	state, err := stack.State(ctx)
	if err != nil {
		return engine.Result{}, err
	}
	var targets []string
	for _, resource := range state.Resources() {
		if slices.ContainsFunc(types, func(begin string) bool { return strings.HasPrefix(string(resource.Type), begin) }) {
			targets = append(targets, string(resource.URN))
		}
	}
	if len(targets) == 0 {
		return engine.Result{Stack: o.Stack}, nil
	}
	return stack.Refresh(ctx, engine.Options{Targets: targets}, o.Watch)
}

// recovery is nil for a server that is not ours to run.
func (o *Operation) recovery(stack *engine.Stack, derivation *password.Derivation) *recovery {
	if o.config.Target.Type != config.Container {
		return nil
	}
	return &recovery{stack: stack, docker: o.docker, derivation: derivation, report: o.Report, approve: o.approve}
}

// Preview says what Up would do; it changes nothing, and needs neither a
// database nor the stack's secrets.
func (o *Operation) Preview(ctx context.Context, refresh bool) (report Report, err error) {
	err = o.with(ctx, false, func(stack *engine.Stack, tools *tools) error {
		report.StandIns, report.Image = tools.standIns, tools.image
		if err := o.checkAuthority(ctx, stack); err != nil {
			return err
		}
		if report.Result, report.Consequence, err = o.foresee(ctx, stack, engine.Options{Refresh: refresh}); err != nil {
			return err
		}
		undrilled, err := o.checkDrill(ctx, stack)
		if err != nil {
			return err
		}
		report.Warnings = append(report.Warnings, undrilled...)
		report.Access, err = o.accessChanges(ctx, stack)
		return err
	})
	return report, err
}

// Refresh finds what was changed by hand, and notes it in the state, so that
// the next Up repairs it.
func (o *Operation) Refresh(ctx context.Context) (report Report, err error) {
	err = o.with(ctx, true, func(stack *engine.Stack, tools *tools) error {
		derivation, err := o.derivation(ctx, stack)
		if err != nil {
			return err
		}
		var found finding
		if recovery := o.recovery(stack, derivation); recovery != nil {
			if found, err = recovery.recover(ctx); err != nil {
				return err
			}
		}
		report.StandIns, report.Image = tools.standIns, tools.image
		switch {
		case found.gone, found.moved:
			report.Result, err = o.refreshOnly(ctx, stack, withoutServer...)
		case found.unencrypted:
			o.Report("TLS was switched off in the server: roles and grants cannot be looked at before the next up")
			report.Result, err = o.refreshOnly(ctx, stack, withoutTLS...)
		default:
			report.Result, err = stack.Refresh(ctx, engine.Options{}, o.Watch)
		}
		report.Changes = append(found.drift, report.Changes...)
		return errors.Join(err, o.forgetFingerprint())
	})
	return report, err
}

// Down deletes everything that is not protected.
func (o *Operation) Down(ctx context.Context) (report Report, err error) {
	err = o.with(ctx, true, func(stack *engine.Stack, _ *tools) error {
		derivation, err := o.derivation(ctx, stack)
		if err != nil {
			return err
		}
		if err := o.settle(ctx, stack, derivation); err != nil {
			return err
		}
		if report.Result, err = stack.Down(ctx, engine.Options{}, o.Watch); err != nil {
			return err
		}
		state, err := stack.State(ctx)
		if err != nil {
			return err
		}
		if len(state.Resources()) == 0 {
			err = stack.Remove(ctx)
		}
		return errors.Join(err, o.forgetFingerprint())
	})
	return report, err
}

// settle makes sure that everything can be deleted, clears what a killed run has
// left, and forgets what is gone already: the docker plugin cannot delete it once more.
func (o *Operation) settle(ctx context.Context, stack *engine.Stack, derivation *password.Derivation) error {
	recovery := o.recovery(stack, derivation)
	if recovery == nil {
		return nil
	}
	state, err := stack.State(ctx)
	if err != nil {
		return err
	}
	if err := recovery.alone(ctx, namesOf(state.Resources(), networkType)...); err != nil {
		return err
	}
	if len(state.Pending()) > 0 {
		if err := recovery.clearPending(ctx, state); err != nil {
			return err
		}
	}
	return recovery.forgetMissing(ctx)
}

// Outputs are the stack's outputs.
func (o *Operation) Outputs(ctx context.Context, showSecrets bool) (outputs map[string]any, err error) {
	err = o.bare(ctx, func(stack *engine.Stack) error {
		outputs, err = stack.Outputs(ctx, showSecrets)
		if err == nil && len(outputs) == 0 {
			err = fmt.Errorf("stack %s has no outputs: bring it up first (wcrdb up -s %[1]s)", o.Stack)
		}
		return err
	})
	return outputs, err
}

// derivation makes the passwords of the stack, from the local file or from
// the stack's encrypted configuration.
func (o *Operation) derivation(ctx context.Context, stack *engine.Stack) (*password.Derivation, error) {
	secret, err := stack.RootSecret(ctx)
	if err != nil {
		return nil, err
	}
	derivation, err := password.NewDerivation(secret, o.Stack)
	if err != nil || !o.config.Access.Root.HasPrevious() {
		return derivation, err
	}
	previous, err := stack.PreviousRootSecret(ctx)
	if err != nil {
		return nil, err
	}
	return derivation.After(previous, o.config.RootSince())
}

// readOutputs takes what people want to know from the state, and writes the CA
// where clients on this host find it.
func (o *Operation) readOutputs(ctx context.Context, stack *engine.Stack, report *Report) error {
	state, err := stack.State(ctx)
	if err != nil {
		return err
	}
	outputs, err := state.Outputs()
	if err != nil {
		return err
	}
	report.Server, _ = outputs["server"].(map[string]any)
	ca, _ := outputs["caCertificate"].(string)
	if ca == "" {
		return nil
	}
	report.CA = filepath.Join(o.Project.Dir, filepath.FromSlash(o.config.CAFile()))
	return wholefile.Write(report.CA, []byte(ca), 0o644) // clients read it at any time
}

func (o *Operation) fingerprintFile() string {
	return filepath.Join(o.Project.LocalDir(o.Stack), "fingerprint")
}

// drifted says whether anything differs from what the last run left, or may.
func (o *Operation) drifted(ctx context.Context, stack *engine.Stack, derivation *password.Derivation) (bool, error) {
	state, err := stack.State(ctx)
	if err != nil || len(state.Resources()) == 0 {
		return false, err
	}
	if o.config.Target.Type != config.Container {
		return true, nil // nothing is remembered of somebody else's server: the engine looks
	}
	container, running := state.Find(containerType)
	if !running {
		return false, nil // nothing to look at before it is made
	}
	remembered, err := os.ReadFile(o.fingerprintFile())
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	present, err := o.recovery(stack, derivation).server(string(container.ID)).Fingerprint(ctx)
	if err != nil {
		return false, err
	}
	return present != string(remembered), nil
}

// remember notes what a run has left.
func (o *Operation) remember(ctx context.Context, stack *engine.Stack, derivation *password.Derivation) error {
	if o.config.Target.Type != config.Container {
		return nil
	}
	present, err := o.recovery(stack, derivation).server(o.config.Server.Name).Fingerprint(ctx)
	if err != nil {
		return err
	}
	if err := os.WriteFile(o.fingerprintFile(), []byte(present), 0o600); err != nil {
		return fmt.Errorf("fingerprint: %w", err)
	}
	return nil
}

func (o *Operation) forgetFingerprint() error {
	if err := os.Remove(o.fingerprintFile()); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
