package config

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const project = "witchcityrope-database"

// minimal is the least that a new application's stack file needs.
func minimal() map[string]string { return map[string]string{"database": `{"name": "shop"}`} }

func TestShortStackFileIsEnough(t *testing.T) {
	stack, err := Decode(project, "dev", minimal())
	require.NoError(t, err)
	assert.Equal(t, "witchcityrope-database-dev", stack.Server.Name)
	assert.Equal(t, "witchcityrope-database-dev-data", stack.Storage.Volume)
	assert.Equal(t, "172.20.0.0/16", stack.Network.Subnet)
	assert.Equal(t, 5433, stack.Port())
	assert.Equal(t, "127.0.0.1", stack.Host())
	assert.Equal(t, Volume, stack.Storage.Type)
	assert.True(t, stack.TLS.Enabled)
	assert.Equal(t, "shop", stack.Access.Prefix)
	assert.Equal(t, 2048, stack.Server.Memory.MiB())
	assert.Equal(t, 512, stack.Server.MemoryReservation.MiB())
	assert.Equal(t, "10s", stack.Server.HealthCheck.Interval.String())
	assert.Equal(t, []Schema{{Name: "public"}}, stack.Database.Schemas)
}

func TestEveryStackFileIsValid(t *testing.T) {
	for _, name := range []string{"dev", "test", "prod"} {
		values, err := ReadFile("../Pulumi."+name+".yaml", project)
		require.NoError(t, err)
		stack, err := Decode(project, name, values)
		require.NoError(t, err, name)
		assert.LessOrEqual(t, stack.Budget().Planned(), stack.Budget().Available(), name)
	}
}

func TestGivenValuesReplaceDefaults(t *testing.T) {
	values := minimal()
	values["tls"] = `{"enabled": false}`
	values["server"] = `{"memory": 4294967296, "cpus": 0.5, "healthCheck": {"retries": 3}}`
	values["settings"] = `{"work_mem": "8MB", "random_page_cost": 1.1, "fsync": true, "max_connections": 120}`
	stack, err := Decode(project, "dev", values)
	require.NoError(t, err)
	assert.False(t, stack.TLS.Enabled)
	assert.Equal(t, 4096, stack.Server.Memory.MiB())
	assert.Equal(t, 3, stack.Server.HealthCheck.Retries)
	assert.Equal(t, "10s", stack.Server.HealthCheck.Interval.String(), "a neighbour of a given value keeps its default")
	assert.Equal(t, Settings{"work_mem": "8MB", "random_page_cost": "1.1", "fsync": "on", "max_connections": "120", "reserved_connections": "13"}, stack.Settings)
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	_, err := Decode(project, "dev", map[string]string{
		"server":  `{"image": "postgres:16", "memory": "1GiB", "memoryReservation": "2GiB"}`,
		"storage": `{"type": "bind"}`,
	})
	var faults Faults
	require.ErrorAs(t, err, &faults)
	var paths []string
	for _, fault := range faults {
		paths = append(paths, fault.Path)
		assert.NotEmpty(t, fault.Reason)
	}
	assert.Equal(t, []string{"server.image", "server.memoryReservation", "storage.path", "database.name"}, paths)
}

func FuzzDecode(f *testing.F) {
	for _, value := range []string{`{"name": "shop"}`, `{`, `null`, `[]`, `"text"`, `{"name": null}`, `{"schemas": [1]}`} {
		f.Add("database", value)
		f.Add("settings", value)
		f.Add("server", value)
		f.Add("access", value)
	}
	f.Add("rootSecretFrom", "local")
	f.Add("access", `{"from": {"app": ["internal", "10.0.0.0/8"]}, "rules": [{"type": "host", "databases": ["all"], "roles": ["+shop_rw"], "address": "10.0.0.0/8", "method": "reject"}]}`)
	f.Fuzz(func(t *testing.T, key, value string) {
		stack, err := Decode(project, "dev", map[string]string{"database": `{"name": "shop"}`, key: value})
		if err != nil {
			var faults Faults
			require.ErrorAs(t, err, &faults, "every fault of the user's is a Fault")
			return
		}
		require.NotNil(t, stack)
	})
}

func FuzzSize(f *testing.F) {
	f.Add("512MiB")
	f.Add("-1")
	f.Fuzz(func(t *testing.T, text string) {
		var size Size
		if size.UnmarshalText([]byte(text)) == nil {
			require.GreaterOrEqual(t, size, Size(0))
		}
	})
}

func FuzzDuration(f *testing.F) {
	f.Add("365d")
	f.Add("1h30m")
	f.Fuzz(func(t *testing.T, text string) {
		var duration, again Duration
		if duration.UnmarshalText([]byte(text)) != nil {
			return
		}
		require.NoError(t, again.UnmarshalText([]byte(duration.String())))
		require.Equal(t, duration, again, "what is written is read back")
	})
}
