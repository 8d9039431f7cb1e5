package plugin

import (
	"context"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type thing struct{}

type thingArgs struct {
	Name    string   `pulumi:"name"`
	Limit   *int     `pulumi:"limit,optional"`
	Inherit *bool    `pulumi:"inherit,optional"`
	Tags    []string `pulumi:"tags,optional"`
	Command []string `pulumi:"command,optional"`
	Ports   []port   `pulumi:"ports,optional"`
}

type port struct {
	Number int `pulumi:"number"`
}

func (*thing) Annotate(a infer.Annotator) { a.SetToken("index/thing", "Thing") }

func (*thing) Create(
	_ context.Context, req infer.CreateRequest[thingArgs],
) (infer.CreateResponse[thingArgs], error) {
	return infer.CreateResponse[thingArgs]{ID: req.Inputs.Name, Output: req.Inputs}, nil
}

func list(elements ...string) property.Value {
	values := make([]property.Value, len(elements))
	for i, element := range elements {
		values[i] = property.New(element)
	}
	return property.New(values)
}

func object(pairs ...any) property.Map {
	values := map[string]property.Value{}
	for i := 0; i < len(pairs); i += 2 {
		name := pairs[i].(string)
		switch v := pairs[i+1].(type) {
		case property.Value:
			values[name] = v
		case string:
			values[name] = property.New(v)
		case bool:
			values[name] = property.New(v)
		case int:
			values[name] = property.New(float64(v))
		}
	}
	return property.NewMap(values)
}

func provider(t *testing.T) p.Provider {
	t.Helper()
	made, err := New(Config{Secrets: []string{"password"}, Configure: func(context.Context, Values) error { return nil }},
		Resource{
			InferredResource: infer.Resource(&thing{}),
			InPlace:          []string{"limit"}, Unordered: []string{"tags"},
			Defaults: map[string]any{"limit": 0.0, "inherit": true}, DeleteFirst: true,
			Expired: func(state property.Map) (string, bool) {
				old := state.Get("old")
				return "old", old.IsBool() && old.AsBool()
			},
		})
	require.NoError(t, err)
	return made
}

func TestDiff(t *testing.T) {
	computed := property.New(property.Computed)
	for name, test := range map[string]struct {
		olds, news, state property.Map
		ignore            []string
		want              map[string]p.DiffKind
	}{
		"nothing":                  {olds: object("name", "a"), news: object("name", "a")},
		"in place":                 {olds: object("limit", 1), news: object("limit", 2), want: map[string]p.DiffKind{"limit": p.Update}},
		"replaced":                 {olds: object("name", "a"), news: object("name", "b"), want: map[string]p.DiffKind{"name": p.UpdateReplace}},
		"added":                    {olds: object(), news: object("name", "b"), want: map[string]p.DiffKind{"name": p.AddReplace}},
		"removed":                  {olds: object("limit", 3), news: object(), want: map[string]p.DiffKind{"limit": p.Delete}},
		"unknown":                  {olds: object("name", "a"), news: object("name", computed), want: map[string]p.DiffKind{"name": p.UpdateReplace}},
		"unknown inside":           {olds: object("tags", list("a")), news: object("tags", property.New([]property.Value{computed})), want: map[string]p.DiffKind{"tags": p.UpdateReplace}},
		"default given":            {olds: object(), news: object("limit", 0)},
		"default no longer given":  {olds: object("inherit", true), news: object()},
		"default changed":          {olds: object(), news: object("inherit", false), want: map[string]p.DiffKind{"inherit": p.AddReplace}},
		"empty and absent":         {olds: object("tags", list()), news: object("name", "")},
		"another order":            {olds: object("tags", list("a", "b")), news: object("tags", list("b", "a"))},
		"another order that means": {olds: object("command", list("a", "b")), news: object("command", list("b", "a")), want: map[string]p.DiffKind{"command": p.UpdateReplace}},
		"secrecy":                  {olds: object("name", property.New("a").WithSecret(true)), news: object("name", "a")},
		"ignored":                  {olds: object("name", "a"), news: object("name", "b"), ignore: []string{"name"}},
		"bookkeeping":              {olds: object("__defaults", list("a")), news: object("__internal", true)},
		"filled in by the published plugin": {
			olds: object("name", "a", "limit", 7, "attach", false, "__defaults", list("limit", "attach"), "ports", property.New([]property.Value{
				property.New(object("number", 1, "protocol", "tcp", "__defaults", list("protocol"))),
			})),
			news: object("name", "a", "ports", property.New([]property.Value{property.New(object("number", 1))})),
		},
		"expired": {olds: object(), news: object(), state: object("old", true), want: map[string]p.DiffKind{"old": p.UpdateReplace}},
	} {
		t.Run(name, func(t *testing.T) {
			response, err := provider(t).Diff(t.Context(), p.DiffRequest{
				Urn:   "urn:pulumi:stack::project::any:index/thing:Thing::name",
				State: test.state, OldInputs: test.olds, Inputs: test.news, IgnoreChanges: test.ignore,
			})
			require.NoError(t, err)
			kinds := map[string]p.DiffKind{}
			for property, diff := range response.DetailedDiff {
				kinds[property] = diff.Kind
			}
			if test.want == nil {
				test.want = map[string]p.DiffKind{}
			}
			assert.Equal(t, test.want, kinds)
			assert.Equal(t, len(test.want) > 0, response.HasChanges)
			assert.True(t, response.DeleteBeforeReplace)
		})
	}
}

func TestDiffOfAnUnknownTypeIsAnError(t *testing.T) {
	_, err := provider(t).Diff(t.Context(), p.DiffRequest{Urn: "urn:pulumi:stack::project::any:index/other:Other::name"})
	require.ErrorContains(t, err, "any:index/other:Other")
}

func TestConfigurationNeverReplaces(t *testing.T) {
	response, err := provider(t).DiffConfig(t.Context(), p.DiffRequest{
		OldInputs: object("host", "a", "password", "old"), Inputs: object("host", "b", "password", "new", "port", 1, "version", "2"),
	})
	require.NoError(t, err)
	assert.True(t, response.HasChanges)
	assert.False(t, response.DeleteBeforeReplace)
	assert.Len(t, response.DetailedDiff, 3)
	for name, diff := range response.DetailedDiff {
		assert.NotContains(t, diff.Kind, "replace", name)
	}
}

func TestConfigurationMayBeText(t *testing.T) {
	response, err := provider(t).DiffConfig(t.Context(), p.DiffRequest{
		OldInputs: object("port", "5432", "superuser", "true"), Inputs: object("port", 5432, "superuser", true),
	})
	require.NoError(t, err)
	assert.False(t, response.HasChanges)
}

func TestConfigurationKeepsSecrets(t *testing.T) {
	response, err := provider(t).CheckConfig(t.Context(), p.CheckRequest{Inputs: object("host", "a", "password", "b")})
	require.NoError(t, err)
	assert.True(t, response.Inputs.Get("password").Secret())
	assert.False(t, response.Inputs.Get("host").Secret())
}

func TestValues(t *testing.T) {
	values := Values{object("number", 3, "text", "4", "truth", "true", "bad", "x")}
	number, err := values.Int("number", 0)
	require.NoError(t, err)
	text, err := values.Int("text", 0)
	require.NoError(t, err)
	absent, err := values.Int("absent", 5)
	require.NoError(t, err)
	assert.Equal(t, []int{3, 4, 5}, []int{number, text, absent})
	truth, err := values.Bool("truth", false)
	require.NoError(t, err)
	assert.True(t, truth)
	_, err = values.Int("bad", 0)
	require.ErrorContains(t, err, `bad: "x" is not a whole number`)
	_, err = values.Bool("bad", false)
	require.ErrorContains(t, err, `bad: "x" is neither true nor false`)
	assert.Equal(t, "otherwise", values.String("absent", "otherwise"))
}
