// The Pulumi program that declares WitchCityRope's database.
package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/witchcityrope/database/components/database"
)

func main() { pulumi.Run(database.Program(database.Options{})) }
