package engine

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestBackend: the variable wins over a login, which wins over the project's folder.
func TestBackend(t *testing.T) {
	project := newProject(t, "config: {}\n")
	own := "file://" + filepath.ToSlash(project.StateDir())
	const login = `{"current": "https://state.example", "accessTokens": {}, "accounts": {}}`
	for name, c := range map[string]struct{ variable, credentials, want string }{
		"nothing said":         {want: own},
		"a login":              {credentials: login, want: "https://state.example"},
		"logged out":           {credentials: `{"current": ""}`, want: own},
		"the variable":         {variable: "s3://states", want: "s3://states"},
		"variable and a login": {variable: "s3://states", credentials: login, want: "s3://states"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("PULUMI_CREDENTIALS_PATH", dir)
			t.Setenv("PULUMI_BACKEND_URL", c.variable)
			if c.credentials != "" {
				require.NoError(t, os.WriteFile(filepath.Join(dir, "credentials.json"), []byte(c.credentials), 0o600))
			}
			url, err := project.backend()
			require.NoError(t, err)
			assert.Equal(t, c.want, url)
		})
	}
	t.Run("credentials that nobody can read", func(t *testing.T) {
		dir := t.TempDir()
		t.Setenv("PULUMI_CREDENTIALS_PATH", dir)
		t.Setenv("PULUMI_BACKEND_URL", "")
		require.NoError(t, os.WriteFile(filepath.Join(dir, "credentials.json"), []byte("{"), 0o600))
		_, err := project.backend()
		assert.ErrorContains(t, err, "credentials of Pulumi")
	})
}
