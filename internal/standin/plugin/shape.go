package plugin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	pschema "github.com/pulumi/pulumi/pkg/v3/codegen/schema"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// shape is what a stand-in knows of a resource. A state that the published plugin made holds more: other outputs,
// defaults that were filled in, and a list of their names in each object.
type shape struct {
	inputs, outputs map[string]pschema.PropertySpec
	types           map[string]pschema.ComplexTypeSpec
}

const (
	defaultsKey = "__defaults"
	typePrefix  = "#/types/"
)

func shapeOf(r infer.InferredResource) (shape, error) {
	s := shape{types: map[string]pschema.ComplexTypeSpec{}}
	schema, err := r.GetSchema(func(token tokens.Type, spec pschema.ComplexTypeSpec) bool {
		_, known := s.types[string(token)]
		s.types[string(token)] = spec
		return !known
	})
	if err != nil {
		return shape{}, fmt.Errorf("describing a stand-in resource: %w", err)
	}
	s.inputs, s.outputs = schema.InputProperties, schema.Properties
	return s, nil
}

// fit keeps what has a place in the properties and was not filled in as a default.
func (s shape) fit(values property.Map, properties map[string]pschema.PropertySpec) property.Map {
	var filled []string
	if names := values.Get(defaultsKey); names.IsArray() {
		for _, name := range names.AsArray().All {
			if name.IsString() {
				filled = append(filled, name.AsString())
			}
		}
	}
	kept := map[string]property.Value{}
	for name, value := range values.All {
		if spec, known := properties[name]; known && !slices.Contains(filled, name) {
			kept[name] = s.fitValue(value, spec.TypeSpec)
		}
	}
	return property.NewMap(kept)
}

func (s shape) fitValue(value property.Value, spec pschema.TypeSpec) property.Value {
	switch {
	case value.IsMap() && spec.Ref != "":
		object := s.types[strings.TrimPrefix(spec.Ref, typePrefix)]
		return property.WithGoValue(value, s.fit(value.AsMap(), object.Properties))
	case value.IsArray() && spec.Items != nil:
		elements := make([]property.Value, 0, value.AsArray().Len())
		for _, element := range value.AsArray().All {
			elements = append(elements, s.fitValue(element, *spec.Items))
		}
		return property.WithGoValue(value, property.NewArray(elements))
	default:
		return value
	}
}

// fitting makes the resources see only what they know of the states that they are given.
func fitting(provider *p.Provider, types map[tokens.Type]Resource) {
	inner := *provider
	provider.Read = func(ctx context.Context, req p.ReadRequest) (p.ReadResponse, error) {
		shape := types[unpackaged(req.Urn.Type())].shape
		req.Inputs, req.Properties = shape.fit(req.Inputs, shape.inputs), shape.fit(req.Properties, shape.outputs)
		return inner.Read(ctx, req)
	}
	provider.Update = func(ctx context.Context, req p.UpdateRequest) (p.UpdateResponse, error) {
		shape := types[unpackaged(req.Urn.Type())].shape
		req.State = shape.fit(req.State, shape.outputs)
		return inner.Update(ctx, req)
	}
	provider.Delete = func(ctx context.Context, req p.DeleteRequest) error {
		shape := types[unpackaged(req.Urn.Type())].shape
		req.Properties = shape.fit(req.Properties, shape.outputs)
		return inner.Delete(ctx, req)
	}
}
