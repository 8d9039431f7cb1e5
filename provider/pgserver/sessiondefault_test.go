package pgserver

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/pgtest"
)

// sessionDefaultOf are inputs; of a role or database that is empty, nothing is said.
func sessionDefaultOf(role, database, name, value string) values {
	inputs := values{"name": text(name), "value": text(value)}
	if role != "" {
		inputs = inputs.with("role", text(role))
	}
	if database != "" {
		inputs = inputs.with("database", text(database))
	}
	return inputs
}

func TestSessionDefaultCheck(t *testing.T) {
	provider := newTestProvider(t, unplugged(new([]Config)))
	good := sessionDefaultOf("app", "app", "work_mem", "1MB")
	assert.Empty(t, provider.faults("SessionDefault", good))
	assert.Empty(t, provider.faults("SessionDefault", sessionDefaultOf("app", "", "work_mem", "1MB")))
	assert.Empty(t, provider.faults("SessionDefault", sessionDefaultOf("", "app", "work_mem", "1MB")))
	assert.Empty(t, provider.faults("SessionDefault", good.with("role", property.New(property.Computed))))
	assert.Contains(t, provider.faults("SessionDefault", sessionDefaultOf("", "", "work_mem", "1MB"))["role"], "nor is database; name one or both")
	assert.Contains(t, provider.faults("SessionDefault", good.with("role", text("")))["role"], "empty")
	assert.Contains(t, provider.faults("SessionDefault", good.with("database", text(strings.Repeat("x", 64))))["database"], "64 bytes")
	assert.Contains(t, provider.faults("SessionDefault", good.with("name", text("work mem")))["name"], "is not the name of a setting")
}

func TestSessionDefaultID(t *testing.T) {
	role, database := `odd/role "%`, "odd database/"
	for id, args := range map[string]SessionDefaultArgs{
		"app//work_mem": {Role: new("app"), Name: "work_mem"},
		"/app/a.b":      {Database: new("app"), Name: "a.b"},
		"a/b/DateStyle": {Role: new("a"), Database: new("b"), Name: "DateStyle"},
		"odd%2Frole%20%22%25/odd%20database%2F/work_mem": {Role: &role, Database: &database, Name: "work_mem"},
	} {
		assert.Equal(t, id, args.id())
		parsed, err := parseSessionDefaultID(id)
		require.NoError(t, err)
		assert.Equal(t, args, parsed)
	}
	for _, id := range []string{"", "work_mem", "//work_mem", "a/work_mem", "a/b/c/work_mem", "a/b/", "%/b/work_mem"} {
		_, err := parseSessionDefaultID(id)
		assert.ErrorContains(t, err, "does not name a default", id)
	}
}

func TestSessionDefault(t *testing.T) {
	server := pgtest.Start(t)
	provider := connected(t, server)
	conn := server.Connect(t)
	execute(t, conn, `CREATE ROLE "App 1" LOGIN PASSWORD 'x'`, "CREATE ROLE other LOGIN PASSWORD 'x'", `CREATE DATABASE "Shop/1"`,
		`GRANT pg_read_all_settings TO "App 1"`)
	effective := func(role, database, name string) string {
		return query[string](t, server.ConnectAs(t, role, "x", database), "SELECT current_setting($1)", name)
	}

	t.Run("life cycle", func(t *testing.T) {
		for _, subject := range []struct{ role, database string }{{"App 1", ""}, {"", "Shop/1"}, {"App 1", "Shop/1"}} {
			of := func(value string) values { return sessionDefaultOf(subject.role, subject.database, "Work_Mem", value) }
			resource := provider.create("SessionDefault", of("16MB"))
			assert.Equal(t, "16MB", effective("App 1", "Shop/1", "work_mem"))
			resource.update(of("32768"))
			assert.Equal(t, "32MB", effective("App 1", "Shop/1", "work_mem"))
			if subject.role != "" {
				assert.Equal(t, "4MB", effective("other", "Shop/1", "work_mem"))
			}
			if subject.database != "" {
				assert.Equal(t, "4MB", effective("App 1", "postgres", "work_mem"))
			}
			require.True(t, resource.refresh())
			assert.False(t, resource.diff(of("32768")).HasChanges)
			args, err := parseSessionDefaultID(resource.id)
			require.NoError(t, err)
			execute(t, conn, args.subject()+" SET work_mem = '32MB'")
			require.True(t, resource.refresh())
			assert.False(t, resource.diff(of("32768")).HasChanges, "the same in other words")
			execute(t, conn, args.subject()+" SET work_mem = '1MB'")
			require.True(t, resource.refresh())
			assert.True(t, resource.diff(of("32768")).HasChanges, "drift")
			resource.update(of("32768"))
			assert.Equal(t, "32MB", effective("App 1", "Shop/1", "work_mem"))

			imported := provider.imported("SessionDefault", resource.id)
			assert.Equal(t, "32768", imported.inputs.Get("value").AsString())
			assert.Equal(t, resource.inputs.Get("role"), imported.inputs.Get("role"))
			assert.Equal(t, resource.inputs.Get("database"), imported.inputs.Get("database"))
			elsewhere := resource.diff(of("1MB").with("role", text("other")))
			assert.Equal(t, kindOf(subject.role), elsewhere.DetailedDiff["role"].Kind)

			execute(t, conn, args.subject()+" RESET work_mem")
			assert.False(t, resource.refresh(), "drift")
			resource.delete()
			resource = provider.create("SessionDefault", of("8MB"))
			resource.delete()
			assert.Equal(t, "4MB", effective("App 1", "Shop/1", "work_mem"))
		}
		assert.Zero(t, query[int](t, conn, "SELECT count(*) FROM pg_db_role_setting"))
	})
	t.Run("values of all kinds", func(t *testing.T) {
		for _, test := range []struct{ name, value, effective string }{
			{"search_path", `"$user", shop, "Odd, Name"`, `"$user", shop, "Odd, Name"`},
			{"search_path", ``, `""`},
			{"DATESTYLE", "ISO, DMY", "ISO, DMY"},
			{"timezone", "europe/berlin", "Europe/Berlin"},
			{"application_name", `it's a "test" \ 1 = 2`, `it's a "test" \ 1 = 2`},
			{"statement_timeout", "1h", "1h"},
			{"lock_timeout", "0.5min", "30s"},
			{"default_transaction_read_only", "yes", "on"},
			{"session_preload_libraries", "auto_explain", "auto_explain"},
			{"log_statement", "all", "all"}, // only a superuser may set it, for others too
			{"app.tenant", "a=b", "a=b"},    // the application's own
		} {
			inputs := sessionDefaultOf("App 1", "", test.name, test.value)
			resource := provider.create("SessionDefault", inputs)
			assert.Equal(t, test.effective, effective("App 1", "Shop/1", test.name), test.name)
			require.True(t, resource.refresh(), test.name)
			assert.False(t, resource.diff(inputs).HasChanges, test.name)
			resource.delete()
		}
	})
	t.Run("what the server refuses", func(t *testing.T) {
		for want, test := range map[string]values{
			`invalid value for parameter "work_mem": "much"`: sessionDefaultOf("other", "", "work_mem", "much"),
			"Valid units":                                              sessionDefaultOf("other", "", "work_mem", "16M"),
			"outside the valid range":                                  sessionDefaultOf("", "Shop/1", "work_mem", "1kB"),
			"unrecognized configuration parameter":                     sessionDefaultOf("other", "", "wrk_mem", "1MB"),
			"It holds for the whole server":                            sessionDefaultOf("other", "", "shared_buffers", "1GB"),
			"make it a setting of the server":                          sessionDefaultOf("other", "", "checkpoint_timeout", "1min"),
			`setting work_mem of role "ghost": ERROR: role "ghost"`:    sessionDefaultOf("ghost", "", "work_mem", "1MB"),
			`setting work_mem of role "other" in database "nowhere": `: sessionDefaultOf("other", "nowhere", "work_mem", "1MB"),
		} {
			_, err := provider.tryCreate("SessionDefault", test)
			assert.ErrorContains(t, err, want)
		}
		assert.Zero(t, query[int](t, conn, "SELECT count(*) FROM pg_db_role_setting"))
	})
	t.Run("its role is gone", func(t *testing.T) {
		execute(t, conn, "CREATE ROLE brief")
		resource := provider.create("SessionDefault", sessionDefaultOf("brief", "", "work_mem", "1MB"))
		execute(t, conn, "DROP ROLE brief")
		assert.False(t, resource.refresh())
		resource.delete()
	})
	t.Run("many at once", func(t *testing.T) {
		var all sync.WaitGroup
		for i, name := range []string{
			"work_mem", "maintenance_work_mem", "temp_buffers", "logical_decoding_work_mem", "statement_timeout", "lock_timeout",
			"deadlock_timeout", "idle_session_timeout", "random_page_cost", "seq_page_cost", "cpu_tuple_cost", "jit",
		} {
			all.Go(func() {
				inputs := sessionDefaultOf("App 1", "", name, fmt.Sprint(2000+i))
				if name == "jit" {
					inputs = inputs.with("value", text("off"))
				}
				provider.create("SessionDefault", inputs)
			})
		}
		all.Wait()
		assert.Equal(t, 12, query[int](t, conn, "SELECT cardinality(setconfig) FROM pg_db_role_setting"))
	})
}

// kindOf is how the change of a role shows that was or was not given before.
func kindOf(before string) p.DiffKind {
	if before == "" {
		return p.AddReplace
	}
	return p.UpdateReplace
}

// A login that is not a superuser may set what PostgreSQL lets it, and is told what it lacks.
func TestSessionDefaultWithoutSuperuser(t *testing.T) {
	server := pgtest.Start(t)
	conn := server.Connect(t)
	execute(t, conn, "CREATE ROLE tenant LOGIN PASSWORD 'x'", "CREATE DATABASE tenant OWNER tenant")
	provider := newTestProvider(t, dial)
	provider.configure(configFor(server).with("username", text("tenant")).with("password", text("x")))

	provider.create("SessionDefault", sessionDefaultOf("", "tenant", "work_mem", "1MB"))
	assert.Equal(t, "1MB", query[string](t, server.ConnectAs(t, "tenant", "x", "tenant"), "SHOW work_mem"))
	_, err := provider.tryCreate("SessionDefault", sessionDefaultOf("", "tenant", "log_statement", "all"))
	require.ErrorContains(t, err, "GRANT SET ON PARAMETER log_statement")
	_, err = provider.tryCreate("SessionDefault", sessionDefaultOf("", "postgres", "work_mem", "1MB"))
	require.ErrorContains(t, err, "must be owner of database postgres")
}
