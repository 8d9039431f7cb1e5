package operation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/consequence"
	"github.com/witchcityrope/database/internal/engine"
)

// foresee says what an up would change, and what that means for those who use
// the database.
func (o *Operation) foresee(ctx context.Context, stack *engine.Stack, options engine.Options) (engine.Result, consequence.Forecast, error) {
	if err := o.checkStorage(ctx, stack); err != nil {
		return engine.Result{}, consequence.Forecast{}, err
	}
	result, err := stack.Preview(ctx, options, nil)
	if err != nil {
		return result, consequence.Forecast{}, err
	}
	facts, err := o.facts(options)
	return result, consequence.New(result.Changes, facts), err
}

func (o *Operation) facts(options engine.Options) (consequence.Facts, error) {
	settings := o.config.Catalogue()
	facts := consequence.Facts{Repairs: map[string]string{}, Context: func(name string) string {
		setting, _ := settings.Lookup(name)
		return string(setting.Context)
	}}
	for _, urn := range options.Replace {
		facts.Repairs[engine.ResourceName(urn)] = "a network of the container is gone or was made anew"
	}
	var err error
	facts.Interruptions, err = o.interruptions()
	return facts, err
}

// apply makes reality what the stack declares, once what that means is
// approved. Where nothing is there yet, nothing can be interrupted or lost;
// where nothing was edited since the last run, and options ask for no repair,
// nothing will change but what time has run out for, such as a certificate, and
// that is told afterwards.
func (o *Operation) apply(ctx context.Context, stack *engine.Stack, tools *tools, options engine.Options) (engine.Result, consequence.Forecast, error) {
	forecast := consequence.New(nil, consequence.Facts{})
	state, err := stack.State(ctx)
	if err != nil {
		return engine.Result{}, forecast, err
	}
	repairs, there := options.Refresh || len(options.Replace) > 0, len(state.Resources()) > 0
	asks := there && (repairs || o.edited(tools))
	if asks {
		var foreseen engine.Result
		if foreseen, forecast, err = o.foresee(ctx, stack, options); err != nil {
			return engine.Result{}, forecast, err
		}
		tools.attachment.Prepare()
		owners, err := o.checkDropped(ctx, stack, foreseen.Changes)
		if err != nil {
			return engine.Result{}, forecast, err
		}
		if err := o.checkGuests(ctx, stack, foreseen.Changes); err != nil {
			return engine.Result{}, forecast, err
		}
		if err := o.mayRestart(ctx, stack, forecast); err != nil {
			return engine.Result{}, forecast, err
		}
		if err := o.approve(forecast); err != nil {
			return engine.Result{}, forecast, err
		}
		if err := o.handOver(ctx, stack, owners); err != nil {
			return engine.Result{}, forecast, err
		}
		if err := o.takenOver(ctx, stack, foreseen.Changes); err != nil {
			return engine.Result{}, forecast, err
		}
	}
	if emptied, err := o.empty(ctx, stack, forecast); err != nil {
		return engine.Result{}, forecast, err
	} else if emptied {
		options.Replace = nil
	}
	outage := &outage{}
	result, err := stack.Up(ctx, options, outage.watch(o.Watch))
	if there && !asks && err == nil {
		facts, failed := o.facts(options)
		forecast, err = consequence.New(result.Changes, facts), failed
	}
	return result, forecast, errors.Join(err, o.rememberInterruption(forecast.Interruption(), outage.took()))
}

// checkGuests refuses changes that delete a network which somebody else is on.
func (o *Operation) checkGuests(ctx context.Context, stack *engine.Stack, changes []engine.Change) error {
	networks := deletedNetworks(changes)
	if recovery := o.recovery(stack, nil); recovery != nil && len(networks) > 0 {
		if err := recovery.alone(ctx, networks...); err != nil {
			return fmt.Errorf("stack %s: a network would be deleted or made anew: %w", o.Stack, err)
		}
	}
	return nil
}

// deletedNetworks are the networks that do not outlast changes, by the names that they have now.
func deletedNetworks(changes []engine.Change) (names []string) {
	for _, change := range changes {
		if name, _ := change.Before["name"].(string); change.Type == networkType && slices.Contains([]string{"replace", "delete"}, change.Operation) {
			names = append(names, name)
		}
	}
	return names
}

// empty removes a container that is to be made anew with its data in memory, and
// forgets all that is in it. The engine would delete the roles of the old server
// after it has made those of the new one, by the same names.
func (o *Operation) empty(ctx context.Context, stack *engine.Stack, forecast consequence.Forecast) (emptied bool, err error) {
	replaced := slices.ContainsFunc(forecast.Effects, func(effect consequence.Effect) bool {
		return effect.Type == containerType && effect.Operation == "replace" && !engine.IsBackupAgent(effect.Name)
	})
	if !replaced || o.config.Target.Type != config.Container {
		return false, nil
	}
	state, err := stack.State(ctx)
	if err != nil {
		return false, err
	}
	container, known := state.Find(containerType)
	if memory, _ := container.Inputs["tmpfs"].(map[string]any); !known || len(memory) == 0 {
		return false, nil
	}
	o.Report("the container is removed, and its data in memory with it: everything is made anew")
	return true, o.recovery(stack, nil).discard(ctx, container)
}

// approve asks whoever runs the operation; without anybody, nothing that
// interrupts or loses data is approved.
func (o *Operation) approve(forecast consequence.Forecast) error {
	if o.Approve != nil {
		return o.Approve(forecast)
	}
	if forecast.Class.Interrupts() || len(forecast.Refused(nil)) > 0 {
		return fmt.Errorf("stack %s: not approved: %s", o.Stack, forecast.Summary())
	}
	return nil
}

// checkStorage refuses data elsewhere. Another place of a volume the engine is
// told to ignore, because the plugin would delete the volume and make another
// one: without a word, up would change nothing. With another volume the server
// would start empty, in the middle of a run that believes in what was declared
// in the old one.
func (o *Operation) checkStorage(ctx context.Context, stack *engine.Stack) error {
	state, err := stack.State(ctx)
	if err != nil || o.config.Target.Type != config.Container {
		return err
	}
	if _, made := state.Find(containerType); !made {
		return nil
	}
	volume, known := state.Find(volumeType)
	storage := o.config.Storage
	switch {
	case known == (storage.Type == config.Tmpfs):
		return o.elsewhere("storage.type", string(storage.Type))
	case !known:
		return nil
	case volume.Inputs["name"] != storage.Volume:
		return o.elsewhere("storage.volume", storage.Volume)
	}
	options, _ := volume.Inputs["driverOpts"].(map[string]any)
	was, _ := options["device"].(string)
	wanted := ""
	if storage.Type == config.Bind {
		wanted = storage.Path
	}
	if was == wanted {
		return nil
	}
	return fmt.Errorf("storage.path: %s: the data of volume %s is in %s, and a volume cannot be pointed to another place. "+
		"To move the data: wcrdb down -s %s, move the files, docker volume rm %[2]s (of a bind volume it removes no files), and wcrdb up",
		place(wanted), storage.Volume, place(was), o.Stack)
}

// elsewhere is the fault of data that is declared elsewhere.
func (o *Operation) elsewhere(path, value string) error {
	return fmt.Errorf("%s: %s: the data of stack %s is elsewhere, and the server would start without it. "+
		"To begin anew there: wcrdb down -s %[3]s with the stack file as it was, which deletes what is not protected, and then wcrdb up", path, value, o.Stack)
}

func place(path string) string {
	if path == "" {
		return "Docker's own folders"
	}
	return path
}

func (o *Operation) appliedFile() string {
	return filepath.Join(o.Project.LocalDir(o.Stack), "applied")
}

// edited says whether configuration, program or plugins differ from those of
// the last run that succeeded.
func (o *Operation) edited(tools *tools) bool {
	applied, err := os.ReadFile(o.appliedFile())
	declared, failed := o.declared(tools)
	return err != nil || failed != nil || string(applied) != declared || o.config.Target.Type != config.Container
}

// declared hashes everything that decides what a run declares.
func (o *Operation) declared(tools *tools) (string, error) {
	executable, err := os.Executable()
	if err != nil {
		return "", err
	}
	program, err := os.Stat(executable)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal([]any{o.values, slices.Sorted(slices.Values(tools.standIns)), tools.image, tools.replaced,
		executable, program.Size(), program.ModTime()})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

func (o *Operation) rememberDeclared(tools *tools) error {
	declared, err := o.declared(tools)
	if err != nil {
		return err
	}
	return os.WriteFile(o.appliedFile(), []byte(declared), 0o600)
}

// forgetDeclared makes the next run look at what it would change.
func (o *Operation) forgetDeclared() error {
	if err := os.Remove(o.appliedFile()); !missing(err) {
		return err
	}
	return nil
}

// missing says whether an error is that of a file that is not there.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
