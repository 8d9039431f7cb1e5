// Package attach gives a real Pulumi engine providers that already run: some inside this process, and plugins that were
// started before the engine.
//
// The engine attaches to a provider that already runs when the environment variable PULUMI_DEBUG_PROVIDERS names
// its package and port; it then neither looks for a plugin nor starts one.
package attach

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
)

const (
	// Variable is the environment variable that tells the engine what is attached.
	Variable = "PULUMI_DEBUG_PROVIDERS"
	// Version is what attached providers call themselves: the engine warns of any that is lower than a program asks for.
	Version = "9999.0.0-attached"
	// maxMessage is the largest message that the engine may send, the same as it allows itself.
	maxMessage = 400 << 20
)

// Attachment is a set of providers that listen on loopback. An engine starts its plugins one after another; those of an
// attachment are started side by side, and while no engine is needed yet. Each run of an engine gets processes of its own:
// at its end it tells its plugins to do no more.
type Attachment struct {
	ports   map[string]int
	servers []*grpc.Server
	serving errgroup.Group

	host        string            // address that a plugin asks now and then whether it is still needed
	executables map[string]string // of plugins, by package
	next        []*plugin         // for the next run
}

// Serve serves each provider under its package name until ctx ends or the attachment is closed.
// An attachment is meant for one engine at a time: a provider has one configuration.
func Serve(ctx context.Context, providers map[string]p.Provider) (*Attachment, error) {
	attachment := &Attachment{ports: make(map[string]int, len(providers))}
	for _, name := range slices.Sorted(maps.Keys(providers)) {
		if err := attachment.serve(name, providers[name]); err != nil {
			attachment.stop()
			return nil, err
		}
	}
	context.AfterFunc(ctx, attachment.stop)
	return attachment, nil
}

func (a *Attachment) serve(name string, provider p.Provider) error {
	resources, err := p.RawServer(name, Version, provider)(nil)
	if err != nil {
		return fmt.Errorf("preparing the provider %q: %w", name, err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("serving the provider %q on loopback: %w", name, err)
	}
	interrupter := &interrupter{running: map[*context.CancelFunc]struct{}{}}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(maxMessage), grpc.WaitForHandlers(true),
		grpc.UnaryInterceptor(interrupter.intercept))
	pulumirpc.RegisterResourceProviderServer(server, resources)
	a.ports[name] = listener.Addr().(*net.TCPAddr).Port
	a.host = listener.Addr().String()
	a.servers = append(a.servers, server)
	a.serving.Go(func() error {
		if err := server.Serve(listener); err != nil {
			return fmt.Errorf("serving the provider %q: %w", name, err)
		}
		return nil
	})
	return nil
}

// Start starts plugins, by the path of the executable for each package, beside what this process goes on to do. They are
// for the next run of the engine; every later run gets new ones. A plugin that outlives this process, because that was
// killed, finds nobody under the address of a provider that is served, and ends within minutes.
func (a *Attachment) Start(executables map[string]string) {
	a.executables = executables
	a.Prepare()
}

// Prepare starts the plugins for the next run of the engine, unless that was done, so that it need not wait for them.
func (a *Attachment) Prepare() {
	if a.next != nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(a.executables)) {
		a.next = append(a.next, startPlugin(name, a.executables[name], a.host))
	}
}

// leave is what Prepare has started and no run has taken; whoever calls it stops that.
func (a *Attachment) leave() []*plugin {
	left := a.next
	a.next = nil
	return left
}

// Attach returns the value of PULUMI_DEBUG_PROVIDERS for one run of the engine, when all providers that it names listen.
// Detach is to be called when the run has ended, and says whether a plugin had ended before.
func (a *Attachment) Attach(ctx context.Context) (value string, detach func() error, err error) {
	entries := make([]string, 0, len(a.ports))
	for _, name := range slices.Sorted(maps.Keys(a.ports)) {
		entries = append(entries, fmt.Sprintf("%s:%d", name, a.ports[name]))
	}
	a.Prepare()
	started := a.leave()
	for _, plugin := range started {
		entry, err := plugin.entry(ctx)
		if err != nil {
			return "", nil, errors.Join(err, stopAll(started))
		}
		entries = append(entries, entry)
	}
	return strings.Join(entries, ","), func() error { return stopAll(started) }, nil
}

// Close cancels what the providers still do, waits for it to end, and reports whether serving had failed.
func (a *Attachment) Close() error {
	a.stop()
	return errors.Join(a.serving.Wait(), stopAll(a.leave()))
}

func (a *Attachment) stop() {
	for _, server := range a.servers {
		server.Stop()
	}
}
