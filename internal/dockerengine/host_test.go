package dockerengine_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/docker/docker/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/dockerengine"
)

const remote = "tcp://127.0.0.1:23750"

func TestDefaultHost(t *testing.T) {
	for name, test := range map[string]struct {
		host, context, config, meta string
		want, fails                 string
	}{
		"nothing said":          {want: client.DefaultDockerHost},
		"variable":              {host: "tcp://127.0.0.1:1", config: `{"currentContext": "far"}`, want: "tcp://127.0.0.1:1"},
		"chosen context":        {config: `{"currentContext": "far"}`, meta: `{"Endpoints": {"docker": {"Host": "` + remote + `"}}}`, want: remote},
		"context variable":      {context: "far", meta: `{"Endpoints": {"docker": {"Host": "` + remote + `"}}}`, want: remote},
		"default context":       {config: `{"currentContext": "default"}`, want: client.DefaultDockerHost},
		"missing context":       {config: `{"currentContext": "far"}`, fails: `the Docker context "far" is not usable`},
		"context without host":  {config: `{"currentContext": "far"}`, meta: `{}`, fails: `the Docker context "far" names no host`},
		"broken configuration":  {config: `{`, fails: "config.json is not the JSON that Docker writes"},
		"default by a variable": {context: "default", config: `{"currentContext": "far"}`, want: client.DefaultDockerHost},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("DOCKER_CONFIG", dir)
			t.Setenv("DOCKER_HOST", test.host)
			t.Setenv("DOCKER_CONTEXT", test.context)
			if test.config != "" {
				require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(test.config), 0o600))
			}
			if test.meta != "" {
				id := sha256.Sum256([]byte("far"))
				folder := filepath.Join(dir, "contexts", "meta", hex.EncodeToString(id[:]))
				require.NoError(t, os.MkdirAll(folder, 0o700))
				require.NoError(t, os.WriteFile(filepath.Join(folder, "meta.json"), []byte(test.meta), 0o600))
			}
			host, err := dockerengine.DefaultHost()
			if test.fails != "" {
				require.ErrorContains(t, err, test.fails)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.want, host)
		})
	}
}

func TestNobodyThere(t *testing.T) {
	_, err := dockerengine.Connect(t.Context(), "unix://"+filepath.Join(t.TempDir(), "docker.sock"))
	require.ErrorIs(t, err, dockerengine.ErrUnreachable)
	assert.Contains(t, err.Error(), "start Docker")
	_, err = dockerengine.Connect(t.Context(), "nonsense")
	require.ErrorContains(t, err, `the Docker host "nonsense" is not usable`)
}
