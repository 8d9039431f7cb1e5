package pgtest_test

import (
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/acquire"
	"github.com/witchcityrope/database/internal/pgtest"
)

func TestServer(t *testing.T) {
	ctx := context.Background()
	server := pgtest.Start(t, "log_statement=all")
	conn := server.Connect(t)
	var version, setting string
	require.NoError(t, conn.QueryRow(ctx, "SELECT current_setting('server_version'), current_setting('log_statement')").Scan(&version, &setting))
	assert.Equal(t, "16.14", version)
	assert.Equal(t, "all", setting)
	_, err := conn.Exec(ctx, "CREATE TABLE kept AS SELECT 1 AS n")
	require.NoError(t, err)
	assert.Contains(t, server.Log(t), "CREATE TABLE kept")

	_, err = server.Login(ctx, pgtest.Superuser, "wrong", "postgres")
	require.ErrorContains(t, err, "password authentication failed")

	require.NoError(t, server.Kill())
	require.NoError(t, server.Kill(), "a second time does nothing")
	_, err = server.Login(ctx, pgtest.Superuser, pgtest.Password, "postgres")
	require.Error(t, err)
	require.NoError(t, server.Start(ctx))
	var n int
	require.NoError(t, server.Connect(t).QueryRow(ctx, "SELECT n FROM kept").Scan(&n))
	assert.Equal(t, 1, n)
}

func TestServerGetsAnotherPort(t *testing.T) {
	server := pgtest.New(t, acquire.EmbeddedPostgresVersion)
	taken, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", server.Port))
	require.NoError(t, err)
	defer taken.Close()
	require.NoError(t, server.Start(t.Context()))
	require.NotEqual(t, taken.Addr().(*net.TCPAddr).Port, server.Port)
	require.NoError(t, server.Connect(t).Ping(t.Context()))
}
