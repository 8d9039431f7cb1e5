// Package configtest hands tests the configuration of the committed stacks.
package configtest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
)

// Project is the project's name in Pulumi.yaml.
const Project = "witchcityrope-database"

// Stacks are the committed ones.
func Stacks() []string { return []string{"dev", "test", "prod"} }

// Root is the folder of the project.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "Pulumi.yaml")); err == nil {
			return dir
		}
		require.NotEqual(t, filepath.Dir(dir), dir, "Pulumi.yaml is in no folder above the test")
		dir = filepath.Dir(dir)
	}
}

// Values are those of a committed stack file.
func Values(t testing.TB, stack string) map[string]string {
	t.Helper()
	values, err := config.ReadFile(filepath.Join(Root(t), "Pulumi."+stack+".yaml"), Project)
	require.NoError(t, err)
	return values
}

// Stack is the configuration of a committed stack, with some keys replaced.
func Stack(t testing.TB, stack string, replaced map[string]string) *config.Stack {
	t.Helper()
	values := Values(t, stack)
	for key, value := range replaced {
		values[key] = value
	}
	decoded, err := config.Decode(Project, stack, values)
	require.NoError(t, err)
	return decoded
}
