package drill_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/docker/docker/client"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/acquire"
	"github.com/witchcityrope/database/internal/backup"
	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/dockerengine/dockertest"
	"github.com/witchcityrope/database/internal/drill"
	"github.com/witchcityrope/database/internal/pgtest"
	"github.com/witchcityrope/database/internal/pgtools"
	"github.com/witchcityrope/database/internal/receipt"
	"github.com/witchcityrope/database/internal/restore"
)

// fixture is a backup of a small database, encrypted.
type fixture struct {
	engine   *client.Client
	image    string
	from     *backup.Backup
	identity *age.X25519Identity
}

func newFixture(t *testing.T) fixture {
	t.Helper()
	server, engine := pgtest.Start(t, "shared_preload_libraries=pg_stat_statements"), dockertest.Engine(t)
	image, err := acquire.StandInImage(t.Context(), engine, t.Logf)
	require.NoError(t, err)
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	maintenance := server.Connect(t)
	run := func(session *pgx.Conn, statements ...string) {
		for _, statement := range statements {
			_, err := session.Exec(t.Context(), statement)
			require.NoError(t, err, statement)
		}
	}
	run(maintenance, "CREATE ROLE owner", `CREATE ROLE "the app" LOGIN PASSWORD 'app' IN ROLE owner`, "ALTER ROLE owner SET work_mem = '5MB'", "CREATE ROLE dumper LOGIN PASSWORD 'dumper' IN ROLE pg_read_all_data, pg_read_all_settings", "CREATE DATABASE shop OWNER owner",
		"REVOKE ALL ON DATABASE shop FROM PUBLIC", `GRANT CONNECT ON DATABASE shop TO "the app"`, "GRANT CONNECT ON DATABASE shop TO dumper", "ALTER DATABASE shop SET lock_timeout = '7s'")
	session := server.ConnectAs(t, pgtest.Superuser, pgtest.Password, "shop")
	run(session, "CREATE EXTENSION citext", "SET ROLE owner", `CREATE TABLE "Users" (id int PRIMARY KEY, email citext UNIQUE)`,
		`INSERT INTO "Users" SELECT n, n || '@example.org' FROM generate_series(1, 1000) n`,
		`CREATE TABLE "__EFMigrationsHistory" ("MigrationId" varchar(150) PRIMARY KEY)`, `INSERT INTO "__EFMigrationsHistory" VALUES ('1_First')`, "RESET ROLE")
	tools, err := pgtools.Start(t.Context(), pgtools.Options{
		Engine: engine, Image: image, Network: "host", Host: "127.0.0.1", Port: server.Port,
		Login: "dumper", Password: "dumper", Name: dockertest.Name(t),
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, tools.Close(t.Context())) }()
	made, err := backup.Make(t.Context(), backup.Source{Session: server.ConnectAs(t, "dumper", "dumper", "shop"), Tools: tools, Stack: "prod", ImageDigest: "sha256:it"},
		backup.Options{Dir: t.TempDir(), Formats: []string{backup.Custom}, Recipients: []string{identity.Recipient().String()}})
	require.NoError(t, err)
	return fixture{engine, image, made, identity}
}

func (f fixture) options(t *testing.T, from *backup.Backup) drill.Options {
	name := dockertest.Name(t)
	return drill.Options{
		Engine: f.engine, From: from, Identities: []age.Identity{f.identity}, Image: f.image, Digest: from.ImageDigest, Superuser: pgtest.Superuser,
		Preload: from.Settings["shared_preload_libraries"],
		Stack:   "prod", Name: name, Labels: map[string]string{"wcrdb.test": name}, CPUs: 2, Report: t.Logf,
		Access: func(context.Context, *pgx.Conn) (int, []string, error) { return 42, nil, nil },
	}
}

// nothing of drills is left in Docker.
func (f fixture) nothing(t *testing.T) {
	t.Helper()
	labels := dockerengine.Labels{"wcrdb.test": dockertest.Name(t)}
	containers, err := dockerengine.Containers(t.Context(), f.engine, labels)
	require.NoError(t, err)
	networks, err := dockerengine.Networks(t.Context(), f.engine, labels)
	require.NoError(t, err)
	require.Empty(t, containers)
	require.Empty(t, networks)
}

// altered is a copy of the backup, changed; a file that is written anew fits its manifest.
func (f fixture) altered(t *testing.T, change func(*backup.Backup, func(name string, alter func(string) string))) *backup.Backup {
	t.Helper()
	copied := &backup.Backup{Manifest: f.from.Manifest, Dir: t.TempDir()}
	copied.Files = slices.Clone(f.from.Files)
	for _, file := range copied.Files {
		content, err := os.ReadFile(filepath.Join(f.from.Dir, file.Name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(copied.Dir, file.Name), content, 0o600))
	}
	change(copied, func(name string, alter func(string) string) {
		at := slices.IndexFunc(copied.Files, func(file backup.File) bool { return file.Name == name })
		content, err := os.ReadFile(filepath.Join(copied.Dir, name))
		require.NoError(t, err)
		written := []byte(alter(string(content)))
		require.NoError(t, os.WriteFile(filepath.Join(copied.Dir, name), written, 0o600))
		sum := sha256.Sum256(written)
		hash := hex.EncodeToString(sum[:])
		copied.Files[at].Size, copied.Files[at].SHA256, copied.Files[at].PlainSHA256 = int64(len(written)), hash, hash
	})
	text, err := json.Marshal(copied.Manifest)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(copied.Dir, backup.ManifestFile), text, 0o600))
	opened, err := backup.Open(copied.Dir)
	require.NoError(t, err)
	return opened
}

func TestDrill(t *testing.T) {
	f := newFixture(t)
	options := f.options(t, f.from)
	options.Access = func(ctx context.Context, session *pgx.Conn) (int, []string, error) {
		// All that the access contract looks at is there: owners, grants, settings, memberships.
		var found string
		err := session.QueryRow(ctx, `SELECT concat_ws(' ', (SELECT datdba::regrole::text || datacl::text FROM pg_database WHERE datname = current_database()), current_setting('lock_timeout'),
			(SELECT relowner::regrole FROM pg_class WHERE relname = 'Users'), pg_has_role('the app', 'owner', 'USAGE'), (SELECT setconfig FROM pg_db_role_setting WHERE setrole = 'owner'::regrole),
			current_setting('shared_preload_libraries'))`).Scan(&found)
		if want := `owner{owner=CTc/owner,"\"the app\"=c/owner",dumper=c/owner} 7s owner t {work_mem=5MB} pg_stat_statements`; err == nil && found != want {
			err = fmt.Errorf("%s is not %s", found, want)
		}
		return 42, nil, err
	}
	made, err := drill.Run(t.Context(), options)
	require.NoError(t, err)
	require.True(t, made.Good, made.Fault)
	var names []string
	for _, check := range made.Checks {
		names = append(names, check.Name)
	}
	assert.Equal(t, []string{"intact", "version", "roles", "restore", "content", "access", "logins", "pg_amcheck"}, names)
	assert.EqualValues(t, 1001, made.Rows)
	assert.Equal(t, "16.14", made.ServerVersion)
	assert.Positive(t, made.RestoreSeconds)
	assert.Positive(t, made.AgeSeconds)
	assert.Equal(t, "2 roles logged in: dumper, the app", made.Checks[6].Found)
	f.nothing(t)
}

// changed are extensions of which citext is another.
func changed(extensions []backup.Extension, change func(*backup.Extension)) []backup.Extension {
	others := slices.Clone(extensions)
	change(&others[slices.IndexFunc(others, func(each backup.Extension) bool { return each.Name == "citext" })])
	return others
}

// TestFaults: each is found, and has its own reason.
func TestFaults(t *testing.T) {
	f := newFixture(t)
	stranger, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	dump := backup.DumpFile + backup.EncryptedSuffix
	rewrite := func(t *testing.T, alter func([]byte) []byte) *backup.Backup {
		return f.altered(t, func(copied *backup.Backup, _ func(string, func(string) string)) {
			content, err := os.ReadFile(filepath.Join(copied.Dir, dump))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(copied.Dir, dump), alter(content), 0o600))
		})
	}
	manifest := func(t *testing.T, change func(*backup.Manifest)) *backup.Backup {
		return f.altered(t, func(copied *backup.Backup, _ func(string, func(string) string)) { change(&copied.Manifest) })
	}
	for _, fault := range []struct {
		name   string
		reason restore.Reason
		says   string
		change func(*testing.T, *drill.Options)
	}{
		{"truncated dump", restore.Truncated, "the manifest says", func(t *testing.T, o *drill.Options) {
			o.From = rewrite(t, func(content []byte) []byte { return content[:len(content)-1] })
		}},
		{"flipped byte", restore.Damaged, "a byte was changed", func(t *testing.T, o *drill.Options) {
			o.From = rewrite(t, func(content []byte) []byte { content[len(content)/2] ^= 1; return content })
		}},
		{"wrong key", restore.WrongKey, "another one's", func(_ *testing.T, o *drill.Options) { o.Identities = []age.Identity{stranger} }},
		{"no key", restore.WrongKey, "--identity", func(_ *testing.T, o *drill.Options) { o.Identities = nil }},
		{"missing role", restore.MissingRole, "the app", func(t *testing.T, o *drill.Options) {
			o.From = f.altered(t, func(_ *backup.Backup, file func(string, func(string) string)) {
				file(backup.RolesFile, func(text string) string {
					var lines []string
					for line := range strings.Lines(text) {
						if !strings.Contains(line, "the app") {
							lines = append(lines, line)
						}
					}
					return strings.Join(lines, "")
				})
			})
		}},
		{"role that the manifest forgets, too", restore.MissingRole, "owner", func(t *testing.T, o *drill.Options) {
			o.From = f.altered(t, func(copied *backup.Backup, file func(string, func(string) string)) {
				copied.Roles = []string{"the app"}
				file(backup.RolesFile, func(string) string { return `CREATE ROLE "the app" LOGIN;` + "\n" })
			})
		}},
		{"wrong major", restore.WrongMajor, "is of PostgreSQL 15", func(t *testing.T, o *drill.Options) {
			o.From = manifest(t, func(m *backup.Manifest) { m.ServerMajor = 15 })
		}},
		{"missing extension", restore.MissingExtension, "needs postgis", func(t *testing.T, o *drill.Options) {
			o.From = manifest(t, func(m *backup.Manifest) { m.Extensions = append(m.Extensions, backup.Extension{Name: "postgis"}) })
		}},
		{"other rows", restore.WrongContent, `table "public"."Users" has 1000 rows, and had 999`, func(t *testing.T, o *drill.Options) {
			o.From = manifest(t, func(m *backup.Manifest) {
				m.Tables = slices.Clone(m.Tables)
				m.Tables[slices.IndexFunc(m.Tables, func(table backup.Table) bool { return table.Name == "Users" })].Rows = 999
			})
		}},
		{"other migration", restore.WrongContent, `the last migration is "1_First", and was "2_Second"`, func(t *testing.T, o *drill.Options) {
			o.From = manifest(t, func(m *backup.Manifest) { m.LastMigration = "2_Second" })
		}},
		{"other version of an extension", restore.WrongContent, `extension citext is 1.6, and was 1.5`, func(t *testing.T, o *drill.Options) {
			o.From = manifest(t, func(m *backup.Manifest) {
				m.Extensions = changed(m.Extensions, func(e *backup.Extension) { e.Version = "1.5" })
			})
		}},
		{"extension elsewhere", restore.WrongContent, `extension citext is in schema public, and was in auth`, func(t *testing.T, o *drill.Options) {
			o.From = manifest(t, func(m *backup.Manifest) {
				m.Extensions = changed(m.Extensions, func(e *backup.Extension) { e.Schema = "auth" })
			})
		}},
		{"another table", restore.WrongContent, `table "public"."Users" is there, and was not`, func(t *testing.T, o *drill.Options) {
			o.From = manifest(t, func(m *backup.Manifest) {
				m.Tables = slices.DeleteFunc(slices.Clone(m.Tables), func(table backup.Table) bool { return table.Name == "Users" })
			})
		}},
		{"access", restore.WrongAccess, "1 of 42 cells", func(_ *testing.T, o *drill.Options) {
			o.Access = func(context.Context, *pgx.Conn) (int, []string, error) {
				return 42, []string{"app OWN on everything"}, nil
			}
		}},
		{"login", restore.NoLogin, "dumper cannot log in", func(_ *testing.T, o *drill.Options) {
			o.Access = func(ctx context.Context, session *pgx.Conn) (int, []string, error) {
				_, err := session.Exec(ctx, `REVOKE EXECUTE ON FUNCTION now() FROM PUBLIC`)
				return 42, nil, err
			}
		}},
		{"corrupt table", restore.Corrupt, "Users", func(_ *testing.T, o *drill.Options) {
			o.Access = func(ctx context.Context, session *pgx.Conn) (int, []string, error) {
				// Rows that an index has no entry for.
				_, err := session.Exec(ctx, `UPDATE pg_index SET indisready = false WHERE indexrelid = '"Users_email_key"'::regclass`)
				if err == nil {
					_, err = session.Exec(ctx, `INSERT INTO "Users" VALUES (1001, 'unindexed')`)
				}
				if err == nil {
					_, err = session.Exec(ctx, `UPDATE pg_index SET indisready = true WHERE indexrelid = '"Users_email_key"'::regclass`)
				}
				return 42, nil, err
			}
		}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			options := f.options(t, f.from)
			fault.change(t, &options)
			made, err := drill.Run(t.Context(), options)
			require.NoError(t, err)
			assert.False(t, made.Good)
			assert.Equal(t, string(fault.reason), made.Reason, made.Fault)
			assert.Contains(t, made.Fault, fault.says)
			path, err := receipt.Keep(t.TempDir(), made)
			require.NoError(t, err)
			require.FileExists(t, path)
			f.nothing(t)
		})
	}
}
