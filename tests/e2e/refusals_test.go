package e2e

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	insufficientPrivilege = "42501"
	invalidAuthorization  = "28000"
	invalidPassword       = "28P01"
)

// forbidden is what no login of the application may do. All of it ends with
// 42501, insufficient_privilege.
func forbidden(p *project) []string {
	names := p.names()
	return []string{
		`CREATE TABLE public.mine (x int)`, `CREATE TABLE auth.mine (x int)`, `CREATE SCHEMA mine`, `CREATE TEMPORARY TABLE mine (x int)`,
		`CREATE VIEW public.mine AS SELECT 1`, `CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
		`CREATE INDEX ON public."Events" ("StartDate")`, `ALTER TABLE public."Events" ADD COLUMN mine int`,
		`ALTER TABLE public."Events" DISABLE TRIGGER ALL`, `DROP TABLE public."Settings"`, `DROP INDEX public."IX_Settings_Key"`,
		`DROP SCHEMA public CASCADE`, `ALTER SCHEMA public RENAME TO mine`, `ALTER TABLE public."Events" OWNER TO ` + names.App(),
		`DROP EXTENSION citext`, `CREATE EXTENSION pg_trgm SCHEMA public`, `COMMENT ON TABLE public."Events" IS 'mine'`,
		`CREATE ROLE mine`, `ALTER ROLE ` + names.Migrator + ` PASSWORD 'mine'`, `ALTER ROLE ` + names.App() + ` SUPERUSER`, `DROP ROLE ` + names.Backup,
		`GRANT ` + names.Owner + ` TO ` + names.App(), `SET ROLE ` + names.Owner, `SET ROLE ` + names.Migrator, `SET ROLE postgres`, `SET SESSION AUTHORIZATION postgres`,
		`ALTER DEFAULT PRIVILEGES FOR ROLE ` + names.Owner + ` GRANT ALL ON TABLES TO PUBLIC`,
		`COPY (SELECT 1) TO PROGRAM 'true'`, `COPY public."Events" FROM PROGRAM 'true'`, `COPY (SELECT 1) TO '/tmp/mine'`, `COPY public."Events" FROM '/etc/passwd'`,
		`SELECT * FROM pg_authid`, `SELECT rolpassword FROM pg_authid`, `SELECT pg_read_file('pg_hba.conf')`, `SELECT pg_ls_dir('.')`, `SELECT lo_import('/etc/passwd')`,
		`SELECT pg_reload_conf()`, `SELECT pg_switch_wal()`, `SET log_statement = 'none'`, `SET session_replication_role = replica`,
		`CREATE PUBLICATION mine`, `CREATE EVENT TRIGGER mine ON ddl_command_start EXECUTE FUNCTION pg_catalog.tsvector_update_trigger()`,
		`ALTER DATABASE ` + p.config().Database.Name + ` SET work_mem = '1MB'`,
	}
}

// outsideTransactions is forbidden too, and cannot be tried in a transaction.
func outsideTransactions(p *project) []string {
	statements := []string{
		`ALTER SYSTEM SET log_statement = 'none'`, `DROP DATABASE postgres`, `CREATE TABLESPACE mine LOCATION '/tmp'`,
	}
	if !p.config().Access.Application.CreateDatabases {
		statements = append(statements, `CREATE DATABASE mine`)
	}
	return statements
}

// provesRefusals tries what must not be possible.
func provesRefusals(p *project) {
	var logins map[string]connection
	p.step("logins for refusals", func(t *testing.T) { logins = p.connections() })
	for _, client := range []string{"app", "readonly", "monitor", "backup"} {
		p.step("refused to "+client, func(t *testing.T) {
			session := p.session(t, logins[client])
			for _, statement := range forbidden(p) {
				if client == "backup" && strings.Contains(statement, "pg_authid") {
					continue // pg_read_all_data reads it: a dump of the roles needs their verifiers
				}
				assert.Equal(t, insufficientPrivilege, code(attempt(t, session, statement)), statement)
			}
			for _, statement := range outsideTransactions(p) {
				_, err := session.Exec(t.Context(), statement)
				assert.Equal(t, insufficientPrivilege, code(err), statement)
			}
		})
	}
	p.step("TRUNCATE", func(t *testing.T) {
		err := attempt(t, p.session(t, logins["app"]), `TRUNCATE public."Events", public."Users" CASCADE`)
		if p.config().Access.Application.Truncate {
			assert.NoError(t, err)
		} else {
			assert.Equal(t, insufficientPrivilege, code(err))
		}
	})
	p.step("databases from a template", func(t *testing.T) { provesDatabases(t, p, logins["app"]) })
	p.step("logins refused", func(t *testing.T) { provesLogins(t, p, logins) })
}

// provesDatabases: only a stack that says so lets the application make databases.
func provesDatabases(t *testing.T, p *project, login connection) {
	if !p.config().Access.Application.CreateDatabases {
		return // tried with what is forbidden
	}
	session := p.session(t, login)
	_, err := session.Exec(t.Context(), "CREATE DATABASE respawned TEMPLATE template0")
	require.NoError(t, err)
	copied := login
	copied.Database, copied.URI = "respawned", withDatabase(t, login.URI, "respawned")
	there, err := p.open(copied.URI)
	require.NoError(t, err)
	_, err = there.Exec(t.Context(), "CREATE SCHEMA mine CREATE TABLE t (x int)")
	assert.NoError(t, err)
	require.NoError(t, there.Close(t.Context()))
	_, err = session.Exec(t.Context(), "DROP DATABASE respawned")
	require.NoError(t, err)
}

func withDatabase(t *testing.T, uri, database string) string {
	t.Helper()
	parsed, err := url.Parse(uri)
	require.NoError(t, err)
	parsed.Path = database
	return parsed.String()
}

// provesLogins tries to come in where nobody may.
func provesLogins(t *testing.T, p *project, logins map[string]connection) {
	stack, derivation, names := p.config(), p.derivation(), p.names()
	secret := func(role string) string { return derivation.Password(role, names.Generation(role)) }
	encrypted := "disable"
	if stack.TLS.Enabled {
		encrypted = "require"
	}
	type login struct{ what, role, password, database, mode, code string }
	attempts := []login{
		{"a wrong password", names.App(), "wrong", stack.Database.Name, encrypted, invalidPassword},
		{"no such role", "nobody", "wrong", stack.Database.Name, encrypted, invalidAuthorization},
		{"the owner", names.Owner, "wrong", stack.Database.Name, encrypted, invalidAuthorization},
		{"the group", names.ReadWrite, "wrong", stack.Database.Name, encrypted, invalidAuthorization},
		{"the health check from elsewhere", names.Health, secret(names.Health), stack.Database.Name, encrypted, invalidAuthorization},
		{"the superuser's first password", stack.Target.Username, derivation.Password(stack.Target.Username, -1), stack.Database.Name, encrypted, invalidPassword},
	}
	for _, client := range []string{"app", "migrator", "readonly", "monitor", "backup"} {
		for _, database := range []string{"postgres", "template1"} {
			refusal := invalidAuthorization
			if slices.Contains([]string{"app", "migrator"}, client) && stack.Access.Application.CreateDatabases {
				refusal = insufficientPrivilege // the rules let it in; CONNECT is not granted
			}
			attempts = append(attempts, login{client + " to " + database, logins[client].Username, logins[client].Password, database, encrypted, refusal})
		}
		if stack.TLS.Required {
			attempts = append(attempts, login{client + " without TLS", logins[client].Username, logins[client].Password, stack.Database.Name, "disable", invalidAuthorization})
		}
	}
	if stack.TLS.Required {
		attempts = append(attempts, login{"the superuser without TLS", "postgres", secret("postgres"), stack.Database.Name, "disable", invalidAuthorization})
	}
	for _, try := range attempts {
		settings, err := pgconn.ParseConfig(fmt.Sprintf("host=%s port=%d user=%s password=%s dbname=%s sslmode=%s connect_timeout=10",
			stack.Host(), stack.Port(), try.role, try.password, try.database, try.mode))
		require.NoError(t, err)
		session, err := pgconn.ConnectConfig(t.Context(), settings)
		if err == nil {
			require.NoError(t, session.Close(context.Background()))
		}
		assert.Equal(t, try.code, code(err), try.what)
	}
}
