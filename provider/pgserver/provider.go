// Package pgserver is a Pulumi provider for what no published provider does in a PostgreSQL server:
// the data directory and files in it, the superuser's password, system settings, and the adoption of
// roles that are there already.
//
// Check, Diff and previews talk neither to the server nor to Docker. Whatever can hold a secret travels in sessions
// that tell the server to log nothing.
package pgserver

import (
	"context"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

const (
	// Name is the provider's package name.
	Name = "pgserver"
	// Version is the provider's version; it is built with the program that uses it.
	Version = "0.1.0"
)

// New makes the provider.
func New() (p.Provider, error) { return newProvider(dial) }

// newProvider makes the provider with its way to reach a server.
func newProvider(dial dialer) (p.Provider, error) {
	config, sessions := &Config{}, newPool(dial)
	provider, err := infer.NewProviderBuilder().
		WithDisplayName("PostgreSQL server").
		WithDescription("What Pulumi needs to do inside a running PostgreSQL server.").
		WithGoImportPath("github.com/witchcityrope/database/components/pgserver").
		WithModuleMap(map[tokens.ModuleName]tokens.ModuleName{"pgserver": "index"}).
		WithConfig(infer.Config(config)).
		WithResources(
			infer.Resource(&DataDirectory{connectDocker}),
			infer.Resource(&Superuser{dial}),
			infer.Resource(&ServerFile{dial}),
			infer.Resource(&SystemSetting{newSettingQueue(dial)}),
			infer.Resource(&SessionDefault{dial}),
			infer.Resource(&Database{dial}),
			infer.Resource(&MembershipOptions{sessions}),
			infer.Resource(&ObjectGrant{sessions}),
			infer.Resource(&OwnedGrant{sessions}),
			infer.Resource(&SchemaGrant{sessions}),
			infer.Resource(&SetAside{dial}),
			infer.Resource(&PutBack{dial}),
		).
		Build()
	if err != nil {
		return p.Provider{}, err
	}
	return keepSecrets(keepConfigApart(provider, config)), nil
}

// keepSecrets marks what is secret in what was read. On a refresh infer knows it from the state, on an
// import it does not.
func keepSecrets(provider p.Provider) p.Provider {
	read := provider.Read
	mark := func(properties property.Map) property.Map {
		for _, key := range []string{"content", "environment", "verifier"} {
			if value, ok := properties.GetOk(key); ok {
				properties = properties.Set(key, value.WithSecret(true))
			}
		}
		return properties
	}
	provider.Read = func(ctx context.Context, request p.ReadRequest) (p.ReadResponse, error) {
		response, err := read(ctx, request)
		response.Inputs, response.Properties = mark(response.Inputs), mark(response.Properties)
		return response, err
	}
	return provider
}

// keepConfigApart corrects how infer handles the configuration. It decodes every configuration that it
// is asked about into the one in use, on top of what is there, so that a value taken away would stay;
// and it would replace every resource when a password changes.
func keepConfigApart(provider p.Provider, inUse *Config) p.Provider {
	configure, check := provider.Configure, provider.CheckConfig
	provider.Configure = func(ctx context.Context, request p.ConfigureRequest) error {
		*inUse = Config{}
		return configure(ctx, request)
	}
	provider.CheckConfig = func(ctx context.Context, request p.CheckRequest) (p.CheckResponse, error) {
		kept := *inUse
		defer func() { *inUse = kept }()
		*inUse = Config{}
		return check(ctx, request)
	}
	provider.DiffConfig = diffConfig
	return provider
}
