package pgserver_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	resources "github.com/witchcityrope/database/components/pgserver"
	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/acquire"
	"github.com/witchcityrope/database/internal/attach"
	"github.com/witchcityrope/database/internal/engine"
	"github.com/witchcityrope/database/internal/pgtest"
	"github.com/witchcityrope/database/provider/pgserver"
)

// openStack prepares a stack of a program that uses our provider, run by the real engine.
func openStack(t *testing.T, program pulumi.RunFunc) *engine.Stack {
	t.Helper()
	cli, err := acquire.CLI(t.Context(), t.Logf)
	require.NoError(t, err)
	provider, err := pgserver.New()
	require.NoError(t, err)
	attachment, err := attach.Serve(t.Context(), map[string]p.Provider{pgserver.Name: provider})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, attachment.Close()) })

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Pulumi.yaml"), []byte("name: settings\nruntime: go\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Pulumi.test.yaml"), []byte("config: {}\n"), 0o600))
	project, err := engine.FindProject(dir)
	require.NoError(t, err)
	stack, err := engine.OpenThrowaway(t.Context(), project, &config.Stack{Name: "test"}, engine.Tools{CLI: cli, Attach: attachment.Attach, Program: program})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, stack.Close()) })
	return stack
}

// Forty settings that change in one up of the real engine share a few reloads.
func TestSettingsInOneUp(t *testing.T) {
	server := pgtest.Start(t)
	conn := server.Connect(t)
	rows, err := conn.Query(t.Context(), `SELECT name, boot_val, (boot_val::float8 + 1)::text FROM pg_settings
		WHERE context IN ('user', 'sighup') AND vartype IN ('integer', 'real') AND source = 'default'
		AND boot_val::float8 > 0 AND boot_val::float8 + 1 <= max_val::float8 ORDER BY name LIMIT 40`)
	require.NoError(t, err)
	settings, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Name, First, Second string }])
	require.NoError(t, err)
	require.Len(t, settings, 40)

	second := false
	stack := openStack(t, func(ctx *pulumi.Context) error {
		provider, err := resources.NewProvider(ctx, "server", &resources.ProviderArgs{
			Host: pulumi.String("127.0.0.1"), Port: pulumi.Int(server.Port), Username: pulumi.String(pgtest.Superuser),
			Password: pulumi.String(pgtest.Password), TLSMode: pulumi.String("prefer"), ReadyTimeout: pulumi.Int(10),
		})
		if err != nil {
			return err
		}
		for _, setting := range settings {
			value := setting.First
			if second {
				value = setting.Second
			}
			_, err := resources.NewSystemSetting(ctx, setting.Name, &resources.SystemSettingArgs{
				Name: pulumi.String(setting.Name), Value: pulumi.String(value),
			}, pulumi.Provider(provider))
			if err != nil {
				return err
			}
		}
		_, err = resources.NewSessionDefault(ctx, "default", &resources.SessionDefaultArgs{
			Role: pulumi.String(pgtest.Superuser), Name: pulumi.String("app.tenant"), Value: pulumi.String("a"),
		}, pulumi.Provider(provider))
		return err
	})
	up := func(want map[string]int) engine.Result {
		result, err := stack.Up(t.Context(), engine.Options{}, nil)
		require.NoError(t, err)
		assert.Equal(t, want, result.Summary)
		return result
	}
	reloads := func() int { return strings.Count(server.Log(t), "received SIGHUP") }

	created := up(map[string]int{"create": 43}) // with stack, provider and the default
	assert.Contains(t, strings.Join(created.Warnings, "\n"), "no library that the server has loaded knows this setting")
	unchanged := up(map[string]int{"same": 43})
	second = true
	before := reloads()
	changed := up(map[string]int{"same": 3, "update": 40})
	t.Logf("40 settings changed: %d reloads, %.1f s, %.1f s more than an up without a change",
		reloads()-before, changed.Seconds, changed.Seconds-unchanged.Seconds)
	assert.Less(t, reloads()-before, 20)
	assert.Equal(t, 40, query(t, conn, `SELECT count(*) FROM pg_settings WHERE source = 'configuration file' AND sourcefile LIKE '%auto.conf'
		AND reset_val::float8 = boot_val::float8 + 1`))
	_, err = stack.Down(t.Context(), engine.Options{}, nil)
	require.NoError(t, err)
	assert.Zero(t, query(t, conn, "SELECT count(*) FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf'"))
	assert.Zero(t, query(t, conn, "SELECT count(*) FROM pg_db_role_setting"))
}

func query(t *testing.T, conn *pgx.Conn, statement string) (count int) {
	t.Helper()
	require.NoError(t, conn.QueryRow(t.Context(), statement).Scan(&count))
	return count
}
