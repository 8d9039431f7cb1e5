package e2e

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/witchcityrope/database/internal/operation"
)

// catalogue is all that access is made of, as text; passwords only as whether they changed.
const catalogue = `SELECT string_agg(fact, E'\n' ORDER BY fact COLLATE "C") FROM (
	SELECT format('role %s %s %s %s %s %s %s %s %s %s', rolname, rolcanlogin, rolsuper, rolinherit, rolcreatedb, rolcreaterole, rolreplication, rolconnlimit,
		CASE WHEN isfinite(rolvaliduntil) THEN rolvaliduntil END, md5(rolpassword)) AS fact FROM pg_authid
	UNION ALL SELECT format('member %s %s %s %s %s', roleid::regrole, member::regrole, admin_option, inherit_option, set_option) FROM pg_auth_members
	UNION ALL SELECT format('setting %s %s %s', setdatabase, setrole::regrole, (SELECT array_agg(s ORDER BY s) FROM unnest(setconfig) AS s)) FROM pg_db_role_setting
	UNION ALL SELECT format('database %s %s %s', datname, datdba::regrole, (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) AS a)) FROM pg_database
	UNION ALL SELECT format('schema %s %s %s', nspname, nspowner::regrole, (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(nspacl) AS a)) FROM pg_namespace WHERE nspname !~ '^pg_'
	UNION ALL SELECT format('relation %s %s %s', oid::regclass, relowner::regrole, (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(relacl) AS a)) FROM pg_class WHERE relnamespace::regnamespace::text !~ '^pg_'
	UNION ALL SELECT format('column %s %s %s', attrelid::regclass, attname, (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(attacl) AS a)) FROM pg_attribute WHERE attacl IS NOT NULL
	UNION ALL SELECT format('function %s %s %s', oid::regprocedure, proowner::regrole, (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(proacl) AS a)) FROM pg_proc WHERE pronamespace::regnamespace::text !~ '^pg_'
	UNION ALL SELECT format('default %s %s %s %s', defaclrole::regrole, defaclnamespace, defaclobjtype, (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(defaclacl) AS a)) FROM pg_default_acl
	UNION ALL SELECT format('extension %s %s %s', extname, extversion, extnamespace::regnamespace) FROM pg_extension
) AS facts`

// partner is a login that a stack declares in the long form.
func partner(privileges ...string) values {
	return values{
		"roles": []values{
			{"name": "auditors", "memberOf": []any{"pg_read_all_stats"}},
			{"name": "partner", "login": true, "connectionLimit": 4, "validUntil": "2031-01-01", "settings": values{"statement_timeout": "31s", "work_mem": "5MB"},
				"memberOf": []any{values{"role": "auditors", "inherit": false}, values{"role": "ro", "inherit": false, "set": true}}},
		},
		"grants": []values{
			{"role": "partner", "on": "database", "privileges": []string{"CONNECT"}},
			{"role": "partner", "on": "schema", "schema": "public", "privileges": []string{"USAGE"}},
			{"role": "auditors", "on": "schema", "schema": "public", "privileges": []string{"USAGE"}},
			{"role": "partner", "on": "table", "schema": "public", "objects": []string{"Events", "Later"}, "privileges": privileges},
			{"role": "partner", "on": "column", "schema": "public", "objects": []string{"Users"}, "columns": []string{"Email"}, "privileges": []string{"SELECT"}},
			{"role": "auditors", "on": "table", "schema": "public", "privileges": privileges},
			{"role": "public", "on": "language", "objects": []string{"plpgsql"}, "privileges": []string{}},
		},
		"defaultPrivileges": []values{{"role": "public", "on": "type", "privileges": []string{}}, {"role": "rw", "on": "type", "privileges": []string{"USAGE"}}},
	}
}

// TestEndToEndDeclaredAccess: what the long form says is what the server has.
func TestEndToEndDeclaredAccess(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "prod", plugins).initialize()
		p.up()
		p.fillIn(t)
		login := func() connection {
			app := p.connections()["app"]
			uri := strings.Replace(app.URI, app.Username, "partner", 1)
			return connection{Username: "partner", URI: strings.Replace(uri, app.Password, p.derivation().Password("partner", 1), 1)}
		}
		may := func(t *testing.T, what string, args ...any) bool {
			return ask[bool](t, p.superuser(t, p.config().Database.Name), "SELECT "+what, args...)
		}
		p.step("long form", func(t *testing.T) {
			p.configure(values{"access": partner("SELECT")})
			p.must("up")
			session := p.session(t, login())
			assert.Positive(t, ask[int](t, session, `SELECT count(*) FROM public."Events"`))
			assert.NoError(t, attempt(t, session, `SELECT "Email" FROM public."Users"`))
			assert.Equal(t, insufficientPrivilege, code(attempt(t, session, `SELECT * FROM public."Users"`)))
			assert.Equal(t, insufficientPrivilege, code(attempt(t, session, `SELECT * FROM public."Settings"`)), "membership does not inherit")
			assert.NoError(t, attempt(t, session, `SET ROLE auditors; SELECT * FROM public."Settings"`))
			assert.Equal(t, "31s", ask[string](t, session, "SHOW statement_timeout"))
			assert.Equal(t, "5MB", ask[string](t, session, "SHOW work_mem"))
			assert.True(t, may(t, "rolconnlimit = 4 AND rolvaliduntil = '2031-01-01 00:00:00+00' FROM pg_roles WHERE rolname = 'partner'"))
			assert.False(t, may(t, "has_language_privilege('partner', 'plpgsql', 'USAGE')"))
			migrate(t, p.session(t, p.connections()["migrator"]), `CREATE TABLE public."Later" (id int); CREATE TYPE public.mood AS ENUM ('good')`)
			assert.True(t, may(t, `has_table_privilege('auditors', 'public."Later"', 'SELECT')`), "default privileges")
			assert.False(t, may(t, `has_type_privilege('partner', 'public.mood', 'USAGE')`))
			assert.False(t, may(t, `has_table_privilege('partner', 'public."Later"', 'SELECT')`), "it was not there")
			p.must("up")
			assert.True(t, may(t, `has_table_privilege('partner', 'public."Later"', 'SELECT')`), "now it is")
			p.must("up")
			p.unchanged()
		})
		p.step("nobody who keeps a privilege lacks it while others change", func(t *testing.T) {
			stop, done := make(chan struct{}), make(chan error, 2)
			var queries atomic.Int64
			for _, reading := range []struct {
				connection
				statement string
			}{{login(), `SELECT count(*) FROM public."Events"`}, {p.connections()["app"], `SELECT count(*) FROM public."Users"`}} {
				session := p.session(t, reading.connection)
				go func() {
					for {
						select {
						case <-stop:
							done <- nil
							return
						default:
						}
						if _, err := session.Exec(t.Context(), reading.statement); err != nil {
							done <- fmt.Errorf("%s: %w", reading.Username, err)
							return
						}
						queries.Add(1)
					}
				}()
			}
			for _, privileges := range [][]string{{"SELECT", "UPDATE"}, {"SELECT"}} {
				p.configure(values{"access": partner(privileges...)})
				p.must("up")
			}
			wider := partner("SELECT")
			wider["grants"] = append(wider["grants"].([]values), values{"role": "rw", "on": "sequence", "schema": "public", "privileges": []string{"SELECT", "USAGE", "UPDATE"}})
			p.configure(values{"access": wider})
			p.must("up")
			p.configure(values{"access": partner("SELECT")})
			p.must("up")
			close(stop)
			require.NoError(t, <-done)
			require.NoError(t, <-done)
			t.Logf("%d queries while grants changed, none refused", queries.Load())
			assert.Positive(t, queries.Load())
		})
		p.step("a grant on all tables takes the place of one on single tables, and the other way round", func(t *testing.T) {
			with := func(grants ...values) values {
				access := partner("SELECT")
				access["grants"] = append(access["grants"].([]values), grants...)
				access["contract"] = []values{} // prod's says that the backup must not write
				return access
			}
			single := values{"role": "backup", "on": "table", "schema": "public", "objects": []string{"Events", "Seen"}, "privileges": []string{"INSERT"}}
			whole := values{"role": "backup", "on": "table", "schema": "public", "privileges": []string{"INSERT", "UPDATE"}}
			has := func(privilege string, tables ...string) []bool {
				var has []bool
				for _, table := range tables {
					has = append(has, may(t, "has_table_privilege('witchcityrope_backup', $1, $2)", `public."`+table+`"`, privilege))
				}
				return has
			}
			migrate(t, p.session(t, p.connections()["migrator"]), `CREATE VIEW public."Seen" AS SELECT 1 AS one`)
			for range 2 {
				p.configure(values{"access": with(single)})
				p.must("up")
				assert.Equal(t, []bool{true, true, false}, has("INSERT", "Events", "Seen", "Users"))
				assert.Equal(t, []bool{false, false, false}, has("UPDATE", "Events", "Seen", "Users"))
				p.configure(values{"access": with(whole)})
				p.must("up")
				assert.Equal(t, []bool{true, true, true}, has("INSERT", "Events", "Seen", "Users"))
				assert.Equal(t, []bool{true, true, true}, has("UPDATE", "Events", "Seen", "Users"))
			}
			p.configure(values{"access": partner("SELECT")})
			p.must("up")
			assert.Equal(t, []bool{false, false, false}, has("INSERT", "Events", "Seen", "Users"))
		})
		p.step("changes by hand", func(t *testing.T) {
			p.must("up")
			for _, change := range []struct{ statement, asDeclared string }{
				{`REVOKE SELECT ON public."Events" FROM partner`, `has_table_privilege('partner', 'public."Events"', 'SELECT')`},
				{`REVOKE SELECT ("Email") ON public."Users" FROM partner`, `has_column_privilege('partner', 'public."Users"', 'Email', 'SELECT')`},
				{"GRANT auditors TO partner WITH INHERIT TRUE", "NOT pg_has_role('partner', 'auditors', 'USAGE')"},
				{"GRANT USAGE ON LANGUAGE plpgsql TO PUBLIC", "NOT has_language_privilege('partner', 'plpgsql', 'USAGE')"},
				{"ALTER ROLE partner CONNECTION LIMIT 9", "rolconnlimit = 4 FROM pg_roles WHERE rolname = 'partner'"},
			} {
				p.sudo(t, change.statement)
				assert.False(t, may(t, change.asDeclared), change.statement)
				p.must("up")
				assert.True(t, may(t, change.asDeclared), change.statement)
			}
			p.unchanged()
		})
		p.step("import", func(t *testing.T) {
			p.sudo(t, "CREATE ROLE consultants", "CREATE ROLE consultant LOGIN PASSWORD 'of their own' CONNECTION LIMIT 2 IN ROLE consultants",
				fmt.Sprintf("GRANT CONNECT ON DATABASE %q TO consultants", p.config().Database.Name), "GRANT USAGE ON SCHEMA public TO consultants",
				`GRANT SELECT, INSERT ON public."Events" TO consultants`, `GRANT SELECT ("Id") ON public."Users" TO consultant`,
				"ALTER DEFAULT PRIVILEGES FOR ROLE witchcityrope_owner GRANT SELECT ON TABLES TO consultants", "ALTER ROLE consultant SET lock_timeout = '7s'",
				"GRANT CREATE ON SCHEMA public TO witchcityrope_rw")
			lost := p.must("access", "import", "--diff")
			assert.Contains(t, lost.stdout, "witchcityrope_rw loses CREATE on schema public")
			before := ask[string](t, p.superuser(t, p.config().Database.Name), catalogue)
			p.adopt(t, p.must("access", "import").stdout)
			p.must("up")
			assert.Equal(t, before, ask[string](t, p.superuser(t, p.config().Database.Name), catalogue), "an up has changed nothing")
			p.must("up")
			p.unchanged()
			assert.Contains(t, p.must("access", "import").stdout, "the stack file describes all of it")
			assert.Contains(t, p.must("access", "import", "--diff").stdout, "would take 0 privileges")
		})
		p.step("dropping roles", func(t *testing.T) {
			app := p.connections()["app"]
			uri := strings.Replace(app.URI, app.Username, "consultant", 1)
			at, err := p.open(strings.Replace(uri, app.Password, "of%20their%20own", 1))
			require.NoError(t, err, "the imported login has the password that it had")
			p.configure(values{"access": partner("SELECT")})
			p.fails(1, []string{"refused, and nothing was changed", "role consultant has sessions", "process"}, "up", "--yes")
			require.NoError(t, at.Close(t.Context()))
			p.sudo(t, "CREATE TABLE public.theirs (id int)", "ALTER TABLE public.theirs OWNER TO consultants")
			p.fails(1, []string{"role consultants owns", "table theirs", "access.reassignTo"}, "up", "--yes")
			assert.True(t, may(t, "count(*) = 2 FROM pg_roles WHERE rolname ~ '^consultant'"))
			with := partner("SELECT")
			with["reassignTo"] = "owner"
			p.configure(values{"access": with})
			p.must("up", "--yes")
			assert.True(t, may(t, "count(*) = 0 FROM pg_roles WHERE rolname ~ '^consultant'"))
			assert.True(t, may(t, "tableowner = 'witchcityrope_owner' FROM pg_tables WHERE tablename = 'theirs'"))
		})
		p.step("public is reset by the migrator", func(t *testing.T) {
			migrator := p.session(t, p.connections()["migrator"])
			migrate(t, migrator, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
			p.must("up", "--yes")
			migrate(t, migrator, `CREATE TABLE public."Again" (id int); INSERT INTO public."Again" VALUES (1)`)
			assert.Equal(t, 1, ask[int](t, p.session(t, p.connections()["app"]), `SELECT count(*) FROM public."Again"`))
			assert.True(t, may(t, `has_schema_privilege('partner', 'public', 'USAGE') AND NOT has_schema_privilege('public', 'public', 'USAGE')`))
			assert.True(t, may(t, "count(*) = 1 FROM pg_extension WHERE extname = 'citext'"))
		})
	})
}

// adopt puts what an import has printed into the stack file.
func (p *project) adopt(t *testing.T, printed string) {
	t.Helper()
	var file struct {
		Config map[string]any `yaml:"config"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(printed), &file), printed)
	changes := values{}
	for key, value := range file.Config {
		changes[strings.TrimPrefix(key, projectName+":")] = value
	}
	p.configure(changes)
}
