// Package postgresql is a stand-in for the published Pulumi provider postgresql: the same types, inputs and SQL.
package postgresql

import (
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/witchcityrope/database/internal/standin/plugin"
)

// New returns the provider.
func New() (p.Provider, error) {
	server := &server{}
	config := plugin.Config{Secrets: []string{"password"}, Configure: server.configure}
	return plugin.New(config, resources(server)...)
}

func resources(server *server) []plugin.Resource {
	return []plugin.Resource{
		{
			InferredResource: infer.Resource(&Role{server: server}),
			InPlace: []string{
				"name", "login", "password", "superuser", "createDatabase", "createRole", "inherit", "replication",
				"bypassRowLevelSecurity", "connectionLimit", "validUntil", "roles", "searchPaths", "statementTimeout",
				"idleInTransactionSessionTimeout", "assumeRole", "skipReassignOwned", "skipDropRole",
			},
			Unordered: []string{"roles"},
			Secrets:   []string{"password"},
			Defaults: map[string]any{
				"login": false, "superuser": false, "createDatabase": false, "createRole": false, "inherit": true,
				"replication": false, "bypassRowLevelSecurity": false, "connectionLimit": -1.0, "validUntil": forever,
				"statementTimeout": 0.0, "idleInTransactionSessionTimeout": 0.0,
				"encryptedPassword": true, "skipReassignOwned": false, "skipDropRole": false,
			},
		},
		{
			InferredResource: infer.Resource(&Schema{server: server}),
			InPlace:          []string{"name", "owner", "ifNotExists", "dropCascade"},
			Defaults:         map[string]any{"ifNotExists": true, "dropCascade": false},
			DeleteFirst:      true,
		},
		{
			InferredResource: infer.Resource(&Extension{server: server}),
			InPlace:          []string{"schema", "version", "createCascade", "dropCascade"},
			Defaults:         map[string]any{"createCascade": false, "dropCascade": false},
			DeleteFirst:      true,
		},
		{
			InferredResource: infer.Resource(&DefaultPrivileges{server: server}),
			InPlace:          []string{"privileges"},
			Unordered:        []string{"privileges"},
			Defaults:         map[string]any{"withGrantOption": false},
			DeleteFirst:      true,
		},
	}
}
