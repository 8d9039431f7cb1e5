package dockerengine_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/dockerengine"
)

func TestArchitectureIsThatOfDockersHost(t *testing.T) {
	for _, architecture := range []string{"amd64", "arm64"} {
		engine := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
			answer.Header().Set("Api-Version", "1.43")
			if strings.HasSuffix(request.URL.Path, "/version") {
				answer.Header().Set("Content-Type", "application/json")
				_, err := answer.Write([]byte(`{"Version": "27.0.0", "Os": "linux", "Arch": "` + architecture + `"}`))
				assert.NoError(t, err)
			}
		}))
		defer engine.Close()
		t.Setenv("DOCKER_HOST", "tcp://"+engine.Listener.Addr().String())
		found, err := dockerengine.Architecture(t.Context())
		require.NoError(t, err)
		assert.Equal(t, architecture, found)
	}
	t.Setenv("DOCKER_HOST", "unix:///nowhere")
	_, err := dockerengine.Architecture(t.Context())
	assert.ErrorIs(t, err, dockerengine.ErrUnreachable)
}
