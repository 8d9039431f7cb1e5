package settings

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/witchcityrope/database/components/pgserver"
)

// Args are what the settings are changed in.
type Args struct {
	PgServer pulumi.ProviderResource
	// Ready are the resources after which the server accepts the superuser.
	Ready []pulumi.Resource
	// Each applies to every setting.
	Each []pulumi.ResourceOption
}

// Settings are the settings of a running server.
type Settings struct{ pulumi.ResourceState }

// New registers one resource for each setting that needs no restart, side by side.
func New(ctx *pulumi.Context, name string, plan Plan, args Args, opts ...pulumi.ResourceOption) (*Settings, error) {
	settings := &Settings{}
	if err := ctx.RegisterComponentResource("database:settings:Settings", name, settings, opts...); err != nil {
		return nil, err
	}
	for _, setting := range plan.System {
		options := append([]pulumi.ResourceOption{pulumi.Parent(settings), pulumi.Provider(args.PgServer), pulumi.DependsOn(args.Ready)}, args.Each...)
		_, err := pgserver.NewSystemSetting(ctx, name+"-"+setting.Name, &pgserver.SystemSettingArgs{
			Name: pulumi.String(setting.Name), Value: pulumi.String(setting.Value),
		}, options...)
		if err != nil {
			return nil, fmt.Errorf("setting %s: %w", setting.Name, err)
		}
	}
	return settings, ctx.RegisterResourceOutputs(settings, pulumi.Map{})
}
