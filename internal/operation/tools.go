package operation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/client"
	p "github.com/pulumi/pulumi-go-provider"
	"golang.org/x/sync/errgroup"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/acquire"
	"github.com/witchcityrope/database/internal/attach"
	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/engine"
	"github.com/witchcityrope/database/internal/standin"
)

// PluginChoice says which provider plugins to use.
type PluginChoice string

// The choices.
const (
	Auto      PluginChoice = "auto"      // the published ones where they can be had, else stand-ins
	Published PluginChoice = "published" // nothing else
	StandIns  PluginChoice = "stand-ins" // in any case
)

// Choices lists them.
func Choices() []PluginChoice { return []PluginChoice{Auto, Published, StandIns} }

// tools are what was found or made for one operation.
type tools struct {
	cli      string
	standIns []string
	plugins  map[string]string // executables of the published plugins that are used, by name
	image    string            // of the container; empty for an external server
	replaced bool              // whether that is not the stack's own

	attachment *attach.Attachment
}

// prepare gets everything that the operation needs. Where it will change
// nothing, nothing is pulled, built or installed but the Pulumi CLI. On a bare
// machine that is built while Docker and the image are got.
func (o *Operation) prepare(ctx context.Context, changes bool) (*tools, error) {
	found := &tools{}
	var unreachable error
	group, together := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		found.cli, err = acquire.CLI(together, acquire.Reporter(o.Report))
		return err
	})
	group.Go(func() (err error) {
		if unreachable, err = o.connectDocker(together, changes); err != nil {
			return err
		}
		return o.chooseImage(together, changes, found)
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if err := o.choosePlugins(ctx, found); err != nil {
		return nil, err
	}
	if unreachable != nil && !slices.Contains(found.standIns, "docker") {
		return nil, fmt.Errorf("%w; even a preview needs a Docker Engine that answers, because the published docker plugin asks it (--plugins stand-ins does without)", unreachable)
	}
	return found, o.guard(changes, found)
}

// choosePlugins finds the plugins that are used, and those that are stood in for.
func (o *Operation) choosePlugins(ctx context.Context, found *tools) error {
	if o.Plugins == StandIns {
		for _, plugin := range standin.Plugins() {
			found.standIns = append(found.standIns, plugin.Name)
		}
		return nil
	}
	plugins, err := acquire.Plugins(ctx, found.cli, acquire.Reporter(o.Report))
	if err != nil {
		return err
	}
	found.plugins = map[string]string{}
	for _, plugin := range plugins {
		if plugin.Published {
			if found.plugins[plugin.Name], err = plugin.Executable(ctx); err != nil {
				return err
			}
			continue
		}
		if o.Plugins == Published {
			return fmt.Errorf("plugin %s: %s; install it with: pulumi plugin install resource %s %s", plugin, plugin.Why, plugin.Name, plugin.Version)
		}
		o.Report("plugin: %s cannot be had; its stand-in is used (wcrdb doctor says why)", plugin)
		found.standIns = append(found.standIns, plugin.Name)
	}
	return nil
}

// attach serves our own provider and the stand-ins, and starts the published plugins.
func (o *Operation) attach(ctx context.Context, found *tools) error {
	own, err := o.Provider()
	if err != nil {
		return err
	}
	providers := map[string]p.Provider{o.ProviderName: own}
	for _, name := range found.standIns {
		if providers[name], err = standin.New(name); err != nil {
			return err
		}
	}
	if found.attachment, err = attach.Serve(ctx, providers); err != nil {
		return err
	}
	found.attachment.Start(found.plugins)
	return nil
}

// connectDocker connects to the Docker Engine. Where nothing is to be changed,
// one that does not answer is not an error yet.
func (o *Operation) connectDocker(ctx context.Context, changes bool) (unreachable, err error) {
	if o.config.Target.Type != config.Container {
		return nil, nil
	}
	var docker *client.Client
	if changes && o.InstallDocker {
		docker, err = acquire.DockerEngine(ctx, acquire.Reporter(o.Report))
	} else {
		docker, err = dockerengine.Connect(ctx, "")
	}
	if !changes && errors.Is(err, dockerengine.ErrUnreachable) {
		return err, nil
	}
	if err == nil {
		o.docker = docker
	}
	return nil, err
}

func (o *Operation) chooseImage(ctx context.Context, changes bool, found *tools) error {
	if o.config.Target.Type != config.Container {
		return nil
	}
	found.image = o.config.Server.Image
	if o.docker == nil {
		return nil
	}
	allowed := !o.config.Storage.Protect || o.StandInsAllowed
	var chosen acquire.Image
	var err error
	if changes {
		chosen, err = acquire.ServerImage(ctx, o.docker, found.image, allowed, acquire.Reporter(o.Report))
	} else {
		chosen, err = acquire.FindImage(ctx, o.docker, found.image)
	}
	if err != nil {
		return err
	}
	if chosen.StandIn && !allowed {
		return nil // what up would refuse is not shown: the preview has the declared image
	}
	if chosen.StandIn {
		o.Report("image: %s cannot be had; its stand-in %s is used (wcrdb doctor says why)", found.image, chosen.Ref)
	}
	found.image, found.replaced = chosen.Ref, chosen.StandIn
	return nil
}

// guard refuses to let stand-ins touch data that is protected.
func (o *Operation) guard(changes bool, found *tools) error {
	standIns := slices.Clone(found.standIns)
	if found.replaced {
		standIns = append(standIns, "the image "+found.image)
	}
	if !changes || len(standIns) == 0 || !o.config.Storage.Protect || o.StandInsAllowed {
		return nil
	}
	return fmt.Errorf("stack %s has protected data, and stand-ins would be used for %s; make the published ones available, or allow it with --stand-ins",
		o.Stack, strings.Join(standIns, ", "))
}

// with runs do on an opened stack, with all providers attached.
func (o *Operation) with(ctx context.Context, changes bool, do func(*engine.Stack, *tools) error) (err error) {
	if err := o.load(); err != nil {
		return err
	}
	if changes {
		if err := o.Project.CheckPassphrase(o.config); err != nil {
			return err
		}
		unlock, failed := o.lock(ctx)
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, unlock()) }()
	}
	found, err := o.prepare(ctx, changes)
	if err != nil {
		return err
	}
	if err := o.attach(ctx, found); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, found.attachment.Close()) }()
	if changes {
		if err := o.checkMachine(ctx, found); err != nil {
			return err
		}
	}
	stack, err := o.open(ctx, changes, found)
	if err != nil {
		return err
	}
	return errors.Join(do(stack, found), stack.Close())
}

// open opens the stack. A preview without the stack's passphrase works on a
// throwaway state, as if nothing was there.
func (o *Operation) open(ctx context.Context, changes bool, found *tools) (*engine.Stack, error) {
	image := ""
	if found.replaced {
		image = found.image
	}
	tools := engine.Tools{CLI: found.cli, Attach: found.attachment.Attach, Program: o.Program(o.Project.Dir, image, o.keys())}
	stack, err := engine.Open(ctx, o.Project, o.config, tools)
	if errors.Is(err, engine.ErrNoPassphrase) && !changes {
		o.Report("%v", err)
		o.Report("the preview shows stack %s as if nothing of it were there yet", o.Stack)
		return engine.OpenThrowaway(ctx, o.Project, o.config, tools)
	}
	return stack, err
}

// bare runs do on a stack whose state and secrets are read: what needs neither
// providers nor Docker, changes no state, and waits for nobody who does.
func (o *Operation) bare(ctx context.Context, do func(*engine.Stack) error) error {
	if err := o.load(); err != nil {
		return err
	}
	cli, err := acquire.CLI(ctx, acquire.Reporter(o.Report))
	if err != nil {
		return err
	}
	stack, err := engine.OpenReading(ctx, o.Project, o.config, engine.Tools{CLI: cli})
	if err != nil {
		return err
	}
	return errors.Join(do(stack), stack.Close())
}

// alone does the same once no other run works on the stack.
func (o *Operation) alone(ctx context.Context, do func(*engine.Stack) error) error {
	return o.bare(ctx, func(stack *engine.Stack) error {
		if err := stack.Await(ctx); err != nil {
			return err
		}
		return do(stack)
	})
}
