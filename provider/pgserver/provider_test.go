package pgserver

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The schema names the resources as programs know them, and describes everything.
func TestSchema(t *testing.T) {
	type properties map[string]struct{ Description string }
	var schema struct {
		Config    struct{ Variables properties }
		Resources map[string]struct {
			Description     string
			InputProperties properties
			Properties      properties
		}
	}
	response, err := newTestProvider(t, dial).GetSchema(p.GetSchemaRequest{})
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal([]byte(response.Schema), &schema))

	assert.Equal(t, []string{
		"pgserver:index:DataDirectory", "pgserver:index:Database", "pgserver:index:MembershipOptions", "pgserver:index:ObjectGrant", "pgserver:index:OwnedGrant", "pgserver:index:PutBack", "pgserver:index:SchemaGrant", "pgserver:index:ServerFile",
		"pgserver:index:SessionDefault", "pgserver:index:SetAside", "pgserver:index:Superuser", "pgserver:index:SystemSetting",
	}, slices.Sorted(maps.Keys(schema.Resources)))
	described := func(of string, all properties) {
		assert.NotEmpty(t, all, of)
		for name, property := range all {
			assert.NotEmpty(t, property.Description, "%s.%s", of, name)
		}
	}
	described("the configuration", schema.Config.Variables)
	for token, resource := range schema.Resources {
		assert.NotEmpty(t, resource.Description, token)
		described(token, resource.InputProperties)
		described(token, resource.Properties)
	}
}

// New makes a whole provider.
func TestNew(t *testing.T) {
	provider, err := New()
	require.NoError(t, err)
	assert.NotNil(t, provider.Create)
}
