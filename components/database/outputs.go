package database

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/privileges"
)

// export makes the stack's outputs. Their names are a contract with the API's
// deployment.
func (d *Database) export(ctx *pulumi.Context) error {
	all := pulumi.Map{}
	for _, client := range d.plan.clients {
		all[client.Name] = pulumi.ToMap(map[string]any{
			"internal": client.Internal.Map(), "external": client.External.Map(),
		})
		switch client.Name {
		case "app":
			ctx.Export("apiEnvironment", pulumi.ToSecret(pulumi.ToStringMap(client.Internal.Environment())))
		case "migrator":
			ctx.Export("migratorEnvironment", pulumi.ToSecret(pulumi.ToStringMap(client.Internal.Environment())))
		}
	}
	ctx.Export("connections", pulumi.ToSecret(all))
	ctx.Export("caCertificate", d.caCertificate())
	ctx.Export("server", d.serverOutput())
	ctx.Export("connectionBudget", budgetOutput(d.plan.stack.Budget()))
	if d.plan.stack.Target.Type == config.Container {
		ctx.Export("memoryBudget", memoryOutput(d.plan.stack.Memory()))
	}
	ctx.Export("access", accessOutput(d.plan.access.Model(d.plan.stack.Major()).Matrix()))
	ctx.Export("readme", pulumi.String(readme(d.plan.stack, d.plan.clients)))
	return nil
}

// caCertificate is empty where there is none of ours.
func (d *Database) caCertificate() pulumi.StringInput {
	if d.certificate == nil {
		return pulumi.String("")
	}
	return d.certificate.CA
}

func (d *Database) serverOutput() pulumi.Map {
	stack := d.plan.stack
	output := pulumi.Map{"type": pulumi.String(string(stack.Target.Type)), "host": pulumi.String(stack.Host()), "port": pulumi.Int(stack.Port())}
	if d.server == nil {
		return output
	}
	output["containerName"] = pulumi.String(stack.Server.Name)
	output["image"] = pulumi.String(d.plan.server.Image)
	output["version"] = d.server.Version
	output["network"] = pulumi.String(stack.Network.Name)
	output["adminNetwork"] = pulumi.String(stack.Network.AdminName)
	output["networkAlias"] = pulumi.String(stack.Network.Alias)
	output["storage"] = pulumi.String(string(stack.Storage.Type))
	if d.certificate != nil {
		output["caGeneration"] = pulumi.Int(stack.TLS.CAGeneration)
	}
	if stack.Storage.Type != config.Tmpfs {
		output["volume"] = pulumi.String(stack.Storage.Volume)
	}
	return output
}

func budgetOutput(budget config.Budget) pulumi.Map {
	holders := pulumi.Map{}
	for _, holder := range budget.Holders {
		holders[holder.Client] = pulumi.Int(holder.Connections)
	}
	return pulumi.Map{
		"maxConnections":    pulumi.Int(budget.MaxConnections),
		"superuserReserved": pulumi.Int(budget.SuperuserReserved),
		"reserved":          pulumi.Int(budget.Reserved),
		"planned":           pulumi.Int(budget.Planned()),
		"free":              pulumi.Int(budget.Available() - budget.Planned()),
		"holders":           holders,
	}
}

func memoryOutput(budget config.MemoryBudget) pulumi.Map {
	return pulumi.Map{
		"available":  pulumi.Int(int(budget.Available)),
		"planned":    pulumi.Int(int(budget.Planned())),
		"arithmetic": pulumi.String(budget.Arithmetic()),
	}
}

// accessOutput is who may do what: verbs by object and role. The next preview
// compares with it.
func accessOutput(matrix privileges.Matrix) pulumi.Map {
	output := pulumi.Map{}
	for object, roles := range matrix {
		may := pulumi.Map{}
		for role, verbs := range roles {
			list := pulumi.StringArray{}
			for _, verb := range verbs {
				list = append(list, pulumi.String(verb))
			}
			may[role] = list
		}
		output[object] = may
	}
	return output
}
