package standin_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/pulumi/pulumi-postgresql/sdk/v3/go/postgresql"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/pgtest"
	"github.com/witchcityrope/database/internal/postgres"
)

// tenant is what the application of a database gets: roles, a schema, an extension and privileges.
type tenant struct {
	port       int
	verifier   string
	privileges []string
}

// access registers every resource type of the postgresql provider, each after the one before.
func (c *tenant) access(ctx *pulumi.Context) error {
	provider, err := postgresql.NewProvider(ctx, "postgresql", &postgresql.ProviderArgs{
		Host: pulumi.String("127.0.0.1"), Port: pulumi.Int(c.port), Username: pulumi.String(pgtest.Superuser),
		Password: pulumi.String(pgtest.Password), Database: pulumi.String("app"), Sslmode: pulumi.String("disable"),
		Superuser: pulumi.Bool(true), ExpectedVersion: pulumi.String("16.0.0"), MaxConnections: pulumi.Int(4),
	})
	if err != nil {
		return err
	}
	var last pulumi.Resource = provider
	after := func() pulumi.ResourceOption {
		return pulumi.Composite(pulumi.Provider(provider), pulumi.DependsOn([]pulumi.Resource{last}))
	}
	role := func(name string, args *postgresql.RoleArgs) error {
		args.Name = pulumi.String(name)
		last, err = postgresql.NewRole(ctx, name, args, after())
		return err
	}
	defaults := func(name, role, kind string, privileges ...string) error {
		last, err = postgresql.NewDefaultPrivileges(ctx, name, &postgresql.DefaultPrivilegesArgs{
			Database: pulumi.String("app"), Role: pulumi.String(role), Owner: pulumi.String("app_owner"),
			ObjectType: pulumi.String(kind), Privileges: pulumi.ToStringArray(append([]string{}, privileges...)),
		}, after())
		return err
	}
	for _, step := range []func() error{
		func() error { return role("app_owner", &postgresql.RoleArgs{}) },
		func() error { return role("app_rw", &postgresql.RoleArgs{}) },
		func() error {
			return role("app_a", &postgresql.RoleArgs{
				Login: pulumi.Bool(true), Password: pulumi.String(c.verifier), Roles: pulumi.ToStringArray([]string{"app_rw"}),
				ConnectionLimit: pulumi.Int(20), StatementTimeout: pulumi.Int(30000),
			})
		},
		func() error {
			return role("app_migrator", &postgresql.RoleArgs{
				Login: pulumi.Bool(true), Password: pulumi.String(c.verifier), Roles: pulumi.ToStringArray([]string{"app_owner"}),
				AssumeRole: pulumi.String("app_owner"), SearchPaths: pulumi.ToStringArray([]string{"auth", "public"}),
				Inherit: pulumi.Bool(false), ValidUntil: pulumi.String("2099-01-01 00:00:00+00"),
			})
		},
		func() error {
			last, err = postgresql.NewSchema(ctx, "auth", &postgresql.SchemaArgs{
				Name: pulumi.String("auth"), Owner: pulumi.String("app_owner"), Database: pulumi.String("app"),
				IfNotExists: pulumi.Bool(true), DropCascade: pulumi.Bool(true),
			}, after())
			return err
		},
		func() error {
			last, err = postgresql.NewExtension(ctx, "citext", &postgresql.ExtensionArgs{
				Name: pulumi.String("citext"), Schema: pulumi.String("public"), Database: pulumi.String("app"),
			}, after())
			return err
		},
		func() error { return defaults("default-tables", "app_rw", "table", c.privileges...) },
		func() error { return defaults("default-sequences", "app_rw", "sequence", "USAGE", "SELECT") },
		func() error { return defaults("default-functions", "public", "function") },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func TestDatabasePlaneOnTheRealEngine(t *testing.T) {
	server := pgtest.Start(t, "log_statement=all")
	admin := server.Connect(t)
	execute(t, admin, "CREATE DATABASE app")
	c := &tenant{
		port: server.Port, verifier: postgres.ScramVerifier("a password", []byte("salt of sixteen."), 4096),
		privileges: []string{"SELECT", "INSERT", "UPDATE"},
	}
	s, backend := stack(t, c.access)
	_, err := s.Preview(t.Context())
	require.NoError(t, err)
	_, err = s.Up(t.Context())
	require.NoError(t, err)
	settled(t, s)
	unreadable(t, backend, c.verifier, pgtest.Password)

	migrator := server.ConnectAs(t, "app_migrator", "a password", "app")
	execute(t, migrator, "GRANT USAGE ON SCHEMA auth TO app_rw")
	execute(t, migrator, "CREATE TABLE things (id serial PRIMARY KEY, name text)")
	app := server.ConnectAs(t, "app_a", "a password", "app")
	execute(t, app, "INSERT INTO auth.things (name) VALUES ('Rope')")
	_, err = app.Exec(t.Context(), "DELETE FROM auth.things")
	require.ErrorContains(t, err, "permission denied")
	settled(t, s)

	superuser := server.ConnectAs(t, pgtest.Superuser, pgtest.Password, "app")
	drifts := map[string]string{
		"a password":          "ALTER ROLE app_a PASSWORD 'another'",
		"an attribute":        "ALTER ROLE app_a CREATEDB",
		"a membership":        "REVOKE app_rw FROM app_a",
		"a setting":           "ALTER ROLE app_a RESET statement_timeout",
		"changed defaults":    "ALTER DEFAULT PRIVILEGES FOR ROLE app_owner REVOKE INSERT ON TABLES FROM app_rw",
		"defaults taken away": "ALTER DEFAULT PRIVILEGES FOR ROLE app_owner REVOKE ALL ON SEQUENCES FROM app_rw",
		"an owner":            "ALTER SCHEMA auth OWNER TO postgres",
	}
	if !published() { // which does not look at what PostgreSQL has built in
		drifts["defaults for everybody"] = "ALTER DEFAULT PRIVILEGES FOR ROLE app_owner GRANT EXECUTE ON FUNCTIONS TO public"
	}
	for name, statement := range drifts {
		t.Run("drift of "+name+" is found and repaired", func(t *testing.T) {
			before := catalogue(t, superuser)
			execute(t, superuser, statement)
			repaired(t, s)
			assert.Equal(t, before, catalogue(t, superuser))
		})
	}
	t.Run("inputs change in place", func(t *testing.T) {
		c.privileges = []string{"SELECT"}
		_, err := s.Up(t.Context())
		require.NoError(t, err)
		settled(t, s)
		execute(t, migrator, "CREATE TABLE later (id int)")
		_, err = app.Exec(t.Context(), "INSERT INTO auth.later VALUES (1)")
		require.ErrorContains(t, err, "permission denied")
		execute(t, app, "SELECT FROM auth.later")
	})
	require.NoError(t, migrator.Close(t.Context()))
	require.NoError(t, app.Close(t.Context()))
	_, err = s.Destroy(t.Context())
	require.NoError(t, err)
	assert.NotContains(t, catalogue(t, superuser), "app_")
	if !published() { // whose sessions are logged like all others
		assert.NotContains(t, server.Log(t), "SCRAM-SHA-256$", "the verifier is in the server's log")
	}
}

func execute(t *testing.T, session *pgx.Conn, statement string) {
	t.Helper()
	_, err := session.Exec(t.Context(), statement)
	require.NoError(t, err, statement)
}

// catalogue is all that the provider can have changed, as text.
func catalogue(t *testing.T, session *pgx.Conn) string {
	t.Helper()
	rows, err := session.Query(t.Context(), `
		SELECT 'role ' || row_to_json(r) FROM (SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin,
			rolreplication, rolbypassrls, rolconnlimit, rolpassword, rolvaliduntil,
			(SELECT array_agg(setconfig) FROM pg_db_role_setting WHERE setrole = pg_authid.oid) AS settings
			FROM pg_authid WHERE rolname LIKE 'app%' ORDER BY rolname) AS r
		UNION ALL SELECT 'member ' || roleid::regrole || ' ' || member::regrole FROM pg_auth_members WHERE member >= 16384
		UNION ALL SELECT 'schema ' || nspname || ' ' || nspowner::regrole || ' ' || x FROM pg_namespace, unnest(nspacl) AS x WHERE nspname = 'auth'
		UNION ALL SELECT 'relation ' || relname || ' ' || x FROM pg_class, unnest(relacl) AS x WHERE relnamespace = to_regnamespace('auth')
		UNION ALL SELECT 'database ' || x FROM pg_database, unnest(datacl) AS x WHERE datname = 'app'
		UNION ALL SELECT 'default ' || defaclrole::regrole || ' ' || defaclnamespace || ' ' || defaclobjtype::text || ' ' || x
			FROM pg_default_acl, unnest(defaclacl) AS x
		ORDER BY 1`)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return strings.Join(lines, "\n")
}
