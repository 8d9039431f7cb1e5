package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/acquire"
	"github.com/witchcityrope/database/internal/backup"
	"github.com/witchcityrope/database/internal/dockerengine/dockertest"
	"github.com/witchcityrope/database/internal/pgtest"
	"github.com/witchcityrope/database/internal/pgtools"
)

const (
	login  = "shop_backup"
	secret = "secret-of-the-backup"
	major  = 15
)

// content is a database with what is awkward to dump.
const content = `
CREATE SCHEMA auth;
CREATE TABLE auth.users (id int PRIMARY KEY, "Name" text);
INSERT INTO auth.users SELECT n, 'user ' || n FROM generate_series(1, 1000) n;
CREATE TABLE public."Odd ""name""" (id serial, body text);
INSERT INTO public."Odd ""name""" (body) SELECT string_agg(md5((n * i)::text), '') FROM generate_series(1, 300) n, generate_series(1, 1000) i GROUP BY n;
CREATE TABLE parts (at date, n int) PARTITION BY RANGE (at);
CREATE TABLE parts_2026 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO parts SELECT '2026-02-01', n FROM generate_series(1, 50) n;
CREATE TABLE public."__EFMigrationsHistory" ("MigrationId" text PRIMARY KEY, "ProductVersion" text);
INSERT INTO public."__EFMigrationsHistory" VALUES ('20250101000000_Initial', '9'), ('20250201000000_Second', '9');`

// server starts a server that has a database shop, and a login that may read it.
func server(t *testing.T) *pgtest.Server {
	t.Helper()
	started := pgtest.New(t, pgtest.Releases[major])
	require.NoError(t, started.Start(t.Context()))
	super := started.Connect(t)
	for _, statement := range []string{
		"CREATE DATABASE shop", fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", login, secret), "GRANT pg_read_all_data, pg_read_all_settings TO " + login,
	} {
		_, err := super.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	_, err := started.ConnectAs(t, pgtest.Superuser, pgtest.Password, "shop").Exec(t.Context(), content)
	require.NoError(t, err)
	return started
}

// tools are the client's programs: this machine's where they suit the server, else an image's.
func tools(t *testing.T, port int, role, password string) pgtools.Runner {
	t.Helper()
	version, err := exec.Command("pg_dump", "--version").Output()
	fields := strings.Fields(string(version))
	if err == nil && fields[len(fields)-1] != "" && len(fields) > 2 && fields[2] >= fmt.Sprint(major) {
		local, err := pgtools.NewLocal(pgtools.Login{Host: "127.0.0.1", Port: port, Username: role, Password: password}, t.TempDir())
		require.NoError(t, err)
		return local
	}
	engine := dockertest.Engine(t)
	image, err := acquire.StandInImage(t.Context(), engine, t.Logf)
	require.NoError(t, err)
	started, err := pgtools.Start(t.Context(), pgtools.Options{
		Engine: engine, Image: image, Network: "host", Host: "127.0.0.1", Port: port, Login: role, Password: password, Name: dockertest.Name(t),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, started.Close(context.Background())) })
	return started
}

// source is the database shop of the server, as the backup's login.
func source(t *testing.T, of *pgtest.Server) backup.Source {
	t.Helper()
	session, err := of.Login(t.Context(), login, secret, "shop")
	require.NoError(t, err)
	t.Cleanup(func() { _ = session.Close(context.Background()) }) // of a server that a test may have killed
	return backup.Source{Session: session, Tools: tools(t, of.Port, login, secret), Project: "shop", Stack: "test", ImageDigest: "sha256:0"}
}

// during runs something when the first of a dump is out.
type during struct {
	pgtools.Runner
	do func()
}

func (d during) Run(ctx context.Context, command pgtools.Command) error {
	if command.Args[0] == "pg_dump" {
		command.Stdout = &first{Writer: command.Stdout, do: d.do}
	}
	return d.Runner.Run(ctx, command)
}

type first struct {
	io.Writer
	once sync.Once
	do   func()
}

func (f *first) Write(data []byte) (int, error) {
	f.once.Do(f.do)
	return f.Writer.Write(data)
}

// nothing says that a directory has no backup, whole or half.
func nothing(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.True(t, err == nil || errors.Is(err, os.ErrNotExist))
	for _, entry := range entries {
		require.Equal(t, ".lock", entry.Name())
	}
	found, err := backup.List(dir)
	require.NoError(t, err)
	require.Empty(t, found)
}

// restored is the content of a dump in a new database.
func restored(t *testing.T, server *pgtest.Server, dump io.Reader) *pgx.Conn {
	t.Helper()
	_, err := server.Connect(t).Exec(t.Context(), "CREATE DATABASE restored")
	require.NoError(t, err)
	require.NoError(t, tools(t, server.Port, pgtest.Superuser, pgtest.Password).Run(t.Context(), pgtools.Command{
		Args: []string{"pg_restore", "--exit-on-error", "--no-password", "--dbname=restored"}, Stdin: dump,
	}))
	return server.ConnectAs(t, pgtest.Superuser, pgtest.Password, "restored")
}

func read(t *testing.T, elements ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(elements...))
	require.NoError(t, err)
	return string(bytes.TrimSpace(content))
}
