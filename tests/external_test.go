package tests

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/tests/program"
)

// external is a stack on a server that somebody else runs.
func external() program.Run {
	return program.Run{
		Stack: "managed",
		Values: map[string]string{
			"target":   `{"type": "external", "host": "db.example.org", "port": 25060, "username": "doadmin", "caFile": "/etc/ssl/managed-ca.crt"}`,
			"database": `{"name": "shop"}`,
		},
		Secret: map[string]string{config.RootSecretKey: program.RootSecret, config.AdministratorPasswordKey: "canary-administrator"},
	}
}

func TestExternalServerHasOnlyTheDatabasePlane(t *testing.T) {
	registrations, err := external().Do()
	require.NoError(t, err)
	types := map[string]int{}
	for _, registration := range registrations {
		resourceType := registration.Request.GetType()
		types[resourceType]++
		assert.False(t, strings.HasPrefix(resourceType, "docker:") || strings.HasPrefix(resourceType, "tls:"), resourceType)
		assert.Empty(t, registration.Request.GetDeletedWith(), registration.Request.GetName())
		if strings.HasPrefix(resourceType, "pulumi:providers:") {
			assert.Equal(t, "db.example.org", registration.Inputs["host"].StringValue())
			assert.Equal(t, "[secret]", masked(registration.Inputs["password"]))
		}
	}
	assert.Equal(t, 11, types["postgresql:index/role:Role"])
	assert.Zero(t, types["pgserver:index:ServerFile"])
}

// TestExternalServerTakesSettings: those of sessions always, those of the server if the stack says so.
func TestExternalServerTakesSettings(t *testing.T) {
	run := external()
	run.Values["target"] = `{"type": "external", "host": "db.example.org", "alterSystem": true}`
	run.Values["settings"] = `{"checkpoint_timeout": "10min"}`
	run.Values["database"] = `{"name": "shop", "settings": {"work_mem": "8MB"}}`
	registrations, err := run.Do()
	require.NoError(t, err)
	made := map[string]string{}
	for _, registration := range registrations {
		if value, is := registration.Inputs["value"]; is {
			made[registration.Request.GetType()+" "+registration.Inputs["name"].StringValue()] = value.StringValue()
		}
	}
	assert.Equal(t, map[string]string{"pgserver:index:SystemSetting checkpoint_timeout": "10min", "pgserver:index:SessionDefault work_mem": "8MB"}, made)
}

func TestExternalServerNeedsItsPassword(t *testing.T) {
	run := external()
	delete(run.Secret, config.AdministratorPasswordKey)
	registrations, err := run.Do()
	require.ErrorContains(t, err, "administratorPassword: an external server needs its superuser's password")
	assert.Empty(t, registrations)
}
