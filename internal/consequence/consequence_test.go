package consequence

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/engine"
)

type inputs = map[string]any

func command(flags ...string) []any {
	arguments := []any{"postgres"}
	for _, flag := range flags {
		arguments = append(arguments, "-c", flag)
	}
	return arguments
}

// server is a container on a volume.
func server(changed inputs) inputs {
	made := inputs{"image": "postgres:16.14-alpine@sha256:0123456789abcdef", "command": command("work_mem=4MB"), "memory": 2048.0,
		"volumes": []any{inputs{"volumeName": "data"}}, "__defaults": []any{}}
	for name, value := range changed {
		made[name] = value
	}
	return made
}

func container(before, after inputs, replaces ...string) engine.Change {
	operation := "replace"
	if len(replaces) == 0 {
		operation = "update"
	}
	change := engine.Change{Operation: operation, Type: containerType, Name: "server", Before: server(before), After: server(after), Replaces: replaces}
	change.Properties = properties(change)
	return change
}

var contexts = map[string]string{"work_mem": "user", "log_connections": "superuser-backend", "max_connections": "postmaster", "checkpoint_timeout": "sighup"}

func TestChangesHaveConsequences(t *testing.T) {
	in := inputs{"tmpfs": inputs{"/data": "rw"}, "volumes": nil}
	made := func(operation, resourceType string, before, after inputs, properties ...string) engine.Change {
		return engine.Change{Operation: operation, Type: resourceType, Name: "x", Before: before, After: after, Properties: properties}
	}
	because := func(change engine.Change, replaces ...string) engine.Change {
		change.Replaces = replaces
		return change
	}
	kept := func(change engine.Change) engine.Change { change.Kept = true; return change }
	for name, row := range map[string]struct {
		change engine.Change
		class  Class
		reason string
		allow  bool
	}{
		"flag":                {container(nil, inputs{"command": command("work_mem=8MB")}, "command[2]"), Restart, "work_mem 4MB → 8MB", false},
		"flag comes and goes": {container(nil, inputs{"command": command("port=1")}, "command"), Restart, "port = 1, work_mem no longer set", false},
		"flag and limit":      {container(nil, inputs{"command": command("work_mem=8MB"), "cpus": "1.0"}, "command", "cpus"), Replaced, "CPU limit, work_mem 4MB → 8MB", false},
		"limit in place":      {container(nil, inputs{"memory": 3072.0}), Online, "the running container gets memory 2048 → 3072", false},
		"said to be in place": {container(nil, inputs{"healthcheck": inputs{"interval": "1s"}}), Replaced, "the docker plugin does not change healthcheck in a running container, though it says so", true},
		"seen by a label": {container(inputs{"healthcheck": inputs{"interval": "1s"}, "labels": []any{"a"}}, inputs{"healthcheck": inputs{"interval": "2s"}, "labels": []any{"b"}}, "labels"),
			Replaced, "health check", false},
		"patch":                     {container(nil, inputs{"image": "postgres:16.15-alpine@sha256:ffffffffffffffff"}, "image"), Replaced, "image postgres:16.14-alpine@01234567 → postgres:16.15-alpine@ffffffff", false},
		"major":                     {container(nil, inputs{"image": "postgres:17.1-alpine"}, "image"), Replaced, "image postgres:16.14-alpine@01234567 → postgres:17.1-alpine: PostgreSQL 17 does not start on data of PostgreSQL 16, which has to be dumped and restored", true},
		"C library":                 {container(nil, inputs{"image": "postgres:16.14-bookworm"}, "image"), Replaced, "image postgres:16.14-alpine@01234567 → postgres:16.14-bookworm: another C library sorts text otherwise, and indexes on text have to be built anew", true},
		"nobody can explain":        {because(container(nil, nil, "bridge"), "bridge"), Replaced, "nobody can say why the container is made anew: bridge", true},
		"in memory":                 {container(in, map[string]any{"tmpfs": in["tmpfs"], "volumes": nil, "command": command("work_mem=8MB")}, "command"), DataLoss, "the data in memory goes with its container: work_mem 4MB → 8MB", true},
		"from a volume into memory": {container(nil, in, "volumes"), DataLoss, "the server starts without the data of volume data: storage, storage in memory", true},
		"stopped for good":          {made("delete", containerType, server(nil), nil), Replaced, "the server is stopped for good", true},
		"volume renamed":            {because(made("replace", volumeType, inputs{"name": "a"}, inputs{"name": "b"}, "name"), "name"), DataLoss, "volume a is deleted with all its data (name a → b)", true},
		"volume deleted":            {made("delete", volumeType, inputs{"name": "a"}, nil), DataLoss, "volume a is deleted with all its data", true},
		"volume kept":               {kept(made("delete", volumeType, inputs{"name": "a"}, nil)), DataLoss, "volume a stays in Docker, and nobody uses it any more", true},
		"volume":                    {made("create", volumeType, nil, inputs{"name": "a"}), Online, "", false},
		"network": {because(made("replace", networkType, inputs{"name": "n", "driver": "a"}, inputs{"name": "n", "driver": "b"}, "driver"), "driver"), Replaced,
			"network n is made anew (driver a → b): other containers must leave it before", false},
		"access rules":    {made("update", fileType, inputs{}, inputs{"path": "pg_hba.conf", "reload": true, "check": "hba"}, "content"), Reload, "pg_hba.conf: who may come in, decided when a session begins", false},
		"file that lies":  {made("update", fileType, inputs{}, inputs{"path": "ca.crt", "reload": false, "check": "none"}, "content"), Online, "ca.crt is written anew", false},
		"setting":         {made("update", settingType, inputs{"name": "work_mem", "value": "4MB"}, inputs{"name": "work_mem", "value": "8MB"}, "value"), Reload, "work_mem 4MB → 8MB", false},
		"new setting":     {made("create", settingType, nil, inputs{"name": "checkpoint_timeout", "value": "10min"}), Reload, "checkpoint_timeout = 10min", false},
		"setting goes":    {made("delete", settingType, inputs{"name": "work_mem", "value": "4MB"}, nil), Reload, "work_mem no longer set", false},
		"of new sessions": {made("create", settingType, nil, inputs{"name": "log_connections", "value": "on"}), NewSessions, "log_connections = on", false},
		"of the next start": {made("update", settingType, inputs{"name": "max_connections", "value": "1"}, inputs{"name": "max_connections", "value": "2"}), Reload,
			"max_connections 1 → 2, in effect at the next restart", false},
		"of a role":         {made("create", sessionType, nil, inputs{"role": "app", "name": "work_mem", "value": "1MB"}), NewSessions, "work_mem = 1MB, for app", false},
		"of a database":     {made("delete", sessionType, inputs{"database": "d", "name": "work_mem", "value": "1MB"}, nil), NewSessions, "work_mem no longer set, for d", false},
		"password":          {made("update", roleType, inputs{}, inputs{"name": "app"}, "password"), NewSessions, "another password", false},
		"membership":        {made("update", roleType, inputs{}, inputs{"name": "app"}, "roles[0]"), Online, "", false},
		"role dropped":      {made("delete", roleType, inputs{"name": "app"}, nil), NewSessions, "role app is dropped: nobody can log in as it any more, and what it owns goes to the superuser", false},
		"superuser":         {made("update", superuserType, inputs{}, inputs{}, "verifier"), NewSessions, "the superuser's password changes", false},
		"another database":  {because(made("replace", databaseType, inputs{"name": "a"}, inputs{"name": "b"}, "name"), "name"), DataLoss, "the application finds database b, new and empty; a stays in the server, and nobody is connected to it", true},
		"leaf":              {because(made("replace", leafType, inputs{"caCertPem": "a"}, inputs{"caCertPem": "b"}), "caCertPem"), Online, "", false},
		"grant":             {because(made("replace", "pgserver:index:ObjectGrant", inputs{}, inputs{}), "role"), Online, "", false},
		"of unknown type":   {made("replace", "other:index:Thing", inputs{}, inputs{}), Replaced, "nothing is known of what depends on it", true},
		"ignored":           {made(engine.Ignored, "docker:index/network:Network", inputs{"a": "1"}, inputs{"a": "2"}, "a"), Online, "the plugin takes note of a 1 → 2 and does nothing", false},
		"drift":             {made("drifted", containerType, nil, nil, "memory"), Online, "changed by hand: drifted memory", false},
		"created container": {made("create", containerType, nil, server(nil)), Online, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			forecast := New([]engine.Change{row.change}, Facts{Context: func(name string) string { return contexts[name] }})
			require.Len(t, forecast.Effects, 1)
			effect := forecast.Effects[0]
			assert.Equal(t, row.class, effect.Class)
			assert.Equal(t, row.reason, effect.Reason)
			assert.Equal(t, row.allow, effect.NeedsAllow)
		})
	}
}

func TestResourcesInAServerGoWithIt(t *testing.T) {
	forecast := New([]engine.Change{
		container(inputs{"tmpfs": inputs{"/data": "rw"}}, inputs{"tmpfs": inputs{"/data": "rw"}, "cpus": "1.0"}, "cpus"),
		{Operation: "replace", Type: databaseType, Name: "database", Before: inputs{"name": "a"}, After: inputs{"name": "a"}},
	}, Facts{})
	assert.Equal(t, "made anew with the container", forecast.Effects[1].Reason)
	assert.False(t, forecast.Effects[1].NeedsAllow)
}

// TestCertificates: what clients must do follows from how the CA changes.
func TestCertificates(t *testing.T) {
	leaf := engine.Change{Operation: "replace", Type: leafType, Name: "leaf", Before: inputs{"caCertPem": "a"}, After: inputs{"caCertPem": unknown}, Replaces: []string{"caCertPem"}}
	file := engine.Change{Operation: "update", Type: fileType, Name: "file", After: inputs{"path": "server.pem", "reload": true, "check": "tls"}, Properties: []string{"content"}}
	ca := func(operation string, properties ...string) engine.Change {
		return engine.Change{Operation: operation, Type: caType, Name: "ca", Properties: properties, Replaces: properties}
	}
	condition := engine.Change{Operation: "update", Type: leafType, Name: "leaf", Properties: []string{"earlyRenewalHours"}}
	for name, row := range map[string]struct {
		changes []engine.Change
		want    Class
	}{
		"another name of the CA": {[]engine.Change{ca("replace", "subject"), leaf, file}, NewSessions},
		"another key":            {[]engine.Change{ca("replace", "privateKeyPem"), leaf, file}, NewSessions},
		"a CA nobody knows":      {[]engine.Change{ca("create"), leaf, file}, NewSessions},
		"the same CA, renewed":   {[]engine.Change{ca("replace", "validityPeriodHours"), leaf, file}, Reload},
		"renewed":                {[]engine.Change{{Operation: "replace", Type: leafType}, file}, Reload},
		"changed by hand":        {[]engine.Change{file}, Reload},
		"renewed earlier":        {[]engine.Change{condition, file}, Online},
	} {
		assert.Equal(t, row.want, New(row.changes, Facts{}).Class, name)
	}
}

func TestANetworkTakesTheContainerWithIt(t *testing.T) {
	forecast := New([]engine.Change{
		{Operation: "replace", Type: networkType, Name: "network", Before: inputs{"name": "n"}, After: inputs{"name": "n"}, Replaces: []string{"ipamConfigs"}},
		{Operation: "replace", Type: containerType, Name: "server", Before: server(nil), After: server(inputs{"command": command("work_mem=8MB")})},
	}, Facts{})
	assert.Equal(t, Replaced, forecast.Class)
	assert.Equal(t, "a network that it is on is made anew, work_mem 4MB → 8MB", forecast.Effects[1].Reason)
	assert.Empty(t, forecast.Refused(nil))
}

func TestTheOrderOfASetIsNoDifference(t *testing.T) {
	change := container(nil, inputs{"memory": 3072.0})
	change.Properties = append(change.Properties, "networksAdvanced[0].aliases[0]")
	assert.Equal(t, "the running container gets memory 2048 → 3072", New([]engine.Change{change}, Facts{}).Effects[0].Reason)
}

func TestARepairIsExplained(t *testing.T) {
	change := engine.Change{Operation: "replace", Type: containerType, Name: "server", Before: server(nil), After: server(nil)}
	assert.True(t, New([]engine.Change{change}, Facts{}).Effects[0].NeedsAllow)
	repaired := New([]engine.Change{change}, Facts{Repairs: map[string]string{"server": "its network is gone"}}).Effects[0]
	assert.False(t, repaired.NeedsAllow)
	assert.Equal(t, "its network is gone", repaired.Reason)
}

func TestForecast(t *testing.T) {
	restart := container(nil, inputs{"command": command("work_mem=8MB")}, "command")
	role := engine.Change{Operation: "create", Type: roleType, Name: "role"}
	loss := engine.Change{Operation: "delete", Type: volumeType, Name: "volume", Before: inputs{"name": "v"}}

	nothing := New(nil, Facts{})
	assert.Equal(t, "up would change nothing", nothing.Summary())
	assert.Equal(t, Online, nothing.Class)

	online := New([]engine.Change{role}, Facts{Interruptions: map[Class]time.Duration{Restart: time.Second}})
	assert.Equal(t, Online, online.Interruption())
	assert.Equal(t, "online, no interruption (1 online)", online.Summary())
	assert.Empty(t, online.Asks(nil))

	guessed := New([]engine.Change{role, restart}, Facts{})
	assert.Equal(t, "restart, about 3.0 s of interruption, a guess: none was measured yet (1 restart, 1 online)", guessed.Summary())
	facts := Facts{Interruptions: map[Class]time.Duration{Restart: 1500 * time.Millisecond}}
	measured := New([]engine.Change{role, restart}, facts)
	assert.Equal(t, "restart, about 1.5 s of interruption, as long as the last one (1 restart, 1 online)", measured.Summary())
	assert.Equal(t, "server", measured.Effects[0].Name, "the dearest comes first")
	assert.Equal(t, Restart, measured.Interruption())
	replaced := New([]engine.Change{container(nil, inputs{"cpus": "1.0"}, "cpus")}, facts)
	assert.Equal(t, "container replaced, about 3.0 s of interruption, a guess: none was measured yet (1 container replaced)", replaced.Summary(), "only restarts were")
	assert.Len(t, measured.Asks(nil), 1)
	assert.Empty(t, measured.Refused(nil))

	lost := New([]engine.Change{role, loss}, Facts{})
	assert.Equal(t, "DATA LOSS (1 data loss, 1 online)", lost.Summary())
	assert.Equal(t, Restart, New([]engine.Change{loss, restart}, Facts{}).Interruption(), "what is lost does not keep the server away")
	assert.Len(t, lost.Refused([]string{"role"}), 1)
	assert.Empty(t, lost.Refused([]string{"volume"}))
	assert.Empty(t, lost.Asks([]string{"volume"}), "naming it answers the question too")
}

func TestForecastAsJSON(t *testing.T) {
	forecast := New([]engine.Change{container(nil, inputs{"command": command("work_mem=8MB")}, "command")}, Facts{Interruptions: map[Class]time.Duration{Restart: time.Second}})
	encoded, err := json.Marshal(forecast)
	require.NoError(t, err)
	assert.JSONEq(t, `{"class": "restart", "seconds": 1, "measured": true, "effects": [{"operation": "replace", "type": "docker:index/container:Container",
		"name": "server", "properties": ["command"], "class": "restart", "reason": "work_mem 4MB → 8MB", "seconds": 1}]}`, string(encoded))
	var back Forecast
	require.NoError(t, json.Unmarshal(encoded, &back))
	assert.Equal(t, Restart, back.Effects[0].Class)
	assert.Error(t, json.Unmarshal([]byte(`{"class": "nonsense"}`), &back))
}

func TestMarkdown(t *testing.T) {
	forecast := New([]engine.Change{
		{Operation: "create", Type: roleType, Name: "a"}, {Operation: "create", Type: roleType, Name: "b"},
		{Operation: "update", Type: "pulumi:providers:docker", Name: "docker", Properties: []string{"x|y"}},
		{Operation: "delete", Type: volumeType, Name: "volume", Before: inputs{"name": "v"}},
	}, Facts{})
	assert.Equal(t, "### `wcrdb preview -s prod`\n\n**DATA LOSS (1 data loss, 3 online)**\n\n"+
		"| consequence | change | resource | why |\n|---|---|---|---|\n"+
		"| DATA LOSS | delete | `volume` | volume v is deleted with all its data |\n"+
		"| online | create | `2 × Role` |  |\n"+
		"| online | update | `docker` | x\\|y |\n"+
		"\n`up` refuses this unless it is allowed by name: `--allow volume`\n", forecast.Markdown("prod"))
	assert.Equal(t, "### `wcrdb preview -s prod`\n\n**up would change nothing**\n", New(nil, Facts{}).Markdown("prod"))
}
