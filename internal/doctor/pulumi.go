package doctor

import (
	"context"
	"fmt"
	"os/exec"

	"github.com/witchcityrope/database/internal/acquire"
)

// checkPulumi examines the Pulumi CLI and the plugins that it has.
func checkPulumi(ctx context.Context, standIns bool) Report {
	report := Report{checkCLI(ctx)}
	plugins, err := acquire.FindPlugins()
	if err != nil {
		return append(report, failed("plugins", err))
	}
	for _, plugin := range plugins {
		report = append(report, checkPlugin(plugin, standIns))
	}
	return report
}

func checkCLI(ctx context.Context) Finding {
	const check = "pulumi"
	found, err := acquire.FindCLI(ctx)
	switch {
	case err != nil:
		return failed(check, err)
	case found.Path != "" && found.Remark != "":
		return warning(check, fmt.Sprintf("%s; %s (%s) is used", found.Remark, found.Path, found.Version), "upgrade the one on PATH, or leave it")
	case found.Path != "":
		return ok(check, "Pulumi %s at %s", found.Version, found.Path)
	}
	what := "there is no Pulumi CLI"
	if found.Remark != "" {
		what = found.Remark
	}
	if _, err := exec.LookPath("go"); err != nil {
		return fault(check, what+", and no go on PATH to build one with",
			"install Pulumi (https://www.pulumi.com/docs/install/) or Go (https://go.dev/doc/install)")
	}
	return warning(check, what+"; "+acquire.PulumiVersion+" will be built from its Go module, which takes some minutes, once",
		"to save the time, install Pulumi: https://www.pulumi.com/docs/install/")
}

func checkPlugin(plugin acquire.Plugin, standIns bool) Finding {
	check := "plugin " + plugin.Name
	remedy := fmt.Sprintf("where there is a way to get.pulumi.com: pulumi plugin install resource %s %s", plugin.Name, plugin.Version)
	switch {
	case plugin.Published:
		return ok(check, "%s is installed", plugin)
	case plugin.Why == "":
		return ok(check, "%s will be installed, if it can be downloaded", plugin)
	case !standIns:
		return fault(check, fmt.Sprintf("%s cannot be installed: %s; stand-ins are not allowed for this stack", plugin, plugin.Why),
			remedy+", or allow stand-ins with --stand-ins")
	}
	return warning(check, fmt.Sprintf("a stand-in is used instead of %s: %s", plugin, plugin.Why), remedy)
}
