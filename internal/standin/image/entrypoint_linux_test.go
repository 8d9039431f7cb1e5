package image_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/standin/image"
)

// password is the one that most of these servers are given.
const password = "open sesame"

func withPassword(env ...string) []string { return append(env, "POSTGRES_PASSWORD="+password) }

func TestEnvironment(t *testing.T) {
	t.Parallel()
	// Verifier of "verified", salt "0123456789abcdef", 4096 iterations.
	const verifier = "SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$" +
		"vUBttwHLnv7R6p3Mn22wOq7D6QB4ssgYgMVrT4/ap4s=:OkIrZrPaQY+G4u1csDaOjQ8JaCdy0bgQVvtvVifMFPc="
	for name, test := range map[string]struct {
		env                      []string
		files                    map[string]file
		user, password, database string
		query, want              string
	}{
		"defaults": {
			env:  withPassword(),
			user: "postgres", password: password, database: "postgres",
			query: "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database", want: "postgres template0 template1",
		},
		"POSTGRES_USER": {
			env:  withPassword("POSTGRES_USER=alice"),
			user: "alice", password: password, database: "alice",
			query: "SELECT string_agg(rolname, ' ') FROM pg_roles WHERE rolsuper", want: "alice",
		},
		"POSTGRES_DB": {
			env:  withPassword("POSTGRES_DB=shop"),
			user: "postgres", password: password, database: "shop",
			query: "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'shop'", want: "UTF8",
		},
		"POSTGRES_DB that needs quotes": {
			env:  withPassword(`POSTGRES_DB=my "odd" db; --`),
			user: "postgres", password: password, database: `my "odd" db; --`,
			query: "SELECT current_database()", want: `my "odd" db; --`,
		},
		"all from files that only root may read": {
			env: []string{
				"POSTGRES_PASSWORD_FILE=/etc/pg-password", "POSTGRES_USER_FILE=/etc/pg-user",
				"POSTGRES_DB_FILE=/etc/pg-db", "POSTGRES_INITDB_ARGS_FILE=/etc/pg-args",
			},
			files: map[string]file{
				"/etc/pg-password": {content: "from a file\n", mode: 0o400}, "/etc/pg-user": {content: "bob", mode: 0o400},
				"/etc/pg-db": {content: "shop\n", mode: 0o400}, "/etc/pg-args": {content: "--data-checksums", mode: 0o400},
			},
			user: "bob", password: "from a file", database: "shop",
			query: "SELECT current_setting('data_checksums')", want: "on",
		},
		"POSTGRES_INITDB_ARGS with quotes": {
			env:  withPassword(`POSTGRES_INITDB_ARGS=--data-checksums --set "log_line_prefix=%p at work "`),
			user: "postgres", password: password, database: "postgres",
			query: "SELECT current_setting('data_checksums') || current_setting('log_line_prefix')", want: "on%p at work ",
		},
		"POSTGRES_INITDB_WALDIR": {
			env:  withPassword("POSTGRES_INITDB_WALDIR=/var/lib/wal"),
			user: "postgres", password: password, database: "postgres",
			query: "SELECT count(*) > 0 FROM pg_ls_dir('/var/lib/wal')", want: "true",
		},
		"PGDATA": {
			env:  withPassword("PGDATA=/var/lib/postgresql/elsewhere/data"),
			user: "postgres", password: password, database: "postgres",
			query: "SELECT current_setting('data_directory')", want: "/var/lib/postgresql/elsewhere/data",
		},
		"POSTGRES_HOST_AUTH_METHOD default": {
			env:  withPassword(),
			user: "postgres", password: password, database: "postgres",
			query: "SELECT auth_method FROM pg_hba_file_rules WHERE address = 'all'", want: "scram-sha-256",
		},
		"POSTGRES_HOST_AUTH_METHOD": {
			env:  withPassword("POSTGRES_HOST_AUTH_METHOD=password"),
			user: "postgres", password: password, database: "postgres",
			query: "SELECT auth_method FROM pg_hba_file_rules WHERE address = 'all'", want: "password",
		},
		"POSTGRES_HOST_AUTH_METHOD trust, no password": {
			env:  []string{"POSTGRES_HOST_AUTH_METHOD=trust"},
			user: "postgres", database: "postgres",
			query: "SELECT rolpassword IS NULL FROM pg_authid WHERE rolname = 'postgres'", want: "true",
		},
		"a verifier as password": {
			env:  []string{"POSTGRES_PASSWORD=" + verifier},
			user: "postgres", password: "verified", database: "postgres",
			query: "SELECT rolpassword FROM pg_authid WHERE rolname = 'postgres'", want: verifier,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, options{env: test.env, files: test.files})
			connection := s.login(test.user, test.password, test.database)
			assert.Equal(t, test.want, value(t, connection, test.query))
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		env   []string
		files map[string]file
		want  string
	}{
		"no password":        {want: "set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE"},
		"empty password":     {env: []string{"POSTGRES_PASSWORD="}, want: "the superuser has no password"},
		"password twice":     {env: withPassword("POSTGRES_PASSWORD_FILE=/etc/hostname"), want: "both POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are set"},
		"password file gone": {env: []string{"POSTGRES_PASSWORD_FILE=/nowhere"}, want: "POSTGRES_PASSWORD_FILE: cannot read /nowhere"},
		"bad initdb option":  {env: withPassword("POSTGRES_INITDB_ARGS=--no-such-option"), want: "unrecognized option"},
		"data directory holds something else": {
			env:   withPassword(),
			files: map[string]file{"/var/lib/postgresql/data/holiday.jpg": {content: "x"}},
			want:  "exists but is not empty",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, options{env: test.env, files: test.files})
			assert.EqualValues(t, 1, s.exit())
			assert.Contains(t, s.logs(), test.want)
			assert.NotContains(t, s.logs(), password)
		})
	}
}

func TestLogins(t *testing.T) {
	t.Parallel()
	s := start(t, options{env: withPassword("POSTGRES_DB=shop")})
	s.login("postgres", password, "shop")

	_, err := s.connect("postgres", "", "shop")
	require.Error(t, err, "no password")
	_, err = s.connect("postgres", "wrong", "shop")
	var refused *pgconn.PgError
	require.ErrorAs(t, err, &refused, "wrong password")
	assert.Equal(t, "28P01", refused.Code)

	assert.Equal(t, "shop\n", s.run("psql", "-U", "postgres", "-Atc", "SELECT current_database()", "shop"), "socket")
	tcp := []string{"psql", "-Atc", "SELECT inet_server_port()", "postgresql://postgres:open%20sesame@localhost/shop"}
	assert.Equal(t, "5432\n", s.run(tcp...), "TCP")
	assert.Contains(t, s.run("pg_isready"), "/var/run/postgresql:5432 - accepting connections")
	assert.Contains(t, s.run("pg_dump", "-U", "postgres", "shop"), "PostgreSQL database dump complete")
	for _, program := range []string{"postgres", "initdb", "pg_ctl", "pg_restore", "pg_amcheck", "pg_basebackup"} {
		s.run(program, "--version")
	}

	asPostgres := []string{"setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"}
	environment := s.run(append(asPostgres, "cat", "/proc/1/environ")...)
	assert.Contains(t, environment, "PGDATA=")
	assert.NotContains(t, environment, password)
	assert.Equal(t, "70:70\n", s.run("stat", "-c", "%u:%g", "/proc/1"))
	assert.Equal(t, "70:70 700\n", s.run("stat", "-c", "%u:%g %a", "/var/lib/postgresql/data"))
}

func TestExtensions(t *testing.T) {
	t.Parallel()
	s := start(t, options{
		env: withPassword(),
		cmd: []string{"-c", "shared_preload_libraries=pg_stat_statements,auto_explain"},
	})
	connection := s.login("postgres", password, "postgres")
	for _, name := range []string{"uuid-ossp", "citext", "pg_stat_statements", "pg_trgm", "amcheck", "pgcrypto", "btree_gin", "btree_gist", "unaccent", "hstore", "pg_buffercache", "pgstattuple"} {
		_, err := connection.Exec(t.Context(), `CREATE EXTENSION "`+name+`"`)
		assert.NoError(t, err, name)
	}
	assert.Len(t, value(t, connection, "SELECT uuid_generate_v4()"), 36)
	assert.Equal(t, "true", value(t, connection, "SELECT 'Salem'::citext = 'SALEM'::citext"))
	assert.Equal(t, "true", value(t, connection, "SELECT count(*) > 0 FROM pg_stat_statements"))
	assert.Equal(t, "true", value(t, connection, "SELECT version() LIKE $1", "PostgreSQL "+image.Version+" %"))
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var buffer bytes.Buffer
	out := gzip.NewWriter(&buffer)
	_, err := out.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, out.Close())
	return buffer.String()
}

func zstandard(t *testing.T, text string) string {
	t.Helper()
	out, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	return string(out.EncodeAll([]byte(text), nil))
}

// xzDone is "INSERT INTO done VALUES ('xz');" through xz, in base64.
const xzDone = "/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQAfSU5TRVJUIElOVE8gZG9uZSBWQUxVRVMgKCd4eicpOwoAyB9Z7V8hVLUAATggGCl3DB+2830BAAAAAARZWg=="

func decoded(t *testing.T, text string) string {
	t.Helper()
	content, err := base64.StdEncoding.DecodeString(text)
	require.NoError(t, err)
	return string(content)
}

func TestInitialisationScripts(t *testing.T) {
	t.Parallel()
	const directory = "/docker-entrypoint-initdb.d/"
	s := start(t, options{
		env: withPassword("POSTGRES_USER=alice", "POSTGRES_DB=shop", "POSTGRES_INITDB_ARGS=--auth-local=scram-sha-256"),
		cmd: []string{"postgres", "-c", "max_connections=33", "-c", "log_line_prefix=it's %p "},
		files: map[string]file{
			directory + "10-table.sql":    {content: "CREATE TABLE done (what text);"},
			directory + "20-gzip.sql.gz":  {content: gzipped(t, "INSERT INTO done VALUES ('gzip');")},
			directory + "30-zstd.sql.zst": {content: zstandard(t, "INSERT INTO done VALUES ('zstd');")},
			directory + "35-xz.sql.xz":    {content: decoded(t, xzDone)},
			directory + "40-sourced.sh": {content: `
				psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<-SQL
					INSERT INTO done VALUES ('sourced with ' || current_setting('max_connections') || '$UNSET_VARIABLE');
				SQL
				carried=over`},
			directory + "50-executed.sh": {mode: 0o755, content: "#!/bin/sh\n" +
				`psql -U "$POSTGRES_USER" -c "INSERT INTO done VALUES ('executed$carried by $(id -un)')" "$POSTGRES_DB"`},
			directory + "60-readme.txt": {content: "nothing to run"},
			directory + "70-sourced.sh": {content: `psql -U alice -c "INSERT INTO done VALUES ('$carried')" shop`},
		},
	})
	connection := s.login("alice", password, "shop")
	assert.Equal(t, "gzip, zstd, xz, sourced with 33, executed by postgres, over",
		value(t, connection, "SELECT string_agg(what, ', ') FROM done"))
	assert.Equal(t, "33", value(t, connection, "SELECT current_setting('max_connections')"))
	assert.Contains(t, s.logs(), "ignoring /docker-entrypoint-initdb.d/60-readme.txt")
}

func TestNothingListensDuringInitialisation(t *testing.T) {
	t.Parallel()
	s := start(t, options{
		env: withPassword(),
		files: map[string]file{"/docker-entrypoint-initdb.d/listen.sh": {content: `
			if (exec 3<>/dev/tcp/127.0.0.1/5432); then echo "found: a listener"; else echo "found: none"; fi`}},
	})
	s.login("postgres", password, "postgres")
	assert.Contains(t, s.logs(), "found: none")
}

func TestFailedScript(t *testing.T) {
	t.Parallel()
	for name, failing := range map[string]file{
		"broken.sql": {content: "CREATE INDEX ON no_such_table (id);"},
		"broken.sh":  {content: "false"},
		"program.sh": {content: "#!/bin/sh\nexit 3\n", mode: 0o755},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, options{env: withPassword(), files: map[string]file{"/docker-entrypoint-initdb.d/" + name: failing}})
			assert.NotZero(t, s.exit())
			assert.NotContains(t, s.logs(), "initialisation complete")

			// As documented: a data directory that is there is left as it is.
			s.again()
			s.login("postgres", password, "postgres")
			assert.Contains(t, s.logs(), "initialisation skipped")
		})
	}
}

func TestStopAndStartKeepsData(t *testing.T) {
	t.Parallel()
	s := start(t, options{env: withPassword()})
	_, err := s.login("postgres", password, "postgres").Exec(t.Context(), "CREATE TABLE kept AS SELECT 42 AS answer")
	require.NoError(t, err)

	s.stop()
	assert.Zero(t, s.exit())
	assert.Contains(t, s.logs(), "received fast shutdown request")
	assert.Contains(t, s.logs(), "database system is shut down")

	s.again()
	assert.Equal(t, "42", value(t, s.login("postgres", password, "postgres"), "SELECT answer FROM kept"))
	assert.Contains(t, s.logs(), "initialisation skipped")
	assert.NotContains(t, s.logs(), "not properly shut down")
}

func TestBoundFolderOfRoot(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	require.NoError(t, os.Chmod(folder, 0o755))
	s := start(t, options{env: withPassword(), binds: []string{folder + ":/var/lib/postgresql/data"}})
	s.login("postgres", password, "postgres")
	assert.FileExists(t, folder+"/PG_VERSION")
	assert.Equal(t, "70 700\n", s.run("stat", "-c", "%u %a", "/var/lib/postgresql/data"))
}

func TestStartedAsPostgres(t *testing.T) {
	t.Parallel()
	s := start(t, options{env: withPassword(), user: "70:70"})
	s.login("postgres", password, "postgres")
}

func TestOtherCommands(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{
		"id -u":              "0",
		"postgres --version": "postgres (PostgreSQL) " + image.Version,
		"--version":          "postgres (PostgreSQL) " + image.Version,
		"psql --version":     "psql (PostgreSQL) 17",
	} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			s := start(t, options{cmd: strings.Fields(command)})
			assert.Zero(t, s.exit())
			assert.Contains(t, s.logs(), want)
		})
	}
}

// Like the official image's, postgres -C initialises, prints, and ends.
func TestInitialisedWithoutServer(t *testing.T) {
	t.Parallel()
	s := start(t, options{env: withPassword(), cmd: []string{"postgres", "-C", "data_directory"}})
	assert.Zero(t, s.exit())
	assert.Contains(t, s.logs(), "initialisation complete\n/var/lib/postgresql/data\n")
}
