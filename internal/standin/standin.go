// Package standin has small providers that stand in for the published Pulumi plugins where those cannot be downloaded.
// They have the published types and inputs, for the resources that this project uses, and make the real things.
package standin

import (
	"fmt"
	"time"

	p "github.com/pulumi/pulumi-go-provider"

	"github.com/witchcityrope/database/internal/standin/docker"
	"github.com/witchcityrope/database/internal/standin/postgresql"
	"github.com/witchcityrope/database/internal/standin/tls"
)

// Published is a plugin that a stand-in can stand in for, at the version whose behaviour it follows.
type Published struct{ Name, Version string }

// Plugins lists the plugins that have stand-ins.
func Plugins() []Published {
	return []Published{
		{"docker", "4.11.2"},
		{"postgresql", "3.18.0"},
		{"tls", "5.5.1"},
	}
}

// New returns the stand-in for the plugin with the given name.
func New(name string) (p.Provider, error) {
	switch name {
	case "docker":
		return docker.New()
	case "postgresql":
		return postgresql.New()
	case "tls":
		return tls.New(time.Now)
	default:
		return p.Provider{}, fmt.Errorf("there is no stand-in for the plugin %q", name)
	}
}

// Providers returns the stand-ins for the plugins with the given names, ready to be attached; with no names, all.
func Providers(names ...string) (map[string]p.Provider, error) {
	if len(names) == 0 {
		for _, plugin := range Plugins() {
			names = append(names, plugin.Name)
		}
	}
	providers := make(map[string]p.Provider, len(names))
	for _, name := range names {
		provider, err := New(name)
		if err != nil {
			return nil, err
		}
		providers[name] = provider
	}
	return providers, nil
}
