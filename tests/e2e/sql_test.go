package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/live"
)

// connection is one way in, as the outputs describe it.
type connection struct {
	Npgsql, URI, Host, Database, Username, Password string
	Port                                            int
}

// connections of the stack from the host, by client, read once with the secrets shown.
func (p *project) connections() map[string]connection {
	p.t.Helper()
	outputs := p.outputs("--show-secrets")
	found := map[string]connection{}
	for client, ways := range outputs["connections"].(map[string]any) {
		external := ways.(map[string]any)["external"].(map[string]any)
		found[client] = connection{
			Npgsql: external["npgsql"].(string), URI: external["uri"].(string), Host: external["host"].(string),
			Database: external["database"].(string), Username: external["username"].(string), Password: external["password"].(string),
			Port: int(external["port"].(float64)),
		}
	}
	return found
}

// open opens a session as a client is told to: by its URI, with the CA that wcrdb wrote.
func (p *project) open(uri string) (*pgx.Conn, error) { return p.openAs(uri, "") }

// openAs opens a session with a server that has to prove that it has a name;
// that of the URI if empty.
func (p *project) openAs(uri, name string) (*pgx.Conn, error) {
	if _, err := os.Stat(p.local("ca.crt")); err == nil {
		uri += "&sslrootcert=" + p.local("ca.crt")
	}
	settings, err := pgx.ParseConfig(uri)
	if err != nil {
		return nil, err
	}
	if name != "" {
		settings.TLSConfig.ServerName = name
	}
	settings.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	return pgx.ConnectConfig(context.Background(), settings)
}

// session is open for the rest of the test.
func (p *project) session(t testing.TB, c connection) *pgx.Conn {
	t.Helper()
	session, err := p.open(c.URI)
	require.NoError(t, err, "login of %s", c.Username)
	t.Cleanup(func() { _ = session.Close(context.Background()) }) // the server may have gone before it
	return session
}

// server is the one that the stack has now.
func (p *project) server() live.Server {
	p.t.Helper()
	return live.Server{Engine: p.docker, Container: p.config().Server.Name, Stack: p.config(), Derivation: p.derivation()}
}

// superuser opens a session as the superuser of the stack.
func (p *project) superuser(t testing.TB, database string) *pgx.Conn {
	t.Helper()
	session, err := p.server().Superuser(t.Context(), database)
	require.NoError(t, err)
	t.Cleanup(func() { _ = session.Close(context.Background()) }) // the server may have gone before it
	return session
}

// sudo runs statements as the superuser in the stack's database.
func (p *project) sudo(t testing.TB, statements ...string) {
	t.Helper()
	session, err := p.server().Superuser(t.Context(), p.config().Database.Name)
	require.NoError(t, err)
	defer session.Close(context.Background())
	for _, statement := range statements {
		_, err := session.Exec(t.Context(), statement)
		require.NoError(t, err, statement)
	}
}

// ask asks for one value.
func ask[T any](t testing.TB, session *pgx.Conn, query string, args ...any) (value T) {
	t.Helper()
	require.NoError(t, session.QueryRow(t.Context(), query, args...).Scan(&value), query)
	return value
}

// code is the SQLSTATE of an error; empty if there is none.
func code(err error) string {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// steps splits a file of the application's schema where a later deployment begins.
func steps(t testing.TB, file string) []string {
	t.Helper()
	content, err := os.ReadFile("testdata/schema/" + file)
	require.NoError(t, err)
	parts := strings.Split(string(content), "\n-- @step ")
	require.Len(t, parts, 3, "a preamble and two steps")
	for i := range parts[1:] {
		parts[i+1] = "-- " + parts[i+1]
	}
	return parts[1:]
}

// migrate runs a step as a migration does: in one transaction.
func migrate(t testing.TB, migrator *pgx.Conn, step string) {
	t.Helper()
	require.NoError(t, pgx.BeginFunc(t.Context(), migrator, func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), step)
		return err
	}))
}

// tables lists all tables that a migration has made, quoted, with their schemas.
func tables(t testing.TB, session *pgx.Conn) []string {
	t.Helper()
	rows, err := session.Query(t.Context(), `SELECT format('%I.%I', nspname, relname)
		FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
		WHERE relkind IN ('r', 'p') AND nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1`)
	require.NoError(t, err)
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return found
}

// attempt runs one statement in a transaction that is rolled back.
func attempt(t testing.TB, session *pgx.Conn, statement string) error {
	t.Helper()
	tx, err := session.Begin(t.Context())
	require.NoError(t, err)
	_, failure := tx.Exec(t.Context(), statement)
	require.NoError(t, tx.Rollback(t.Context()))
	if failure != nil {
		return fmt.Errorf("%s: %w", statement, failure)
	}
	return nil
}
