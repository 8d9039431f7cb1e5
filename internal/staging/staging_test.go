package staging

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/pgtest"
)

const contents = `;
; Archive created at 2026-11-24 02:00:00 UTC
;     dbname: shop
5; 2615 16389 SCHEMA - auth postgres
6; 2615 16390 SCHEMA - cms postgres
4022; 0 0 COMMENT - SCHEMA auth
2; 3079 16391 EXTENSION - citext 
4023; 0 0 COMMENT - EXTENSION citext 
230; 1259 16400 TABLE public Boats shop_owner
4024; 0 0 ACL public TABLE "Boats" shop_owner
2100; 826 16420 DEFAULT ACL - DEFAULT PRIVILEGES FOR TABLES shop_owner
4025; 0 0 COMMENT public TABLE "Boats" shop_owner
`

func TestWhatIsTheStacksOwnIsLeftOut(t *testing.T) {
	assert.Equal(t, `6; 2615 16390 SCHEMA - cms postgres
230; 1259 16400 TABLE public Boats shop_owner
4025; 0 0 COMMENT public TABLE "Boats" shop_owner
`, wanted(contents, []string{"auth", "public"}))
}

func TestWhatIsForPsqlIsLeftOut(t *testing.T) {
	parsed, err := script("--\n\\restrict abcDEF123\n\nSET statement_timeout = 0;\nSET transaction_timeout = 0;\nCREATE TABLE a (x int);\n\\unrestrict abcDEF123\n\n")
	require.NoError(t, err)
	require.Len(t, parsed.Statements, 2)
	assert.Equal(t, "CREATE TABLE a (x int)", parsed.Statements[1].Text)
}

// execute runs statements, which end the test if they cannot be.
func execute(t *testing.T, session *pgx.Conn, statements string) {
	t.Helper()
	_, err := session.Exec(t.Context(), statements)
	require.NoError(t, err)
}

func TestSurroundings(t *testing.T) {
	server := pgtest.Start(t)
	execute(t, server.Connect(t), "CREATE ROLE shop_owner; CREATE ROLE shop_app LOGIN; CREATE ROLE shop_ro LOGIN")
	for _, name := range []string{"present", "next"} {
		execute(t, server.Connect(t), "CREATE DATABASE "+name)
	}
	present, next := server.ConnectAs(t, pgtest.Superuser, pgtest.Password, "present"), server.ConnectAs(t, pgtest.Superuser, pgtest.Password, "next")
	execute(t, present, `
		CREATE SCHEMA "Sea" AUTHORIZATION shop_owner; CREATE SCHEMA other; GRANT USAGE ON SCHEMA "Sea", public TO shop_app; REVOKE ALL ON SCHEMA public FROM PUBLIC;
		CREATE EXTENSION citext SCHEMA "Sea";
		ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner GRANT SELECT, INSERT ON TABLES TO shop_app;
		ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner REVOKE ALL ON FUNCTIONS FROM PUBLIC;
		ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA "Sea" GRANT SELECT ON TABLES TO shop_ro;
		SET ROLE shop_owner;
		CREATE TABLE "Sea".boats (x int); CREATE TABLE "Sea".history (x int); REVOKE INSERT ON "Sea".history FROM shop_app; GRANT UPDATE ON "Sea".history TO shop_ro WITH GRANT OPTION;
		CREATE FUNCTION "Sea".f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; GRANT EXECUTE ON FUNCTION "Sea".f(int) TO shop_ro;
		RESET ROLE`)

	surroundings, err := Survey(t.Context(), present, []string{"public", "Sea"})
	require.NoError(t, err)
	require.NoError(t, surroundings.Make(t.Context(), next))
	again, err := Survey(t.Context(), next, []string{"public", "Sea"})
	require.NoError(t, err)
	assert.Equal(t, surroundings, again)

	require.NoError(t, As(t.Context(), next, "shop_owner", func() error {
		_, err := next.Exec(t.Context(), `CREATE SCHEMA more; CREATE TABLE "Sea".boats (x int); CREATE TABLE "Sea".history (x int); CREATE TABLE "Sea".new (x "Sea".citext);
			CREATE FUNCTION "Sea".f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'`)
		return err
	}))
	require.NoError(t, Privileges(t.Context(), present, next))
	may := func(role, table, privilege string) (yes bool) {
		require.NoError(t, next.QueryRow(t.Context(), "SELECT has_table_privilege($1::text, $2::text, $3::text)", role, table, privilege).Scan(&yes))
		return yes
	}
	assert.True(t, may("shop_app", `"Sea".boats`, "INSERT"), "by default")
	assert.True(t, may("shop_app", `"Sea".new`, "INSERT"), "by default")
	assert.True(t, may("shop_app", `"Sea".history`, "SELECT"))
	assert.False(t, may("shop_app", `"Sea".history`, "INSERT"), "taken away in the present database")
	assert.True(t, may("shop_ro", `"Sea".history`, "UPDATE WITH GRANT OPTION"))
	var yes bool
	require.NoError(t, next.QueryRow(t.Context(), `SELECT has_function_privilege('shop_ro', '"Sea".f(int)', 'EXECUTE') AND NOT has_function_privilege('shop_app', '"Sea".f(int)', 'EXECUTE')
		AND NOT has_database_privilege('shop_owner', 'next', 'CREATE')`).Scan(&yes))
	assert.True(t, yes)
	present2, err := privileges(t.Context(), present)
	require.NoError(t, err)
	next2, err := privileges(t.Context(), next)
	require.NoError(t, err)
	for object, acl := range present2 {
		assert.Equal(t, acl.text, next2[object].text, object)
	}
}

func TestWhoComesInIsAdmittedInATransaction(t *testing.T) {
	server := pgtest.Start(t)
	execute(t, server.Connect(t), "CREATE ROLE shop_app LOGIN PASSWORD 'x'")
	for _, statement := range []string{"CREATE DATABASE present", "CREATE DATABASE next", "REVOKE ALL ON DATABASE present, next FROM PUBLIC", "GRANT CONNECT, TEMPORARY ON DATABASE present TO shop_app"} {
		execute(t, server.Connect(t), statement)
	}
	present, next := server.ConnectAs(t, pgtest.Superuser, pgtest.Password, "present"), server.ConnectAs(t, pgtest.Superuser, pgtest.Password, "next")
	tx, err := next.Begin(t.Context())
	require.NoError(t, err)
	require.NoError(t, Admit(t.Context(), present, tx))
	var may string
	require.NoError(t, tx.QueryRow(t.Context(), `SELECT format('%s %s %s', has_database_privilege('shop_app', 'next', 'CONNECT'), has_database_privilege('shop_app', 'next', 'TEMPORARY'), has_database_privilege('shop_app', 'next', 'CREATE'))`).Scan(&may))
	assert.Equal(t, "t t f", may)
	require.NoError(t, tx.Rollback(t.Context()))
}

func TestMaterializedViewsAreFilled(t *testing.T) {
	session := pgtest.Start(t).Connect(t)
	execute(t, session, `CREATE TABLE a (x int); INSERT INTO a VALUES (1); CREATE MATERIALIZED VIEW z AS SELECT x FROM a; CREATE MATERIALIZED VIEW b AS SELECT x FROM z;
		ALTER MATERIALIZED VIEW z RENAME TO y; REFRESH MATERIALIZED VIEW y WITH NO DATA; REFRESH MATERIALIZED VIEW b WITH NO DATA`)
	require.NoError(t, Refresh(t.Context(), session))
	var rows int
	require.NoError(t, session.QueryRow(t.Context(), "SELECT count(*) FROM b").Scan(&rows))
	assert.Equal(t, 1, rows)
}
