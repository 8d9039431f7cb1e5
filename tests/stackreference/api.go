// Package stackreference is how the API's own Pulumi program takes what it
// needs from this project's stack of the same name.
package stackreference

import (
	"fmt"
	"slices"

	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// API runs the API's container next to the database.
func API(ctx *pulumi.Context) error {
	database, err := pulumi.NewStackReference(ctx, "organization/witchcityrope-database/"+ctx.Stack(), nil)
	if err != nil {
		return err
	}
	environment := database.GetOutput(pulumi.String("apiEnvironment")).ApplyT(func(value any) []string {
		var variables []string
		for name, value := range value.(map[string]any) {
			variables = append(variables, fmt.Sprintf("%s=%v", name, value))
		}
		slices.Sort(variables)
		return variables
	}).(pulumi.StringArrayOutput)
	network := database.GetOutput(pulumi.String("server")).ApplyT(func(value any) string {
		return value.(map[string]any)["network"].(string)
	}).(pulumi.StringOutput)

	_, err = docker.NewContainer(ctx, "api", &docker.ContainerArgs{
		Name:  pulumi.String("witchcityrope-api-" + ctx.Stack()),
		Image: pulumi.String("witchcityrope-api:latest"),
		Envs:  environment, // secret, because apiEnvironment is
		NetworksAdvanced: docker.ContainerNetworksAdvancedArray{
			docker.ContainerNetworksAdvancedArgs{Name: network},                 // the database, as host db
			docker.ContainerNetworksAdvancedArgs{Name: pulumi.String("bridge")}, // everything else
		},
		Uploads: docker.ContainerUploadArray{docker.ContainerUploadArgs{
			File:    pulumi.String("/etc/ssl/certs/witchcityrope-database-ca.crt"),
			Content: database.GetStringOutput(pulumi.String("caCertificate")),
		}},
	})
	return err
}
