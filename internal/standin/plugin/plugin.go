// Package plugin holds what all stand-in providers share: a Pulumi provider put together from inferred resources,
// whose diff follows a table of what the published plugin does with each input.
package plugin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// Resource is one resource type of a stand-in.
type Resource struct {
	infer.InferredResource
	// InPlace names the inputs that are changed in place. A change of any other input replaces the resource.
	InPlace []string
	// Unordered names the inputs in which the order of lists has no meaning.
	Unordered []string
	// Secrets names the inputs and outputs that are always secret.
	Secrets []string
	// Defaults holds what the published plugin takes for inputs that are not given, and therefore has in its states.
	Defaults map[string]any
	// DeleteFirst tells that a replacement cannot stand beside what it replaces, usually because of a name.
	DeleteFirst bool
	// Expired, if set, names the output for whose sake a resource must be replaced although no input changed.
	Expired func(state property.Map) (output string, expired bool)

	shape shape
}

// Config is the configuration side of a stand-in.
type Config struct {
	// Secrets names the configuration values that are always secret.
	Secrets []string
	// Configure takes over the configuration. It must not do I/O: a preview configures providers too.
	Configure func(context.Context, Values) error
}

// New puts a provider together.
func New(config Config, resources ...Resource) (p.Provider, error) {
	inferred := make([]infer.InferredResource, len(resources))
	types := make(map[tokens.Type]Resource, len(resources))
	for i, r := range resources {
		token, err := r.GetToken()
		if err != nil {
			return p.Provider{}, fmt.Errorf("naming a stand-in resource: %w", err)
		}
		if r.shape, err = shapeOf(r.InferredResource); err != nil {
			return p.Provider{}, err
		}
		inferred[i] = r.InferredResource
		types[unpackaged(token)] = r
	}
	provider, err := infer.NewProviderBuilder().WithResources(inferred...).Build()
	if err != nil {
		return p.Provider{}, fmt.Errorf("building a stand-in provider: %w", err)
	}
	diffing(&provider, types)
	fitting(&provider, types)
	completing(&provider, types)
	provider.CheckConfig = config.check
	provider.DiffConfig = diffConfig
	provider.Configure = func(ctx context.Context, req p.ConfigureRequest) error {
		return config.Configure(ctx, Values{req.Args})
	}
	return provider, nil
}

// diffing answers Diff from the table.
func diffing(provider *p.Provider, types map[tokens.Type]Resource) {
	provider.Diff = func(_ context.Context, req p.DiffRequest) (p.DiffResponse, error) {
		r, known := types[unpackaged(req.Urn.Type())]
		if !known {
			return p.DiffResponse{}, fmt.Errorf("the stand-in has no resource type %s", req.Urn.Type())
		}
		return r.diff(req), nil
	}
}

// completing finishes everything that the provider answers.
func completing(provider *p.Provider, types map[tokens.Type]Resource) {
	inner := *provider
	provider.Check = func(ctx context.Context, req p.CheckRequest) (p.CheckResponse, error) {
		response, err := inner.Check(ctx, req)
		response.Inputs = conceal(response.Inputs, types[unpackaged(req.Urn.Type())].Secrets)
		return response, err
	}
	provider.Create = func(ctx context.Context, req p.CreateRequest) (p.CreateResponse, error) {
		response, err := inner.Create(ctx, req)
		response.Properties = types[unpackaged(req.Urn.Type())].complete(response.Properties)
		return response, err
	}
	provider.Read = func(ctx context.Context, req p.ReadRequest) (p.ReadResponse, error) {
		response, err := inner.Read(ctx, req)
		if r := types[unpackaged(req.Urn.Type())]; response.ID != "" {
			response.Inputs = conceal(response.Inputs, r.Secrets)
			response.Properties = r.complete(response.Properties)
		}
		return response, err
	}
	provider.Update = func(ctx context.Context, req p.UpdateRequest) (p.UpdateResponse, error) {
		response, err := inner.Update(ctx, req)
		response.Properties = types[unpackaged(req.Urn.Type())].complete(response.Properties)
		return response, err
	}
}

// complete fills in the defaults, so that the published plugin finds no difference in a state made here, and marks secrets.
func (r Resource) complete(outputs property.Map) property.Map {
	for name, value := range r.Defaults {
		if outputs.Get(name).IsNull() {
			outputs = outputs.Set(name, resource.FromResourcePropertyValue(resource.NewPropertyValue(value)))
		}
	}
	return conceal(outputs, r.Secrets)
}

// conceal marks the named values as secret.
func conceal(values property.Map, names []string) property.Map {
	for _, name := range names {
		if value, ok := values.GetOk(name); ok {
			values = values.Set(name, value.WithSecret(true))
		}
	}
	return values
}

// unpackaged drops the package from a token, which infer only fills in when it serves the schema.
func unpackaged(token tokens.Type) tokens.Type {
	_, rest, _ := strings.Cut(string(token), ":")
	return tokens.Type(rest)
}

func (c Config) check(_ context.Context, req p.CheckRequest) (p.CheckResponse, error) {
	return p.CheckResponse{Inputs: conceal(req.Inputs, c.Secrets)}, nil
}

// diffConfig never asks for replacement: replacing a provider replaces everything that it made.
func diffConfig(_ context.Context, req p.DiffRequest) (p.DiffResponse, error) {
	olds := req.OldInputs
	if olds.Len() == 0 {
		olds = req.State
	}
	changes := compare(textual(olds), textual(req.Inputs), nil, nil)
	delete(changes, "version") // of the SDK
	return respond(changes, func(string) bool { return false }), nil
}

// textual writes numbers and booleans as text, as which the published plugins keep them.
func textual(config property.Map) property.Map {
	for name, value := range config.All {
		if value.IsNumber() || value.IsBool() {
			config = config.Set(name, property.New(sortKey(plain(value, false))))
		}
	}
	return config
}

func (r Resource) diff(req p.DiffRequest) p.DiffResponse {
	changes := compare(r.shape.fit(req.OldInputs, r.shape.inputs), req.Inputs, r.Unordered, r.Defaults)
	for _, ignored := range req.IgnoreChanges {
		delete(changes, ignored)
	}
	response := respond(changes, func(name string) bool { return !slices.Contains(r.InPlace, name) })
	response.DeleteBeforeReplace = r.DeleteFirst
	if r.Expired != nil {
		if output, expired := r.Expired(req.State); expired {
			response.HasChanges = true
			response.DetailedDiff[output] = p.PropertyDiff{Kind: p.UpdateReplace}
		}
	}
	return response
}

func respond(changes map[string]p.DiffKind, replaces func(string) bool) p.DiffResponse {
	response := p.DiffResponse{HasChanges: len(changes) > 0, DetailedDiff: make(map[string]p.PropertyDiff, len(changes))}
	for name, kind := range changes {
		if replaces(name) {
			kind += "&replace"
		}
		response.DetailedDiff[name] = p.PropertyDiff{Kind: kind, InputDiff: true}
	}
	return response
}
