package acquire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag/colors"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
)

// installTimeout bounds the attempt to install a plugin.
const installTimeout = 2 * time.Minute

// Plugin is a provider plugin that the program needs, and whether the engine has
// the published one.
type Plugin struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// Published tells whether the published plugin is installed; a stand-in
	// serves its resources otherwise.
	Published bool `json:"published"`
	// Why is why there is no published plugin; empty if nothing was tried yet.
	Why string `json:"why,omitempty"`
}

func (p Plugin) String() string { return p.Name + "@v" + p.Version }

// needed are the published plugins whose resources the program registers.
func needed() []Plugin {
	return []Plugin{
		{Name: "docker", Version: "4.11.2"},
		{Name: "postgresql", Version: "3.18.0"},
		{Name: "tls", Version: "5.5.1"},
	}
}

// FindPlugins tells which plugins are installed, and installs none.
func FindPlugins() ([]Plugin, error) {
	failures, err := recentFailures()
	if err != nil {
		return nil, err
	}
	plugins := needed()
	for i := range plugins {
		p := &plugins[i]
		if p.Published, err = p.installed(); err != nil {
			return nil, err
		}
		if !p.Published {
			p.Why = failures[p.String()]
		}
	}
	return plugins, nil
}

// Plugins installs what is missing of the published plugins with the given
// Pulumi CLI. One that cannot be installed is not an error: the result tells
// why, and the attempt is not repeated for a day.
func Plugins(ctx context.Context, cli string, report Reporter) ([]Plugin, error) {
	plugins, err := FindPlugins()
	if err != nil {
		return nil, err
	}
	var wait sync.WaitGroup
	var tried []*Plugin
	for i := range plugins {
		p := &plugins[i]
		if p.Published || p.Why != "" {
			continue
		}
		tried = append(tried, p)
		report("installing the Pulumi plugin %s", p)
		wait.Go(func() {
			if err := p.install(ctx, cli); err != nil {
				p.Why = reason(err)
				return
			}
			p.Published = true
		})
	}
	wait.Wait()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	outcomes := map[string]string{}
	for _, p := range tried {
		outcomes[p.String()] = p.Why
	}
	return plugins, noteOutcomes(outcomes)
}

func (p *Plugin) descriptor() (workspace.PluginDescriptor, error) {
	version, err := semver.Parse(p.Version)
	if err != nil {
		return workspace.PluginDescriptor{}, fmt.Errorf("plugin %s: %w", p, err)
	}
	return workspace.PluginDescriptor{Name: p.Name, Kind: apitype.ResourcePlugin, Version: &version}, nil
}

func (p *Plugin) installed() (bool, error) {
	descriptor, err := p.descriptor()
	return err == nil && workspace.HasPlugin(descriptor), err
}

// Executable is the path of the installed plugin's program, the one that the engine would start.
func (p *Plugin) Executable(ctx context.Context) (string, error) {
	descriptor, err := p.descriptor()
	if err != nil {
		return "", err
	}
	path, err := workspace.GetPluginPath(ctx, diag.DefaultSink(io.Discard, io.Discard, diag.FormatOptions{Color: colors.Never}), descriptor, nil)
	if err != nil {
		return "", fmt.Errorf("plugin %s: %w", p, err)
	}
	return path, nil
}

func (p *Plugin) install(ctx context.Context, cli string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, installTimeout, fmt.Errorf("not done within %s", installTimeout))
	defer cancel()
	err := run(ctx, command{
		args: []string{cli, "plugin", "install", "resource", p.Name, p.Version},
		env:  []string{"PULUMI_SKIP_UPDATE_CHECK=true"},
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	installed, err := p.installed()
	if err == nil && !installed {
		err = errors.New("the Pulumi CLI says that it is installed, but it is not in the plugin folder")
	}
	return err
}

// reason is the one line of a failed installation that tells most: the first
// cause that the CLI names, else its last word.
func reason(err error) string {
	said := strings.Split(strings.TrimSpace(err.Error()), "\n")
	for _, line := range said {
		if cause, ok := strings.CutPrefix(line, "warning: "); ok {
			return cause
		}
	}
	return strings.TrimPrefix(said[len(said)-1], "error: ")
}
