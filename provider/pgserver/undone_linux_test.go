package pgserver

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/blang/semver"
	"github.com/jackc/pgx/v5"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/pgtest"
)

// cancelledInReload calls do with a context that is cancelled while the server is told to reload: it is
// stopped until then, whereas its sessions go on.
func cancelledInReload(t *testing.T, server *pgtest.Server, do func(context.Context, dialer)) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(server.DataDir, "postmaster.pid"))
	require.NoError(t, err)
	first, _, _ := strings.Cut(string(content), "\n")
	postmaster, err := strconv.Atoi(first)
	require.NoError(t, err)
	stopped := false
	halting := func(ctx context.Context, config Config) (*pgx.Conn, error) {
		conn, err := dial(ctx, config)
		if !stopped {
			assert.NoError(t, syscall.Kill(postmaster, syscall.SIGSTOP))
			stopped = true
		}
		return conn, err
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		do(ctx, halting)
	}()
	assert.Eventually(t, func() bool {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", postmaster))
		_, pending, _ := strings.Cut(string(status), "ShdPnd:")
		pending, _, _ = strings.Cut(strings.TrimSpace(pending), "\n")
		signals, notRead := strconv.ParseUint(pending, 16, 64)
		return err == nil && notRead == nil && signals&(1<<(syscall.SIGHUP-1)) != 0
	}, 20*time.Second, time.Millisecond, "it is never told to reload")
	cancel()
	require.NoError(t, syscall.Kill(postmaster, syscall.SIGCONT))
	<-done
}

// A run that is cancelled while the server reloads leaves nothing of what was not proven.
func TestCancelledWhileTheServerReloads(t *testing.T) {
	server := pgtest.Start(t)
	conn := server.Connect(t)
	t.Run("settings", func(t *testing.T) {
		connected(t, server).create("SystemSetting", values{"name": text("work_mem"), "value": text("7MB")})
		value := "9MB"
		task := &settingTask{name: "work_mem", change: true, value: &value, done: make(chan struct{})}
		cancelledInReload(t, server, func(ctx context.Context, halting dialer) {
			task.ctx = ctx
			doBatch(halting, configOf(server), []*settingTask{task})
		})
		require.ErrorIs(t, task.err, context.Canceled)
		assert.NotContains(t, task.err.Error(), "putting the old value back")
		assert.Equal(t, "7MB", query[string](t, server.Connect(t), "SHOW work_mem"))
		assert.Equal(t, "7MB", query[string](t, conn, "SELECT setting FROM pg_file_settings WHERE name = 'work_mem'"))
	})
	t.Run("access rules", func(t *testing.T) {
		rules := query[string](t, conn, "SELECT pg_read_file('pg_hba.conf')")
		cancelledInReload(t, server, func(ctx context.Context, halting dialer) {
			implementation, err := newProvider(halting)
			if !assert.NoError(t, err) {
				return
			}
			provider, err := integration.NewServer(ctx, Name, semver.MustParse(Version), integration.WithProvider(implementation))
			if !assert.NoError(t, err) {
				return
			}
			checked, err := provider.CheckConfig(p.CheckRequest{Inputs: configFor(server).properties()})
			if !assert.NoError(t, err) || !assert.NoError(t, provider.Configure(p.ConfigureRequest{Args: checked.Inputs})) {
				return
			}
			inputs := values{"path": text("pg_hba.conf"), "content": text("host all all all scram-sha-256\n"), "check": text("hba")}
			_, err = provider.Create(p.CreateRequest{Urn: urn("ServerFile"), Properties: inputs.properties()})
			if assert.ErrorIs(t, err, context.Canceled) {
				assert.NotContains(t, err.Error(), "putting the old")
			}
		})
		assert.Equal(t, rules, query[string](t, conn, "SELECT pg_read_file('pg_hba.conf')"))
	})
}
