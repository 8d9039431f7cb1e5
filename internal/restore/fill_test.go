package restore_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/acquire"
	"github.com/witchcityrope/database/internal/backup"
	"github.com/witchcityrope/database/internal/dockerengine/dockertest"
	"github.com/witchcityrope/database/internal/pgtest"
	"github.com/witchcityrope/database/internal/pgtools"
	"github.com/witchcityrope/database/internal/restore"
)

// tools are PostgreSQL's programs, logged in to a server of the test's own.
func tools(t *testing.T, server *pgtest.Server) *pgtools.Container {
	t.Helper()
	engine := dockertest.Engine(t)
	image, err := acquire.StandInImage(t.Context(), engine, t.Logf)
	require.NoError(t, err)
	name := dockertest.Name(t)
	started, err := pgtools.Start(t.Context(), pgtools.Options{
		Engine: engine, Image: image, Network: "host", Host: "127.0.0.1", Port: server.Port,
		Login: pgtest.Superuser, Password: pgtest.Password, Name: name, Labels: map[string]string{"wcrdb.test": name},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, started.Close(context.Background())) })
	return started
}

// shop is a small database with what makes restoring hard.
var shop = []string{
	"CREATE EXTENSION citext", "CREATE TYPE mood AS ENUM ('good', 'bad')", `CREATE SCHEMA "odd one"`, "ALTER SCHEMA public OWNER TO owner",
	`CREATE TABLE "Users" ("Id" int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "Email" citext UNIQUE, mood mood DEFAULT 'good', boss int REFERENCES "Users")`,
	`INSERT INTO "Users" ("Email", boss) SELECT 'u' || n || '@example.org', nullif(n - 1, 0) FROM generate_series(1, 200) n`,
	`CREATE TABLE "odd one"."Or""ders" (id serial PRIMARY KEY, "user" int REFERENCES "Users" ON DELETE CASCADE, what jsonb)`,
	`INSERT INTO "odd one"."Or""ders" ("user", what) SELECT n, '{"a": 1}' FROM generate_series(1, 100) n`,
	`CREATE VIEW "Moods" WITH (security_barrier=true) AS SELECT mood, count(*) FROM "Users" GROUP BY 1`,
	`CREATE TABLE "__EFMigrationsHistory" ("MigrationId" varchar(150) PRIMARY KEY, "ProductVersion" varchar(32))`,
	`INSERT INTO "__EFMigrationsHistory" VALUES ('20250101_First', '9'), ('20250202_Second', '9')`,
	`ALTER TABLE "Users" OWNER TO owner`, `GRANT SELECT ON "Users", "Moods" TO app`, `GRANT USAGE ON SCHEMA public TO app`,
	"ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT SELECT ON TABLES TO app",
}

func newShop(t *testing.T, server *pgtest.Server) *pgx.Conn {
	t.Helper()
	do(t, server.Connect(t), "CREATE ROLE owner", "CREATE ROLE app LOGIN PASSWORD 'app'", "CREATE DATABASE shop OWNER owner")
	session := server.ConnectAs(t, pgtest.Superuser, pgtest.Password, "shop")
	do(t, session, shop...)
	return session
}

// dump backs a database up, the way that the manifest describes it.
func dump(t *testing.T, tools *pgtools.Container, session *pgx.Conn, recipients ...age.Recipient) *backup.Backup {
	t.Helper()
	var dumped bytes.Buffer
	require.NoError(t, tools.Run(t.Context(), pgtools.Command{Args: []string{"pg_dump", "--format=custom", "--dbname=shop"}, Stdout: &dumped}))
	stored, name := dumped.Bytes(), backup.DumpFile
	if len(recipients) > 0 {
		var encrypted bytes.Buffer
		writer, err := age.Encrypt(&encrypted, recipients...)
		require.NoError(t, err)
		_, err = writer.Write(stored)
		require.NoError(t, err)
		require.NoError(t, writer.Close())
		stored, name = encrypted.Bytes(), name+backup.EncryptedSuffix
	}
	hash := func(content []byte) string { sum := sha256.Sum256(content); return hex.EncodeToString(sum[:]) }
	at := time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC)
	manifest := backup.Manifest{
		ID: "20261124T020000Z-shop", Database: "shop", StartedAt: at, FinishedAt: at.Add(time.Second), ServerMajor: 16, LastMigration: "20250202_Second",
		Files:  []backup.File{{Name: name, Size: int64(len(stored)), SHA256: hash(stored), PlainSHA256: hash(dumped.Bytes()), Encrypted: len(recipients) > 0}},
		Tables: []backup.Table{{Schema: "public", Name: "Users", Rows: 200}, {Schema: "odd one", Name: `Or"ders`, Rows: 100}, {Schema: "public", Name: "__EFMigrationsHistory", Rows: 2}},
		Roles:  []string{"owner", "app"}, Extensions: []backup.Extension{{Name: "citext", Version: "1.6", Schema: "public"}, {Name: "plpgsql", Version: "1.0", Schema: "pg_catalog"}},
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), stored, 0o600))
	write(t, dir, manifest)
	opened, err := backup.Open(dir)
	require.NoError(t, err)
	return opened
}

func write(t *testing.T, dir string, manifest backup.Manifest) {
	t.Helper()
	text, err := json.Marshal(manifest)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, backup.ManifestFile), text, 0o600))
}

// contents of a database, as text.
const contents = `SELECT string_agg(fact, E'\n' ORDER BY fact) FROM (
	SELECT format('%s %s %s %s', c.oid::regclass, relkind, relowner::regrole, relacl) AS fact FROM pg_class c WHERE relnamespace::regnamespace::text IN ('public', '"odd one"')
	UNION ALL SELECT format('%s %s %s', conrelid::regclass, pg_get_constraintdef(oid), convalidated) FROM pg_constraint WHERE connamespace::regnamespace::text IN ('public', '"odd one"')
	UNION ALL SELECT format('%s %s %s', nspname, nspowner::regrole, nspacl) FROM pg_namespace WHERE nspname IN ('public', 'odd one')
	UNION ALL SELECT pg_get_viewdef('"Moods"'::regclass)
	UNION ALL SELECT format('%s %s', defaclrole::regrole, defaclacl) FROM pg_default_acl
	UNION ALL SELECT 'users ' || md5(string_agg(u::text, ' ' ORDER BY u)) FROM "Users" u UNION ALL SELECT 'orders ' || md5(string_agg(o::text, ' ' ORDER BY o)) FROM "odd one"."Or""ders" o
	UNION ALL SELECT format('%s %s', sequencename, last_value) FROM pg_sequences WHERE schemaname !~ '^before_') facts`

func TestRestore(t *testing.T) {
	server := pgtest.Start(t)
	maintenance, session, tools := server.Connect(t), newShop(t, server), tools(t, server)
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	from := dump(t, tools, session, identity.Recipient())
	before := ask[string](t, session, contents)
	do(t, session, `DELETE FROM "Users"`, `DROP TABLE "odd one"."Or""ders"`)

	require.NoError(t, restore.Intact(t.Context(), from, []age.Identity{identity}))
	require.NoError(t, restore.Fits(t.Context(), maintenance, from.Manifest))
	require.NoError(t, restore.RolesThere(t.Context(), maintenance, from.Manifest))
	for _, jobs := range []int{1, 3} {
		filling := restore.Filling{Tools: tools, From: from, Identities: []age.Identity{identity}, Jobs: jobs}
		assert.Equal(t, jobs > 1, filling.Decrypted() > from.Size(), "one job needs no file")
		require.NoError(t, filling.Stage(t.Context()))
		require.NoError(t, restore.Create(t.Context(), maintenance, "shop", "next", func() error {
			require.NoError(t, filling.Restore(t.Context(), "--dbname=next"))
			next, err := server.Login(t.Context(), pgtest.Superuser, pgtest.Password, "next")
			require.NoError(t, err)
			defer next.Close(t.Context())
			rows, err := restore.Same(t.Context(), next, from.Manifest, true)
			require.NoError(t, err)
			assert.EqualValues(t, 302, rows)
			assert.Equal(t, before, ask[string](t, next, contents))

			do(t, next, `DELETE FROM "odd one"."Or""ders" WHERE id = 7`, `DELETE FROM "__EFMigrationsHistory" WHERE "MigrationId" ~ 'Second'`, "DROP EXTENSION citext CASCADE")
			_, err = restore.Same(t.Context(), next, from.Manifest, true)
			require.Equal(t, restore.WrongContent, restore.ReasonOf(err))
			for _, text := range []string{`"odd one"."Or""ders" has 99 rows, and had 100`, "extension citext is missing", `"20250101_First", and was "20250202_Second"`} {
				assert.ErrorContains(t, err, text)
			}
			return restore.Remove(t.Context(), maintenance, "next")
		}))
	}
}

func TestRestoreTables(t *testing.T) {
	server := pgtest.Start(t)
	maintenance, session, tools := server.Connect(t), newShop(t, server), tools(t, server)
	from := dump(t, tools, session)
	before := ask[string](t, session, contents)
	names := func(texts ...string) restore.Tables {
		found, err := restore.Find(from.Manifest, texts)
		require.NoError(t, err)
		filling := restore.Filling{Tools: tools, From: from, Jobs: 1}
		require.NoError(t, filling.Stage(t.Context()))
		return restore.Tables{Filling: filling, Database: "shop", Side: "side", Names: found, Kept: restore.KeptSchema(time.Date(2026, 11, 24, 2, 15, 0, 0, time.UTC))}
	}
	run := func(tables restore.Tables) (done restore.Restored, failure error) {
		err := restore.Create(t.Context(), maintenance, "shop", "side", func() error {
			done, failure = tables.Restore(t.Context(), opener(server))
			return restore.Remove(t.Context(), maintenance, "side")
		})
		require.NoError(t, err)
		return done, failure
	}
	_, err := restore.Find(from.Manifest, []string{"public.users"})
	require.ErrorContains(t, err, "it has public.Users, odd one.Or\"ders")

	// Wrong rows; the application has gone on and its orders refer to users.
	do(t, session, `UPDATE "Users" SET "Email" = 'lost' || "Id"`)
	done, err := run(names("public.Users"))
	require.NoError(t, err)
	assert.Equal(t, restore.Restored{Kept: "before_20261124t021500", Rows: 200}, done)
	assert.Equal(t, before, ask[string](t, session, contents))
	assert.Equal(t, 200, ask[int](t, session, `SELECT count(*)::int FROM before_20261124t021500."Users" WHERE "Email" ~ '^lost'`))
	do(t, session, `INSERT INTO "Users" ("Email") VALUES ('new@example.org')`)
	assert.Equal(t, 201, ask[int](t, session, `SELECT max("Id") FROM "Users"`), "the sequence goes on")
	do(t, session, `INSERT INTO "odd one"."Or""ders" ("user") VALUES (201)`, "DROP SCHEMA before_20261124t021500 CASCADE")

	// A user who came after the backup has an order: the key is there, for new rows.
	done, err = run(names("public.Users"))
	require.NoError(t, err)
	require.Len(t, done.Unchecked, 1)
	assert.Contains(t, done.Unchecked[0], `is not present in table "Users"`)
	_, err = session.Exec(t.Context(), `INSERT INTO "odd one"."Or""ders" ("user") VALUES (999)`)
	require.ErrorContains(t, err, "foreign key")
	do(t, session, "DROP SCHEMA before_20261124t021500 CASCADE")

	// Lost tables, and with them what referred to them.
	do(t, session, `DROP TABLE "Users" CASCADE`)
	tables := names("public.Users", `odd one.Or"ders`)
	done, err = run(tables)
	require.NoError(t, err)
	assert.EqualValues(t, 300, done.Rows)
	do(t, session, `CREATE VIEW "Moods" WITH (security_barrier=true) AS SELECT mood, count(*) FROM "Users" GROUP BY 1`, `GRANT SELECT ON "Moods" TO app`, "DROP SCHEMA before_20261124t021500 CASCADE")
	assert.Equal(t, before, ask[string](t, session, contents))

	// Whatever fails, nothing was changed.
	do(t, session, `DROP TYPE mood CASCADE`)
	changed := ask[string](t, session, `SELECT string_agg(format('%s %s', oid::regclass, relnamespace), ' ' ORDER BY oid) FROM pg_class WHERE relnamespace = 'public'::regnamespace`)
	_, err = run(names("public.Users"))
	require.ErrorContains(t, err, `type "public.mood" does not exist`)
	require.ErrorContains(t, err, "nothing was changed in database shop")
	assert.Equal(t, changed, ask[string](t, session, `SELECT string_agg(format('%s %s', oid::regclass, relnamespace), ' ' ORDER BY oid) FROM pg_class WHERE relnamespace = 'public'::regnamespace`))
	do(t, session, `CREATE MATERIALIZED VIEW many AS SELECT * FROM "Users"`)
	_, err = run(names("public.Users"))
	require.ErrorContains(t, err, `materialized view public.many is made of public."Users"`)
}

// TestRestoreTablesKilled ends the programs at different moments: the tables are
// all restored, or none is touched.
func TestRestoreTablesKilled(t *testing.T) {
	server := pgtest.Start(t)
	maintenance, session, programs := server.Connect(t), newShop(t, server), tools(t, server)
	from := dump(t, programs, session)
	names, err := restore.Find(from.Manifest, []string{"public.Users", `odd one.Or"ders`})
	require.NoError(t, err)
	schema := func() string {
		return ask[string](t, session, `SELECT string_agg(format('%s %s', c.oid, c.oid::regclass), ' ' ORDER BY c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname !~ '^pg_|information'`)
	}
	var whole time.Duration
	untouched, restored := 0, 0
	const rounds = 6
	for round := 0; round <= rounds || untouched == 0 && round <= 2*rounds; round++ {
		before := schema()
		ctx, cancel := context.WithCancel(t.Context())
		switch { // the last third of the time is when the tables are carried over
		case round > rounds: // ever earlier, where that was too late each time
			time.AfterFunc(whole*time.Duration(2*rounds-round)/(2*rounds), cancel)
		case round > 0:
			time.AfterFunc(whole*time.Duration(rounds+round)/(2*rounds), cancel)
		}
		began := time.Now()
		require.NoError(t, restore.Create(t.Context(), maintenance, "shop", "side", func() error {
			programs := tools(t, server)
			filling := restore.Filling{Tools: programs, From: from, Jobs: 1}
			require.NoError(t, filling.Stage(t.Context()))
			kept := restore.KeptSchema(time.Date(2026, 11, 24, 2, 15, round, 0, time.UTC))
			_, err = restore.Tables{Filling: filling, Database: "shop", Side: "side", Names: names, Kept: kept}.Restore(ctx, opener(server))
			if round == 0 {
				require.NoError(t, err)
				whole = time.Since(began)
			}
			// What a killed wcrdb leaves: nothing, for its programs end with it.
			require.NoError(t, programs.Close(t.Context()))
			return restore.Remove(t.Context(), maintenance, "side")
		}))
		cancel()
		require.Eventually(t, func() bool {
			return ask[int](t, maintenance, "SELECT count(*)::int FROM pg_stat_activity WHERE datname = 'shop' AND application_name = 'wcrdb'") == 0
		}, 20*time.Second, 5*time.Millisecond)
		if after := schema(); after == before {
			untouched++
			require.Error(t, err)
		} else {
			restored++
			require.Contains(t, after, fmt.Sprintf(`before_20261124t0215%02d."Users"`, round))
			require.Contains(t, after, fmt.Sprintf(`before_20261124t0215%02d."Or""ders"`, round))
		}
		require.Equal(t, 300, ask[int](t, session, `SELECT ((SELECT count(*) FROM "Users") + (SELECT count(*) FROM "odd one"."Or""ders"))::int`))
	}
	t.Logf("%d times untouched, %d times restored", untouched, restored)
	assert.Positive(t, untouched)
	assert.Positive(t, restored)
}

// TestFaults: each has its own reason.
func TestFaults(t *testing.T) {
	server := pgtest.Start(t)
	maintenance, session, tools := server.Connect(t), newShop(t, server), tools(t, server)
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	stranger, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	plain, encrypted := dump(t, tools, session), dump(t, tools, session, identity.Recipient())

	file := func(from *backup.Backup) string { return filepath.Join(from.Dir, from.Files[0].Name) }
	alter := func(from *backup.Backup, how func([]byte) []byte) *backup.Backup {
		content, err := os.ReadFile(file(from))
		require.NoError(t, err)
		altered := &backup.Backup{Manifest: from.Manifest, Dir: t.TempDir()}
		altered.Files = slices.Clone(from.Files)
		require.NoError(t, os.WriteFile(file(altered), how(content), 0o600))
		return altered
	}
	truncate := func(content []byte) []byte { return content[:len(content)-100] }
	flip := func(content []byte) []byte { content[len(content)/2] ^= 1; return content }
	for reason, err := range map[restore.Reason]error{
		restore.Truncated:  restore.Intact(t.Context(), alter(encrypted, truncate), []age.Identity{identity}),
		restore.Damaged:    restore.Intact(t.Context(), alter(plain, flip), nil),
		restore.WrongKey:   restore.Intact(t.Context(), encrypted, []age.Identity{stranger}),
		restore.Incomplete: restore.Intact(t.Context(), &backup.Backup{Manifest: plain.Manifest, Dir: t.TempDir()}, nil),
		restore.WrongMajor: restore.Fits(t.Context(), maintenance, backup.Manifest{ServerMajor: 17}),
		restore.MissingExtension: restore.Fits(t.Context(), maintenance,
			backup.Manifest{ServerMajor: 16, Extensions: []backup.Extension{{Name: "citext"}, {Name: "postgis"}}}),
		restore.MissingRole: restore.RolesThere(t.Context(), maintenance, backup.Manifest{Roles: []string{"owner", "gone"}}),
	} {
		assert.Equal(t, reason, restore.ReasonOf(err), "%v", err)
		t.Log(err)
	}
	require.Equal(t, restore.WrongKey, restore.ReasonOf(restore.Intact(t.Context(), encrypted, nil)))

	// The same, found by pg_restore where a manifest does not tell.
	fill := func(from *backup.Backup) error {
		var failure error
		require.NoError(t, restore.Create(t.Context(), maintenance, "shop", "next", func() error {
			filling := restore.Filling{Tools: tools, From: from, Jobs: 2}
			content, err := os.ReadFile(file(from))
			require.NoError(t, err)
			require.NoError(t, tools.Put(t.Context(), "restore.dump", io.Reader(bytes.NewReader(content))))
			failure = filling.Restore(t.Context(), "--dbname=next")
			return restore.Remove(t.Context(), maintenance, "next")
		}))
		return failure
	}
	for range 2 {
		for _, how := range []func([]byte) []byte{truncate, func(content []byte) []byte { return content[:200] }, func([]byte) []byte { return []byte("no dump at all") }} {
			err := fill(alter(plain, how))
			assert.Equal(t, restore.Unreadable, restore.ReasonOf(err), "%v", err)
			t.Log(err)
		}
	}
	do(t, maintenance, "ALTER ROLE owner RENAME TO gone")
	err = fill(plain)
	assert.Equal(t, restore.MissingRole, restore.ReasonOf(err), "%v", err)
	t.Log(err)
	do(t, maintenance, "ALTER ROLE gone RENAME TO owner")
	require.NoError(t, fill(plain))
}
