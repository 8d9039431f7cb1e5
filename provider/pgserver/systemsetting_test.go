package pgserver

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/witchcityrope/database/internal/acquire"
	"github.com/witchcityrope/database/internal/pgtest"
	"github.com/witchcityrope/database/internal/postgres"
)

func TestSystemSettingCheck(t *testing.T) {
	provider := newTestProvider(t, unplugged(new([]Config)))
	setting := func(name string) values { return values{"name": text(name), "value": text("1")} }
	for _, name := range []string{"work_mem", "DateStyle", "pg_stat_statements.max", "app.tenant$1"} {
		assert.Empty(t, provider.faults("SystemSetting", setting(name)), name)
	}
	for _, name := range []string{"", "work mem", "work_mem;", "a.b.c", "1a", ".a", "a.", "a\n"} {
		assert.Contains(t, provider.faults("SystemSetting", setting(name))["name"], "is not the name of a setting", name)
	}
	assert.Empty(t, provider.faults("SystemSetting", setting("a").with("name", property.New(property.Computed))))
}

func TestSystemSetting(t *testing.T) {
	server := pgtest.Start(t, "max_locks_per_transaction=70", "shared_preload_libraries=pg_stat_statements")
	provider := connected(t, server)
	conn := server.Connect(t)
	setting := func(name, value string) values { return values{"name": text(name), "value": text(value)} }
	effective := func(name string) string {
		return query[string](t, server.Connect(t), "SELECT current_setting($1)", name)
	}
	written := func(name string) *string {
		return query[*string](t, conn, "SELECT max(setting) FROM pg_file_settings WHERE name = $1 AND sourcefile LIKE '%auto.conf'", name)
	}

	t.Run("life cycle", func(t *testing.T) {
		resource := provider.create("SystemSetting", setting("work_mem", "16MB"))
		assert.Equal(t, "16MB", resource.output("effectiveValue"))
		assert.False(t, resource.state.Get("pendingRestart").AsBool())
		assert.Equal(t, "16MB", effective("work_mem"))
		resource.update(setting("work_mem", "32768"))
		assert.Equal(t, "32MB", resource.output("effectiveValue"))

		require.True(t, resource.refresh())
		assert.False(t, resource.diff(setting("work_mem", "32768")).HasChanges)
		execute(t, conn, "ALTER SYSTEM SET work_mem = '1MB'")
		require.True(t, resource.refresh())
		assert.True(t, resource.diff(setting("work_mem", "32768")).HasChanges)
		resource.update(setting("work_mem", "32768"))
		assert.Equal(t, "32MB", effective("work_mem"))
		assert.Equal(t, "32768", provider.imported("SystemSetting", "work_mem").inputs.Get("value").AsString())

		resource.delete()
		assert.Equal(t, "4MB", effective("work_mem"))
		assert.False(t, resource.refresh())
		assert.Empty(t, provider.imported("SystemSetting", "work_mem").id)
	})
	t.Run("values of all kinds", func(t *testing.T) {
		for _, test := range []struct{ name, value, effective string }{
			{"log_line_prefix", "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ", "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h "},
			{"cluster_name", `it's a "test" \ 1`, ""}, // only after a restart
			{"search_path", `"$user", public, "Odd, Name"`, `"$user", public, "Odd, Name"`},
			{"session_preload_libraries", "auto_explain", "auto_explain"},
			{"pg_stat_statements.track", "all", "all"},
			{"log_statement", "all", "all"},
			{"log_connections", "on", "on"}, // for new sessions only
			{"statement_timeout", "1h", "1h"},
			{"DATESTYLE", "ISO, DMY", "ISO, DMY"},
		} {
			resource := provider.create("SystemSetting", setting(test.name, test.value))
			assert.Equal(t, test.effective, resource.output("effectiveValue"), test.name)
			assert.Equal(t, test.name == "cluster_name", resource.state.Get("pendingRestart").AsBool(), test.name)
			require.True(t, resource.refresh(), test.name)
			assert.False(t, resource.diff(setting(test.name, test.value)).HasChanges, test.name)
			resource.delete()
		}
	})
	t.Run("what the server refuses", func(t *testing.T) {
		provider.create("SystemSetting", setting("work_mem", "8MB"))
		for name, test := range map[string]struct{ name, value, want string }{
			"value":        {"work_mem", "much", `invalid value for parameter "work_mem": "much"`},
			"unit":         {"work_mem", "16M", "Valid units"},
			"range":        {"work_mem", "1kB", "outside the valid range"},
			"name":         {"wrk_mem", "1MB", "unrecognized configuration parameter"},
			"library":      {"pg_stat_statements.trak", "all", "\"pg_stat_statements\" is a reserved prefix"},
			"not settable": {"data_directory", "/x", `parameter "data_directory" cannot be changed`},
			"command line": {"max_locks_per_transaction", "80", "the server's command line says otherwise"},
		} {
			before := written(test.name)
			_, err := provider.tryCreate("SystemSetting", setting(test.name, test.value))
			require.ErrorContains(t, err, test.want, name)
			assert.Equal(t, before, written(test.name), name)
		}
		assert.Equal(t, "8MB", effective("work_mem"))
	})
	t.Run("when it takes effect", func(t *testing.T) {
		for name, test := range map[string]struct{ value, want string }{
			"work_mem": {"1MB", "reload"}, "checkpoint_timeout": {"10min", "reload"}, "log_connections": {"on", "new sessions"},
			"session_preload_libraries": {"auto_explain", "new sessions"}, "max_wal_senders": {"11", "restart"},
		} {
			resource := provider.create("SystemSetting", setting(name, test.value))
			assert.Equal(t, test.want, resource.output("takesEffect"), name)
			assert.Equal(t, test.want == "restart", resource.state.Get("pendingRestart").AsBool(), name)
			resource.delete()
		}
	})
	t.Run("the same value in other words", func(t *testing.T) {
		for name, test := range map[string]struct{ value, same, other string }{
			"work_mem": {"16MB", "16384kB", "16385kB"}, "checkpoint_timeout": {"0.5h", "30min", "31min"}, "jit": {"off", "FALSE", "true"},
			"synchronous_commit": {"on", "true", "local"}, "tcp_keepalives_idle": {"0", "0s", "60"}, "log_file_mode": {"0640", "416", "0600"},
			"search_path": {`"a", b`, "a,b", "b, a"},
		} {
			inputs := setting(name, test.value)
			resource := provider.create("SystemSetting", inputs)
			execute(t, conn, "ALTER SYSTEM SET "+name+" = "+postgres.QuoteSetting(name, test.same))
			require.True(t, resource.refresh())
			assert.False(t, resource.diff(inputs).HasChanges, name)
			execute(t, conn, "ALTER SYSTEM SET "+name+" = "+postgres.QuoteSetting(name, test.other))
			require.True(t, resource.refresh())
			assert.True(t, resource.diff(inputs).HasChanges, name)
			resource.update(setting(name, test.same))
			resource.delete()
		}
	})
	t.Run("a default of the provider's login hides it", func(t *testing.T) {
		execute(t, conn, "ALTER ROLE postgres SET work_mem = '7MB'")
		resource := provider.create("SystemSetting", setting("work_mem", "9MB"))
		assert.Equal(t, "9MB", resource.output("effectiveValue"))
		require.True(t, resource.refresh())
		assert.False(t, resource.diff(setting("work_mem", "9MB")).HasChanges)
		execute(t, conn, "ALTER ROLE postgres RESET work_mem")
		resource.delete()
	})
	t.Run("a file that cannot be read", func(t *testing.T) {
		execute(t, conn, `COPY (SELECT 'work_mem = ''1MB') TO PROGRAM 'cat >> postgresql.conf'`)
		_, err := provider.tryCreate("SystemSetting", setting("work_mem", "2MB"))
		require.ErrorContains(t, err, "the server refuses to reload its configuration")
		assert.ErrorContains(t, err, "postgresql.conf, line")
	})
}

// What somebody writes into postgresql.auto.conf by hand is drift, whether or not the server has read it.
func TestSystemSettingByHand(t *testing.T) {
	server := pgtest.Start(t)
	provider := connected(t, server)
	conn := server.Connect(t)
	path := filepath.Join(server.DataDir, "postgresql.auto.conf")
	edit := func(from, to string) {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Contains(t, string(content), from)
		require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(content), from, to)), 0o600))
	}
	reload := func() {
		before := query[time.Time](t, conn, "SELECT pg_conf_load_time()")
		execute(t, conn, "SELECT pg_reload_conf()")
		require.Eventually(t, func() bool { return query[time.Time](t, conn, "SELECT pg_conf_load_time()").After(before) }, 10*time.Second, 5*time.Millisecond)
	}
	inputs := values{"name": text("work_mem"), "value": text("16MB")}
	resource := provider.create("SystemSetting", inputs)
	assertRepaired := func(t *testing.T) {
		t.Helper()
		require.True(t, resource.refresh())
		require.True(t, resource.diff(inputs).HasChanges)
		resource.update(inputs)
		assert.Equal(t, "16MB", query[string](t, server.Connect(t), "SHOW work_mem"))
		require.True(t, resource.refresh())
		assert.False(t, resource.diff(inputs).HasChanges)
	}

	t.Run("not loaded", func(t *testing.T) {
		edit("16MB", "1MB")
		assertRepaired(t)
	})
	t.Run("loaded", func(t *testing.T) {
		edit("16MB", "1MB")
		reload()
		assertRepaired(t)
	})
	t.Run("loaded, and written back", func(t *testing.T) {
		edit("16MB", "1MB")
		reload()
		edit("1MB", "16MB")
		assertRepaired(t)
	})
	t.Run("by a run that was killed before the reload", func(t *testing.T) {
		wanted := values{"name": text("work_mem"), "value": text("24MB")}
		execute(t, conn, "ALTER SYSTEM SET work_mem = '24MB'")
		require.True(t, resource.refresh())
		require.True(t, resource.diff(wanted).HasChanges, "it is written, but the server has not read it")
		resource.update(wanted)
		assert.Equal(t, "24MB", query[string](t, server.Connect(t), "SHOW work_mem"))
		resource.update(inputs)
	})
	t.Run("taken out", func(t *testing.T) {
		edit("work_mem", "# work_mem")
		assert.False(t, resource.refresh())
		resource = provider.create("SystemSetting", inputs)
	})
	t.Run("a name that the server does not know", func(t *testing.T) {
		edit("work_mem", "wrok_mem")
		_, err := provider.tryCreate("SystemSetting", values{"name": text("random_page_cost"), "value": text("2")})
		require.ErrorContains(t, err, "postgresql.auto.conf, line 3: unrecognized configuration parameter")
		edit("wrok_mem", "work_mem")
		reload()
		assert.Equal(t, "4", query[string](t, server.Connect(t), "SHOW random_page_cost"), "the old value is back")
	})
}

// Settings that change at the same time share reloads, and each has its own outcome.
func TestSystemSettingsTogether(t *testing.T) {
	server := pgtest.Start(t)
	provider := connected(t, server)
	conn := server.Connect(t)
	rows, err := conn.Query(t.Context(), `SELECT name, boot_val FROM pg_settings WHERE context IN ('user', 'sighup') AND vartype IN ('integer', 'real')
		AND source = 'default' AND boot_val::float8 > min_val::float8 AND boot_val = reset_val ORDER BY name LIMIT 40`)
	require.NoError(t, err)
	wanted, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Name, Value string }])
	require.NoError(t, err)
	require.Len(t, wanted, 40)
	reloads := func() int { return strings.Count(server.Log(t), "received SIGHUP") }
	// parallel is how many resources the engine changes at once on a machine with two cores.
	const parallel = 8
	together := func(do func(name, value string)) {
		var all errgroup.Group
		all.SetLimit(parallel)
		for _, setting := range wanted {
			all.Go(func() error { do(setting.Name, setting.Value); return nil })
		}
		require.NoError(t, all.Wait())
	}

	resources := map[string]*made{}
	var mutex sync.Mutex
	before, begin := reloads(), time.Now()
	together(func(name, value string) {
		resource := provider.create("SystemSetting", values{"name": text(name), "value": text(value)})
		mutex.Lock()
		defer mutex.Unlock()
		resources[name] = &resource
	})
	took := time.Since(begin)
	t.Logf("40 settings: %d reloads, %s", reloads()-before, took)
	assert.LessOrEqual(t, reloads()-before, 20)
	assert.Equal(t, 40, query[int](t, conn, "SELECT count(*) FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf' AND applied"))

	together(func(name, value string) {
		mutex.Lock()
		resource := resources[name]
		mutex.Unlock()
		assert.True(t, resource.refresh(), name)
	})
	together(func(name, _ string) {
		mutex.Lock()
		resource := resources[name]
		mutex.Unlock()
		resource.delete()
	})
	assert.Zero(t, query[int](t, conn, "SELECT count(*) FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf'"))
}

// In one batch, what is refused does not keep the rest from being made.
func TestSettingBatch(t *testing.T) {
	server := pgtest.Start(t, "max_locks_per_transaction=70")
	conn := server.Connect(t)
	task := func(name, value string) *settingTask {
		return &settingTask{ctx: t.Context(), name: name, change: true, value: &value, done: make(chan struct{})}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	left := task("seq_page_cost", "3")
	left.ctx = gone
	reset := &settingTask{ctx: t.Context(), name: "jit", change: true, done: make(chan struct{})}
	execute(t, conn, "ALTER SYSTEM SET jit = off", "ALTER SYSTEM SET max_locks_per_transaction = 90")
	tasks := []*settingTask{
		task("work_mem", "9MB"), task("work_mum", "9MB"), task("ssl", "on"), task("max_locks_per_transaction", "80"), reset, left,
		{ctx: t.Context(), name: "work_mem", done: make(chan struct{})}, task("lock_timeout", "x"),
	}
	before := strings.Count(server.Log(t), "received SIGHUP")
	doBatch(dial, configOf(server), tasks)

	for i, want := range []string{
		"", `unrecognized configuration parameter "work_mum"`, `setting ssl = "on": after the reload no TLS connection could be made`,
		"the server's command line says otherwise", "", "context canceled", "", `invalid value for parameter "lock_timeout": "x"`,
	} {
		<-tasks[i].done
		if want == "" {
			assert.NoError(t, tasks[i].err, tasks[i].name)
		} else {
			assert.ErrorContains(t, tasks[i].err, want)
		}
	}
	assert.Equal(t, 2, strings.Count(server.Log(t), "received SIGHUP")-before, "one to make, one to put back")
	assert.Equal(t, "9MB", query[string](t, server.Connect(t), "SHOW work_mem"))
	assert.Equal(t, []string{"max_locks_per_transaction=90", "work_mem=9MB"},
		query[[]string](t, conn, `SELECT array_agg(name || '=' || setting ORDER BY name) FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf'`))
}

// What was changed is put back although the change has ended the session that made it.
func TestPutBackOutlivesItsSession(t *testing.T) {
	server := pgtest.Start(t)
	conn := server.Connect(t)
	dialed := 0
	ending := func(ctx context.Context, config Config) (*pgx.Conn, error) {
		if dialed++; dialed != 2 { // the second one is to prove the change
			return dial(ctx, config)
		}
		ended := query[int](t, conn, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1", Name)
		assert.Equal(t, 1, ended)
		return nil, errors.New("no way in")
	}
	value := "9MB"
	task := &settingTask{ctx: t.Context(), name: "work_mem", change: true, value: &value, done: make(chan struct{})}
	doBatch(ending, configOf(server), []*settingTask{task})
	require.EqualError(t, task.err, "no way in")
	assert.Equal(t, "4MB", query[string](t, server.Connect(t), "SHOW work_mem"))

	file := &ServerFile{server: ending}
	dialed = 0
	rules := query[string](t, conn, "SELECT pg_read_file('pg_hba.conf')")
	require.NoError(t, dialer(ending).with(t.Context(), configOf(server), func(s *session) error {
		args := ServerFileArgs{Path: "pg_hba.conf", Content: "host all all all scram-sha-256\n", Check: checkHBA}
		require.NoError(t, s.writeFile(t.Context(), args.Path, args.Content))
		require.ErrorContains(t, file.activate(t.Context(), s, args), "no way in")
		return file.restore(t.Context(), s, args, rules, true)
	}))
	assert.Equal(t, rules, query[string](t, conn, "SELECT pg_read_file('pg_hba.conf')"))
}

// A login that may not use ALTER SYSTEM is told what to do instead.
func TestSystemSettingWithoutSuperuser(t *testing.T) {
	server := pgtest.Start(t)
	execute(t, server.Connect(t), "CREATE ROLE tenant LOGIN PASSWORD 'x'", "CREATE ROLE trusted LOGIN PASSWORD 'x' IN ROLE pg_read_all_settings",
		"GRANT ALTER SYSTEM ON PARAMETER work_mem TO trusted", "GRANT EXECUTE ON FUNCTION pg_reload_conf TO trusted",
		"GRANT EXECUTE ON FUNCTION pg_show_all_file_settings TO trusted", "GRANT SELECT ON pg_file_settings TO trusted")
	provider := newTestProvider(t, dial)
	as := func(role string) {
		provider.configure(configFor(server).with("username", text(role)).with("password", text("x")))
	}
	as("tenant")
	_, err := provider.tryCreate("SystemSetting", values{"name": text("work_mem"), "value": text("1MB")})
	require.ErrorContains(t, err, "make it a default of a database or role instead (SessionDefault)")
	_, err = provider.tryCreate("SystemSetting", values{"name": text("checkpoint_timeout"), "value": text("10min")})
	require.ErrorContains(t, err, "as is usual with managed PostgreSQL; change it where whoever operates the server offers it")

	as("trusted")
	resource := provider.create("SystemSetting", values{"name": text("work_mem"), "value": text("1MB")})
	assert.Equal(t, "1MB", resource.output("effectiveValue"))
	_, err = provider.tryCreate("SystemSetting", values{"name": text("jit"), "value": text("off")})
	require.ErrorContains(t, err, `permission denied to set parameter "jit"`)
}

// takesUndeclared: a reload takes what no library has declared when the server starts: settings of nobody's, of a library
// that sessions load by themselves, and of one that is loaded when it is called.
func takesUndeclared(t *testing.T, server *pgtest.Server, provider *provider) {
	t.Helper()
	conn := server.Connect(t)
	started := query[time.Time](t, conn, "SELECT pg_postmaster_start_time()")
	preload := provider.create("SystemSetting", values{"name": text("session_preload_libraries"), "value": text("auto_explain")})
	for _, test := range []struct{ name, first, second, byHand string }{
		{"shop.tenant", "salem", "it's Salem", "danvers"},
		{"auto_explain.log_min_duration", "1s", "2s", "3s"},
		{"plpgsql.variable_conflict", "use_column", "use_variable", "error"},
	} {
		setting := func(value string) values { return values{"name": text(test.name), "value": text(value)} }
		shows := func(conn *pgx.Conn) string { return query[string](t, conn, "SELECT current_setting($1)", test.name) }
		resource := provider.create("SystemSetting", setting(test.first))
		assert.Equal(t, test.first, shows(server.Connect(t)))
		open := server.Connect(t)
		resource.update(setting(test.second))
		assert.Equal(t, test.second, resource.output("effectiveValue"))
		assert.Equal(t, "reload", resource.output("takesEffect"))
		require.Eventually(t, func() bool { return shows(open) == test.second }, 10*time.Second, 5*time.Millisecond, "in a session that was there before")
		require.True(t, resource.refresh())
		assert.False(t, resource.diff(setting(test.second)).HasChanges, test.name)
		execute(t, open, "ALTER SYSTEM SET "+test.name+" = '"+test.byHand+"'")
		require.True(t, resource.refresh())
		assert.True(t, resource.diff(setting(test.second)).HasChanges, test.name)
		resource.update(setting(test.second))
		assert.Equal(t, test.second, shows(server.Connect(t)))
		resource.delete()
		assert.False(t, resource.refresh())
	}
	preload.delete()
	assert.Equal(t, started, query[time.Time](t, conn, "SELECT pg_postmaster_start_time()"))
}

// Every supported major takes settings in the same way.
func TestSettingsOnAllMajors(t *testing.T) {
	for _, major := range slices.Sorted(maps.Keys(pgtest.Releases)) {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			if _, err := acquire.EmbeddedPostgres(t.Context(), pgtest.Releases[major], t.Logf); err != nil {
				t.Skipf("NOT RUN: PostgreSQL %d cannot be had: %v", major, err)
			}
			server := pgtest.New(t, pgtest.Releases[major])
			require.NoError(t, server.Start(t.Context()))
			provider := connected(t, server)
			inputs := values{"name": text("work_mem"), "value": text("16MB")}
			resource := provider.create("SystemSetting", inputs)
			assert.Equal(t, "16MB", resource.output("effectiveValue"))
			execute(t, server.Connect(t), "ALTER SYSTEM SET work_mem = '1MB'")
			require.True(t, resource.refresh())
			assert.True(t, resource.diff(inputs).HasChanges)
			resource.update(inputs)
			takesUndeclared(t, server, provider)
			pending := provider.create("SystemSetting", values{"name": text("max_wal_senders"), "value": text("11")})
			assert.True(t, pending.state.Get("pendingRestart").AsBool())

			defaults := sessionDefaultOf("postgres", "postgres", "search_path", `"$user", app`)
			provider.create("SessionDefault", defaults)
			assert.Equal(t, `"$user", app`, query[string](t, server.Connect(t), "SHOW search_path"))
			if major < 17 {
				return
			}
			conn := server.Connect(t)
			execute(t, conn, `COPY (SELECT 'allow_alter_system = off') TO PROGRAM 'cat >> postgresql.conf'`, "SELECT pg_reload_conf()")
			require.Eventually(t, func() bool { return query[string](t, conn, "SHOW allow_alter_system") == "off" }, 10*time.Second, 10*time.Millisecond)
			_, err := provider.tryCreate("SystemSetting", values{"name": text("jit"), "value": text("off")})
			require.ErrorContains(t, err, "ALTER SYSTEM is not allowed in this environment")
			assert.ErrorContains(t, err, "make it a default of a database or role instead (SessionDefault)")
		})
	}
}
