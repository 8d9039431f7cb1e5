package consequence

import (
	"fmt"
	"slices"
	"strings"

	"github.com/witchcityrope/database/internal/engine"
)

// Types of the resources whose changes cost something.
const (
	containerType = "docker:index/container:Container"
	volumeType    = "docker:index/volume:Volume"
	networkType   = "docker:index/network:Network"
	leafType      = "tls:index/locallySignedCert:LocallySignedCert"
	caType        = "tls:index/selfSignedCert:SelfSignedCert"
	superuserType = "pgserver:index:Superuser"
	fileType      = "pgserver:index:ServerFile"
	settingType   = "pgserver:index:SystemSetting"
	sessionType   = "pgserver:index:SessionDefault"
	databaseType  = "pgserver:index:Database"
	roleType      = "postgresql:index/role:Role"
)

// judges know what a change of a type of resource means.
var judges = map[string]func(context, engine.Change) Effect{
	containerType: context.ofContainer,
	volumeType:    context.ofVolume,
	networkType:   context.ofNetwork,
	leafType:      context.ofLeaf,
	superuserType: context.ofSuperuser,
	fileType:      context.ofFile,
	settingType:   context.ofSetting,
	sessionType:   context.ofSessionDefault,
	databaseType:  context.ofDatabase,
	roleType:      context.ofRole,
}

// harmless are beginnings of types that nobody who uses the database notices,
// whatever becomes of them.
var harmless = map[string]string{
	"pulumi:":     "",
	"database:":   "",
	"pgserver:":   "",
	"postgresql:": "",
	"tls:":        "",
	// Kept locally: the image itself is never removed.
	"docker:index/remoteImage:": "",
}

// context of a change: what else happens in the run.
type context struct {
	facts     Facts
	container string // what becomes of the container; empty if nothing
	// networkGoes: one of the container's networks is made anew.
	networkGoes bool
	// newCA: a CA has a name or a key that clients do not know.
	newCA bool
	// renewed and kept: certificates are made anew, or only their conditions change.
	renewed, kept bool
}

// of looks at all changes of a run.
func of(changes []engine.Change, facts Facts) context {
	found := context{facts: facts}
	for _, change := range changes {
		anew := change.Operation == "create" || change.Operation == "replace"
		switch {
		case change.Type == containerType && !engine.IsBackupAgent(change.Name) && slices.Contains(done, change.Operation):
			found.container = change.Operation
		case change.Type == networkType && (change.Operation == "replace" || change.Operation == "delete"):
			found.networkGoes = true
		case strings.HasPrefix(change.Type, "tls:") && anew:
			found.renewed = true
			found.newCA = found.newCA || change.Type == caType && (change.Operation == "create" || differs(change, "subject") || differs(change, "privateKeyPem"))
		case strings.HasPrefix(change.Type, "tls:") && change.Operation == "update":
			found.kept = true
		}
	}
	return found
}

// done are the operations that change something; all others are what was found.
var done = []string{"create", "update", "replace", "delete", "import", engine.Ignored}

// judge classes one change.
func (w context) judge(change engine.Change) Effect {
	if !slices.Contains(done, change.Operation) {
		return Effect{Reason: "changed by hand: " + strings.Join(append([]string{change.Operation}, change.Properties...), " ")}
	}
	if change.Operation == engine.Ignored {
		return Effect{Reason: fmt.Sprintf("the plugin takes note of %s and does nothing", differences(change, change.Properties))}
	}
	if engine.IsBackupAgent(change.Name) {
		return Effect{Reason: "of the container that makes backups, which nobody who uses the database notices"}
	}
	if inServer(change.Type) && change.Operation == "replace" && w.containerGoes() && len(change.Replaces) == 0 {
		return Effect{Reason: "made anew with the container"}
	}
	if judge, known := judges[change.Type]; known {
		if change.Operation == "create" && change.Type != settingType && change.Type != fileType && change.Type != sessionType {
			return Effect{}
		}
		return judge(w, change)
	}
	for beginning, reason := range harmless {
		if strings.HasPrefix(change.Type, beginning) {
			return Effect{Reason: reason}
		}
	}
	if change.Operation == "replace" || change.Operation == "delete" {
		return Effect{Class: Replaced, Reason: "nothing is known of what depends on it", NeedsAllow: true}
	}
	return Effect{}
}

// containerGoes says whether the container ends, and another may follow.
func (w context) containerGoes() bool { return w.container == "replace" || w.container == "delete" }

// inServer says whether a resource lives inside the server.
func inServer(resourceType string) bool {
	return strings.HasPrefix(resourceType, "pgserver:") || strings.HasPrefix(resourceType, "postgresql:")
}

func (w context) ofVolume(change engine.Change) Effect {
	volume := text(change.Before["name"])
	switch {
	case change.Operation == "update":
		return Effect{}
	case change.Kept:
		return Effect{Class: DataLoss, Reason: fmt.Sprintf("volume %s stays in Docker, and nobody uses it any more", volume)}
	case change.Operation == "replace":
		return Effect{Class: DataLoss, Reason: fmt.Sprintf("volume %s is deleted with all its data (%s)", volume, differences(change, change.Replaces))}
	default:
		return Effect{Class: DataLoss, Reason: fmt.Sprintf("volume %s is deleted with all its data", volume)}
	}
}

func (w context) ofNetwork(change engine.Change) Effect {
	if change.Operation == "update" {
		return Effect{}
	}
	becomes := "deleted"
	if change.Operation == "replace" {
		becomes = "made anew (" + differences(change, change.Replaces) + ")"
	}
	return Effect{Class: Replaced, Reason: fmt.Sprintf("network %s is %s: other containers must leave it before", text(change.Before["name"]), becomes)}
}

// ofLeaf knows the server's certificate. Its file has effects of its own; here
// counts whether clients can verify it with the CA that they have.
func (w context) ofLeaf(change engine.Change) Effect {
	if w.newCA && isUnknown(change.After["caCertPem"]) && change.Before["caCertPem"] != nil {
		return Effect{Class: NewSessions, Reason: "its CA is made anew: clients need the new one (output caCertificate) to verify the server"}
	}
	return Effect{}
}

func (w context) ofSuperuser(change engine.Change) Effect {
	if differs(change, "verifier") {
		return Effect{Class: NewSessions, Reason: "the superuser's password changes"}
	}
	return Effect{Reason: "waits for the new server"}
}

func (w context) ofFile(change engine.Change) Effect {
	file := text(either(change)["path"])
	switch {
	case either(change)["reload"] == false:
		return Effect{Reason: file + " is written anew"}
	case change.Operation == "update" && w.kept && !w.renewed && either(change)["check"] == "tls":
		return Effect{Reason: file + " keeps its certificate"}
	case w.containerGoes():
		return Effect{Class: Reload, Reason: file + " is written once the new server runs"}
	}
	reason := map[any]string{
		"hba": "who may come in, decided when a session begins",
		"tls": "the certificate that new sessions see",
	}[either(change)["check"]]
	return Effect{Class: Reload, Reason: strings.TrimSuffix(file+": "+reason, ": ")}
}

// ofSetting follows the catalogue's context of the setting (pg_settings.context).
func (w context) ofSetting(change engine.Change) Effect {
	name := text(either(change)["name"])
	reason := settingChange(name, change.Before["value"], change.After["value"])
	switch w.contextOf(name) {
	case "backend", "superuser-backend":
		return Effect{Class: NewSessions, Reason: reason}
	case "postmaster":
		return Effect{Class: Reload, Reason: reason + ", in effect at the next restart"}
	default:
		return Effect{Class: Reload, Reason: reason}
	}
}

func (w context) contextOf(setting string) string {
	if w.facts.Context == nil {
		return ""
	}
	return w.facts.Context(setting)
}

func (w context) ofSessionDefault(change engine.Change) Effect {
	inputs := either(change)
	whose := strings.TrimSpace(text(inputs["role"]) + " in " + text(inputs["database"]))
	whose = strings.TrimPrefix(strings.TrimSuffix(whose, " in"), "in ")
	return Effect{Class: NewSessions, Reason: fmt.Sprintf("%s, for %s",
		settingChange(text(inputs["name"]), change.Before["value"], change.After["value"]), whose)}
}

func (w context) ofDatabase(change engine.Change) Effect {
	name := text(change.Before["name"])
	switch change.Operation {
	case "replace":
		return Effect{Class: DataLoss, Reason: fmt.Sprintf("the application finds database %s, new and empty; %s stays in the server, and nobody is connected to it",
			text(change.After["name"]), name)}
	case "delete":
		return Effect{Reason: fmt.Sprintf("database %s stays in the server", name)}
	}
	return Effect{}
}

// sessionStart are the inputs of a role that decide how a session begins.
var sessionStart = map[string]string{
	"password": "another password", "searchPaths": "search_path", "statementTimeout": "statement_timeout",
	"idleInTransactionSessionTimeout": "idle_in_transaction_session_timeout", "assumeRole": "the role that its sessions act as",
	"login": "whether it may log in", "connectionLimit": "how many sessions it may have", "validUntil": "until when its password counts",
}

func (w context) ofRole(change engine.Change) Effect {
	if change.Operation == "delete" || change.Operation == "replace" {
		return Effect{Class: NewSessions, Reason: fmt.Sprintf("role %s is dropped: nobody can log in as it any more, and what it owns goes to the superuser",
			text(change.Before["name"]))}
	}
	var reasons []string
	for _, property := range change.Properties {
		if reason, counts := sessionStart[topLevel(property)]; counts {
			reasons = append(reasons, reason)
		}
	}
	if len(reasons) == 0 {
		return Effect{}
	}
	return Effect{Class: NewSessions, Reason: strings.Join(reasons, ", ")}
}
