// Package attach serves Pulumi providers from inside this process to a real Pulumi engine.
//
// The engine attaches to a provider that already runs when the environment variable PULUMI_DEBUG_PROVIDERS names
// its package and port; it then neither looks for a plugin nor starts one.
package attach

import (
	"context"
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

// Attachment is a set of providers being served on loopback.
type Attachment struct {
	ports   map[string]int
	servers []*grpc.Server
	serving errgroup.Group
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
	a.servers = append(a.servers, server)
	a.serving.Go(func() error {
		if err := server.Serve(listener); err != nil {
			return fmt.Errorf("serving the provider %q: %w", name, err)
		}
		return nil
	})
	return nil
}

// Env returns the value of PULUMI_DEBUG_PROVIDERS that makes an engine use these providers.
func (a *Attachment) Env() string {
	entries := make([]string, 0, len(a.ports))
	for _, name := range slices.Sorted(maps.Keys(a.ports)) {
		entries = append(entries, fmt.Sprintf("%s:%d", name, a.ports[name]))
	}
	return strings.Join(entries, ",")
}

// Close cancels what the providers still do, waits for it to end, and reports whether serving had failed.
func (a *Attachment) Close() error {
	a.stop()
	return a.serving.Wait()
}

func (a *Attachment) stop() {
	for _, server := range a.servers {
		server.Stop()
	}
}
