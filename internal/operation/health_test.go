package operation

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/health"
)

// TestHealthDoesNotWaitForADockerEngineThatHangs: one that answers a ping, and then nothing.
func TestHealthDoesNotWaitForADockerEngineThatHangs(t *testing.T) {
	ended := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		if strings.Contains(request.URL.Path, "_ping") {
			return
		}
		select {
		case <-request.Context().Done():
		case <-ended:
		}
	}))
	defer server.Close()
	defer close(ended)
	t.Setenv("DOCKER_HOST", "tcp://"+server.Listener.Addr().String())
	stack, err := config.Decode("shop", "dev", map[string]string{
		"database": `{"name": "shop"}`, "rootSecretFrom": "local", "health": `{"timeout": "1s"}`, "backup": `{"enabled": true, "directory": "/backups"}`,
	})
	require.NoError(t, err)
	look := &examination{Operation: &Operation{Stack: "dev", config: stack}, Measured: health.Measured{At: time.Now(), Faults: map[string]string{}}}
	started := time.Now()
	require.NoError(t, look.container(t.Context()))
	assert.Less(t, time.Since(started), 20*time.Second)
	found := health.Judge(stack, look.Measured)
	assert.Equal(t, health.Critical, found.Status)
	assert.Contains(t, look.Faults["container"], "deadline exceeded")
	assert.Contains(t, look.Server.Fault, "cannot be looked at")
}
