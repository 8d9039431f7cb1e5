package database

import (
	"encoding/json"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// nobody makes resources in a program that is refused before its first.
type nobody struct{ pulumi.MockResourceMonitor }

func (nobody) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	return args.Name, args.Inputs, nil
}

// TestPlainPulumiHandsOverEveryKey: under `pulumi up` the language host hands
// the configuration over, keys that nobody knows among them.
func TestPlainPulumiHandsOverEveryKey(t *testing.T) {
	handed := func(t *testing.T, values map[string]string) {
		content, err := json.Marshal(values)
		require.NoError(t, err)
		t.Setenv("PULUMI_CONFIG", string(content))
	}
	run := func() error {
		return pulumi.RunErr(Program(Options{ProjectDir: t.TempDir()}), pulumi.WithMocks("shop-database", "dev", nobody{}))
	}
	t.Run("unknown key", func(t *testing.T) {
		handed(t, map[string]string{"shop-database:database": `{"name": "shop"}`, "shop-database:databse": "{}", "aws:region": "eu-1"})
		err := run()
		assert.ErrorContains(t, err, "databse: ")
		assert.NotContains(t, err.Error(), "region", "another provider's key is not ours")
	})
	t.Run("keys and values", func(t *testing.T) {
		given := map[string]string{"shop-database:database": `{"name": "shop"}`, "shop-database:rank": "10", "aws:region": "eu-1"}
		handed(t, given)
		var values map[string]string
		require.NoError(t, pulumi.RunErr(func(ctx *pulumi.Context) (err error) {
			values, err = stackValues(ctx, nil)
			return err
		}, pulumi.WithMocks("shop-database", "dev", nobody{})))
		assert.Equal(t, map[string]string{"database": `{"name": "shop"}`, "rank": "10"}, values)
	})
	t.Run("nothing", func(t *testing.T) {
		t.Setenv("PULUMI_CONFIG", "")
		assert.ErrorContains(t, run(), "PULUMI_CONFIG")
	})
}
