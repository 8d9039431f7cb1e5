package consequence

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/witchcityrope/database/internal/engine"
)

// inPlace are the properties that the docker plugin changes in a running container.
var inPlace = []string{
	"restart", "maxRetryCount", "cpuShares", "cpuSet", "memory", "memoryReservation", "memorySwap",
	// They matter when it is deleted, made or looked at.
	"destroyGraceSeconds", "removeVolumes", "mustRun", "wait", "waitTimeout",
}

// anew names the properties for which the docker plugin makes a container anew.
var anew = map[string]string{
	"command": "startup flags", "image": "image", "labels": "labels", "networksAdvanced": "networks", "ports": "published port",
	"volumes": "storage", "mounts": "storage", "tmpfs": "storage in memory", "cpus": "CPU limit", "shmSize": "size of /dev/shm",
	"logDriver": "log driver", "logOpts": "rotation of the log", "hostname": "host name", "name": "name", "stopTimeout": "time to stop",
	"stopSignal": "signal to stop", "healthcheck": "health check", "envs": "environment", "entrypoints": "entrypoint", "user": "user",
	"networkMode": "network mode", "dns": "name servers", "capabilities": "capabilities", "securityOpts": "security options",
}

func (w context) ofContainer(change engine.Change) Effect {
	switch change.Operation {
	case "update":
		return ofContainerInPlace(change)
	case "delete":
		effect := Effect{Class: Replaced, Reason: "the server is stopped for good", NeedsAllow: true}
		if inMemory(change.Before) {
			effect.Class = DataLoss
		}
		return effect
	}
	effect := w.ofReplacedContainer(change)
	switch {
	case inMemory(change.Before):
		effect.Class, effect.Reason = DataLoss, "the data in memory goes with its container: "+effect.Reason
	case storage(change.Before) != storage(change.After):
		effect.Class, effect.Reason = DataLoss, fmt.Sprintf("the server starts without the data of %s: %s", storage(change.Before), effect.Reason)
	}
	return effect
}

// ofContainerInPlace mistrusts the plugin: it says of some properties that it
// updates them, and does nothing.
func ofContainerInPlace(change engine.Change) Effect {
	var reasons, omitted []string
	for _, property := range properties(change) {
		if slices.Contains(inPlace, property) {
			reasons = append(reasons, property)
		} else {
			omitted = append(omitted, property)
		}
	}
	if len(omitted) > 0 {
		return Effect{Class: Replaced, NeedsAllow: true,
			Reason: fmt.Sprintf("the docker plugin does not change %s in a running container, though it says so", strings.Join(omitted, ", "))}
	}
	return Effect{Reason: "the running container gets " + differences(change, reasons)}
}

// ofReplacedContainer explains why a container is made anew.
func (w context) ofReplacedContainer(change engine.Change) Effect {
	if repair, known := w.facts.Repairs[change.Name]; known {
		return Effect{Class: Replaced, Reason: repair}
	}
	keys := names(change.Replaces)
	if len(keys) == 0 { // nothing of its own demands it: what it depends on is made anew
		keys = slices.DeleteFunc(properties(change), func(property string) bool { return anew[property] == "" })
	}
	explained := len(keys) > 0 && !slices.ContainsFunc(keys, func(name string) bool { return anew[name] == "" })
	if !explained && !w.networkGoes {
		return Effect{Class: Replaced, NeedsAllow: true,
			Reason: strings.TrimSuffix("nobody can say why the container is made anew: "+strings.Join(keys, ", "), ": ")}
	}
	flags := differentFlags(change.Before["command"], change.After["command"])
	if slices.Equal(keys, []string{"command"}) && len(flags) > 0 && !w.networkGoes {
		return Effect{Class: Restart, Reason: strings.Join(flags, ", ")}
	}
	effect := Effect{Class: Replaced}
	var reasons []string
	if w.networkGoes {
		reasons = append(reasons, "a network that it is on is made anew")
	}
	for _, property := range properties(change) {
		if anew[property] == "" {
			continue
		}
		switch property {
		case "command":
			reasons = append(reasons, flags...)
		case "image":
			var warning string
			warning, effect.NeedsAllow = ofImage(text(change.Before["image"]), text(change.After["image"]))
			reasons = append(reasons, warning)
		case "labels": // they stand for what the plugin does not compare
		default:
			reasons = append(reasons, strings.TrimSpace(anew[property]+" "+fromTo(change.Before[property], change.After[property])))
		}
	}
	if len(reasons) == 0 {
		reasons = []string{strings.Join(keys, ", ")}
	}
	slices.Sort(reasons)
	effect.Reason = strings.Join(slices.Compact(reasons), ", ")
	return effect
}

// flags are the settings among the arguments of the server.
func flags(command any) map[string]string {
	found := map[string]string{}
	arguments, _ := command.([]any)
	for i := 1; i < len(arguments); i++ {
		if name, value, is := strings.Cut(text(arguments[i]), "="); is && arguments[i-1] == "-c" {
			found[name] = value
		}
	}
	return found
}

func differentFlags(before, after any) []string {
	old, wanted := flags(before), flags(after)
	both := maps.Clone(old)
	maps.Copy(both, wanted)
	var changes []string
	for _, name := range slices.Sorted(maps.Keys(both)) {
		if old[name] != wanted[name] {
			changes = append(changes, settingChange(name, valueOf(old, name), valueOf(wanted, name)))
		}
	}
	return changes
}

func valueOf(values map[string]string, name string) any {
	if value, there := values[name]; there {
		return value
	}
	return nil
}

func inMemory(inputs map[string]any) bool {
	mounts, _ := inputs["tmpfs"].(map[string]any)
	return len(mounts) > 0
}

// storage is where a container has its data.
func storage(inputs map[string]any) string {
	if inMemory(inputs) {
		return "memory"
	}
	mounts, _ := inputs["volumes"].([]any)
	for _, mounted := range mounts {
		if fields, is := mounted.(map[string]any); is {
			return "volume " + text(fields["volumeName"])
		}
	}
	return "the container"
}
