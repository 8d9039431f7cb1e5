package live

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/pgtest"
)

// TestCatalogSeesEveryChange: each change by itself makes another hash, and
// what changed nothing does not, in every version.
func TestCatalogSeesEveryChange(t *testing.T) {
	changes := []struct {
		since     int
		statement string
	}{
		{14, "ALTER ROLE app PASSWORD 'by hand'"},
		{14, "ALTER ROLE app CONNECTION LIMIT 3"},
		{14, "ALTER ROLE app VALID UNTIL '2031-01-01'"},
		{14, "ALTER ROLE app SET work_mem = '5MB'"},
		{14, "ALTER DATABASE postgres SET work_mem = '5MB'"},
		{14, "GRANT rw TO app WITH ADMIN OPTION"},
		{16, "GRANT rw TO app WITH INHERIT FALSE"},
		{16, "GRANT rw TO app WITH SET FALSE"},
		{14, "REVOKE rw FROM app"},
		{14, "ALTER DATABASE template1 OWNER TO app"},
		{14, "ALTER DATABASE template1 ALLOW_CONNECTIONS false"},
		{14, "GRANT CREATE ON DATABASE postgres TO PUBLIC"},
		{14, "GRANT CREATE ON SCHEMA public TO app"},
		{14, "ALTER SCHEMA public OWNER TO app"},
		{14, "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO app"},
		{14, "CREATE EXTENSION citext"},
		{14, "GRANT SELECT ON things TO app"},
		{14, "GRANT SELECT (id) ON things TO app"},
		{14, "ALTER TABLE things OWNER TO app"},
		{14, "GRANT SELECT ON pg_authid TO app"},
		{14, "GRANT SELECT (rolname) ON pg_authid TO app"},
		{14, "GRANT SELECT ON numbers TO app"},
		{14, "REVOKE EXECUTE ON FUNCTION answer() FROM PUBLIC"},
		{14, "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO app"},
		{14, "REVOKE EXECUTE ON FUNCTION now() FROM PUBLIC"},
		{14, "REVOKE USAGE ON TYPE mood FROM PUBLIC"},
		{14, "REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC"},
		{14, "GRANT SELECT ON LARGE OBJECT 4711 TO app"},
		{14, "GRANT CREATE ON TABLESPACE pg_default TO app"},
		{14, "GRANT USAGE ON FOREIGN DATA WRAPPER wrapper TO app"},
		{14, "GRANT USAGE ON FOREIGN SERVER elsewhere TO app"},
		{15, "GRANT SET ON PARAMETER log_statement TO app"},
		{15, "GRANT ALTER SYSTEM ON PARAMETER log_statement TO app"},
		{14, "ALTER SYSTEM SET work_mem = '6MB'"},
	}
	for major, release := range pgtest.Releases {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			server := pgtest.New(t, release)
			require.NoError(t, server.Start(t.Context()))
			connection := server.Connect(t)
			for _, statement := range []string{
				"CREATE ROLE rw", "CREATE ROLE app LOGIN PASSWORD 'declared' IN ROLE rw", "CREATE TABLE things (id int)", "CREATE SEQUENCE numbers",
				"CREATE FUNCTION answer() RETURNS int LANGUAGE sql AS 'SELECT 42'", "CREATE TYPE mood AS ENUM ('good')", "SELECT lo_create(4711)",
				"CREATE FOREIGN DATA WRAPPER wrapper", "CREATE SERVER elsewhere FOREIGN DATA WRAPPER wrapper",
			} {
				_, err := connection.Exec(t.Context(), statement)
				require.NoError(t, err, statement)
			}
			before := hashes(t, connection)
			for _, change := range changes {
				if change.since > major {
					continue
				}
				_, err := connection.Exec(t.Context(), change.statement)
				require.NoError(t, err, change.statement)
				after := hashes(t, connection)
				assert.NotEqual(t, before, after, change.statement)
				assert.Equal(t, after, hashes(t, connection), "%s, looked at twice", change.statement)
				before = after
			}
		})
	}
}

func hashes(t *testing.T, connection *pgx.Conn) []*string {
	t.Helper()
	found, err := catalog(t.Context(), connection)
	require.NoError(t, err)
	return found
}
