//go:build unix

package doctor

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/acquire"
)

// program puts a shell script into dir.
func program(t *testing.T, dir, name, body string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+body+"\n"), 0o755))
}

func TestCLI(t *testing.T) {
	for name, test := range map[string]struct {
		programs map[string]string
		cached   bool
		level    Level
		what     string
	}{
		"on PATH":                {map[string]string{"pulumi": "echo v3.260.0"}, false, OK, "Pulumi v3.260.0 at "},
		"in the cache":           {nil, true, OK, "Pulumi v3.259.0 at "},
		"too old, one in cache":  {map[string]string{"pulumi": "echo v3.1.0"}, true, Warning, "it is v3.1.0"},
		"too old, to be built":   {map[string]string{"pulumi": "echo v3.1.0", "go": ""}, false, Warning, "it is v3.1.0, 3.259.0 or a later 3.x is needed; 3.259.0 will be built"},
		"none, to be built":      {map[string]string{"go": ""}, false, Warning, "there is no Pulumi CLI; 3.259.0 will be built"},
		"none, cannot be built":  {nil, false, Fault, "there is no Pulumi CLI, and no go on PATH"},
		"too old, nor any other": {map[string]string{"pulumi": "echo v3.1.0"}, false, Fault, "no go on PATH"},
	} {
		t.Run(name, func(t *testing.T) {
			path, cache := t.TempDir(), t.TempDir()
			t.Setenv("PATH", path)
			t.Setenv("WCRDB_CACHE", cache)
			for name, body := range test.programs {
				program(t, path, name, body)
			}
			if test.cached {
				folder := filepath.Join(cache, "pulumi-"+acquire.PulumiVersion)
				require.NoError(t, os.Mkdir(folder, 0o700))
				program(t, folder, "pulumi", "")
			}
			got := checkCLI(t.Context())
			assert.Equal(t, test.level, got.Level, "%+v", got)
			assert.Contains(t, got.What, test.what)
		})
	}
}

func TestPlugin(t *testing.T) {
	plugin := acquire.Plugin{Name: "tls", Version: "5.5.1"}
	for name, test := range map[string]struct {
		change   func(*acquire.Plugin)
		standIns bool
		level    Level
		what     string
	}{
		"installed":   {func(p *acquire.Plugin) { p.Published = true }, false, OK, "tls@v5.5.1 is installed"},
		"not tried":   {func(*acquire.Plugin) {}, false, OK, "will be installed, if it can be downloaded"},
		"stood in":    {func(p *acquire.Plugin) { p.Why = "no such host" }, true, Warning, "a stand-in is used instead of tls@v5.5.1: no such host"},
		"not allowed": {func(p *acquire.Plugin) { p.Why = "no such host" }, false, Fault, "stand-ins are not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			p := plugin
			test.change(&p)
			got := checkPlugin(p, test.standIns)
			assert.Equal(t, "plugin tls", got.Check)
			assert.Equal(t, test.level, got.Level)
			assert.Contains(t, got.What, test.what)
		})
	}
}

func TestAllPluginsAreExamined(t *testing.T) {
	ownCache(t)
	t.Setenv("PULUMI_HOME", t.TempDir())
	report := checkPulumi(t.Context(), true)
	for _, name := range []string{"docker", "postgresql", "tls"} {
		assert.Equal(t, OK, finding(t, report, "plugin "+name).Level)
	}
}
