package backup_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/backup"
	"github.com/witchcityrope/database/internal/pgtest"
	"github.com/witchcityrope/database/internal/pgtools"
)

func TestABackupIsWhole(t *testing.T) {
	server, dir := server(t), filepath.Join(t.TempDir(), "backups")
	made, err := backup.Make(t.Context(), source(t, server), backup.Options{Dir: dir, Formats: []string{backup.Custom, backup.Plain}})
	require.NoError(t, err)

	assert.Equal(t, []backup.Table{
		{Schema: "auth", Name: "users", Rows: 1000}, {Schema: "public", Name: `Odd "name"`, Rows: 300},
		{Schema: "public", Name: "__EFMigrationsHistory", Rows: 2}, {Schema: "public", Name: "parts_2026", Rows: 50},
	}, made.Tables)
	assert.Equal(t, "20250201000000_Second", made.LastMigration)
	assert.Equal(t, major, made.ServerMajor)
	assert.Equal(t, []string{pgtest.Superuser, login}, made.Roles)
	assert.Equal(t, []backup.Extension{{Name: "plpgsql", Version: "1.0", Schema: "pg_catalog"}}, made.Extensions)
	assert.NotEmpty(t, made.LSN)
	assert.Regexp(t, `^\d{8}T\d{6}Z-shop$`, made.ID)
	assert.Positive(t, made.DatabaseBytes)

	var names []string
	for _, file := range made.Files {
		names = append(names, file.Name)
		assert.Equal(t, file.SHA256, file.PlainSHA256)
	}
	assert.ElementsMatch(t, []string{backup.DumpFile, backup.SQLFile, backup.RolesFile, backup.SettingsFile, backup.ExtensionsFile}, names)
	assert.Contains(t, read(t, made.Dir, backup.SQLFile), "CREATE TABLE auth.users")
	roles := read(t, made.Dir, backup.RolesFile)
	assert.Contains(t, roles, "GRANT pg_read_all_data TO "+login)
	assert.NotContains(t, roles, "SCRAM")
	var settings map[string]string
	require.NoError(t, json.Unmarshal([]byte(read(t, made.Dir, backup.SettingsFile)), &settings))
	assert.Equal(t, "off", settings["fsync"])
	assert.NotContains(t, settings, "application_name", "its own")

	require.NoError(t, made.Prove(t.Context()))
	listed, err := backup.List(dir)
	require.NoError(t, err)
	require.Len(t, listed, 1)
	assert.True(t, listed[0].Good())
	assert.Empty(t, listed[0].Verified.Fault)
	listed[0].Verified, made.Verified = nil, nil
	assert.Equal(t, *made, listed[0])

	dump, err := made.Dump()
	require.NoError(t, err)
	defer dump.Close()
	counted(t, restored(t, server, dump), made.Tables)

	_, err = server.Connect(t).Exec(t.Context(), "CREATE DATABASE from_sql")
	require.NoError(t, err)
	require.NoError(t, tools(t, server.Port, pgtest.Superuser, pgtest.Password).Run(t.Context(), pgtools.Command{
		Args: []string{"psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--dbname=from_sql"}, Stdin: strings.NewReader(read(t, made.Dir, backup.SQLFile)),
	}))
	counted(t, server.ConnectAs(t, pgtest.Superuser, pgtest.Password, "from_sql"), made.Tables)
}

func counted(t *testing.T, session *pgx.Conn, tables []backup.Table) {
	t.Helper()
	for _, table := range tables {
		var rows int64
		name := pgx.Identifier{table.Schema, table.Name}.Sanitize()
		require.NoError(t, session.QueryRow(t.Context(), "SELECT count(*) FROM ONLY "+name).Scan(&rows))
		assert.Equal(t, table.Rows, rows, name)
	}
}

// TestSettingsAreTheServers, as the backup's login sees them, and whatever its session needs.
func TestSettingsAreTheServers(t *testing.T) {
	server := server(t)
	super := server.Connect(t)
	for _, statement := range []string{
		"ALTER SYSTEM SET log_directory = 'elsewhere'", // for superusers' eyes
		"ALTER SYSTEM SET statement_timeout = '70s'", "ALTER SYSTEM SET lock_timeout = '3s'", "ALTER SYSTEM SET work_mem = '6MB'",
		"ALTER ROLE " + login + " SET work_mem = '9MB'", "ALTER DATABASE shop SET maintenance_work_mem = '99MB'", "SELECT pg_reload_conf()",
	} {
		_, err := super.Exec(t.Context(), statement)
		require.NoError(t, err, statement)
	}
	require.Eventually(t, func() bool {
		var now string
		require.NoError(t, super.QueryRow(t.Context(), "SHOW lock_timeout").Scan(&now))
		return now == "3s"
	}, 10*time.Second, 10*time.Millisecond)
	made, err := backup.Make(t.Context(), source(t, server), backup.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	assert.Equal(t, "elsewhere", made.Settings["log_directory"])
	assert.Equal(t, "70s", made.Settings["statement_timeout"])
	assert.Equal(t, "3s", made.Settings["lock_timeout"])
	assert.NotContains(t, made.Settings, "work_mem", "the login's own")
	assert.NotContains(t, made.Settings, "maintenance_work_mem", "the database's")
	assert.Contains(t, read(t, made.Dir, backup.RolesFile), "SET work_mem TO '9MB'")
}

// TestTheLastMigration is that of all histories, by bytes, without those set aside.
func TestTheLastMigration(t *testing.T) {
	session := server(t).ConnectAs(t, pgtest.Superuser, pgtest.Password, "shop")
	for _, one := range []struct{ schema, id, last string }{
		{"auth", "20250301000000_Third", "20250301000000_Third"},
		{"before_20260101t000000", "20250401000000_Fourth", "20250301000000_Third"},
		{"other", "20250301000000_second", "20250301000000_second"},
	} {
		_, err := session.Exec(t.Context(), fmt.Sprintf(`CREATE SCHEMA IF NOT EXISTS %s; CREATE TABLE %[1]s."__EFMigrationsHistory" ("MigrationId" text COLLATE "und-x-icu");
			INSERT INTO %[1]s."__EFMigrationsHistory" VALUES ('%s')`, one.schema, one.id))
		require.NoError(t, err)
		last, err := backup.LastMigration(t.Context(), session)
		require.NoError(t, err)
		assert.Equal(t, one.last, last, one.schema)
	}
}

// TestRowsAreThoseOfTheDump: others write all the time.
func TestRowsAreThoseOfTheDump(t *testing.T) {
	server := server(t)
	from := source(t, server)
	writer := server.ConnectAs(t, pgtest.Superuser, pgtest.Password, "shop")
	write := func() {
		_, err := writer.Exec(context.WithoutCancel(t.Context()), `INSERT INTO auth.users SELECT max(id) + 1, 'late' FROM auth.users; DELETE FROM parts WHERE n = (SELECT min(n) FROM parts)`)
		assert.NoError(t, err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				write()
			}
		}
	}()
	made, err := backup.Make(t.Context(), from, backup.Options{Dir: t.TempDir()})
	close(stop)
	<-stopped
	require.NoError(t, err)
	dump, err := made.Dump()
	require.NoError(t, err)
	defer dump.Close()
	counted(t, restored(t, server, dump), made.Tables)
}

func TestAnEncryptedBackup(t *testing.T) {
	server, dir := server(t), t.TempDir()
	identity, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	made, err := backup.Make(t.Context(), source(t, server), backup.Options{
		Dir: dir, Formats: []string{backup.Custom, backup.Plain}, Recipients: []string{identity.Recipient().String()},
	})
	require.NoError(t, err)
	require.NoError(t, made.Verify(t.Context()))
	for _, name := range []string{backup.DumpFile, backup.SQLFile} {
		file, has := made.File(name)
		require.True(t, has)
		assert.True(t, file.Encrypted)
		assert.NotEqual(t, file.SHA256, file.PlainSHA256)
		assert.True(t, strings.HasPrefix(read(t, made.Dir, file.Name), "age-encryption.org/v1"))
	}

	dump, err := made.Dump(identity)
	require.NoError(t, err)
	defer dump.Close()
	counted(t, restored(t, server, dump), made.Tables)

	_, err = made.Dump()
	require.ErrorIs(t, err, backup.ErrKey)
	other, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	_, err = made.Dump(other)
	require.ErrorIs(t, err, backup.ErrKey)
	assert.ErrorContains(t, err, identity.Recipient().String())

	_, err = backup.Make(t.Context(), source(t, server), backup.Options{Dir: dir, Recipients: []string{"age1wrong"}})
	assert.ErrorContains(t, err, `backup.recipients: "age1wrong" is no public age key`)
}

func TestDamageIsFound(t *testing.T) {
	made, err := backup.Make(t.Context(), source(t, server(t)), backup.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	path := filepath.Join(made.Dir, backup.DumpFile)
	whole := []byte(read(t, path))
	file, _ := made.File(backup.DumpFile)
	whole = whole[:min(len(whole), int(file.Size))]
	for _, damage := range []struct {
		name, reason string
		do           func() error
	}{
		{"truncated", "truncated: ", func() error { return os.Truncate(path, file.Size-7) }},
		{"flipped", "a byte was changed", func() error { return flip(path, whole) }},
		{"gone", "no such file", func() error { return os.Remove(path) }},
	} {
		require.NoError(t, damage.do(), damage.name)
		err := made.Verify(t.Context())
		require.ErrorIs(t, err, backup.ErrIncomplete, damage.name)
		require.ErrorContains(t, err, damage.reason)
	}
	require.Error(t, made.Prove(t.Context()))
	listed, err := backup.List(filepath.Dir(made.Dir))
	require.NoError(t, err)
	require.Len(t, listed, 1)
	assert.False(t, listed[0].Good())
}

// TestWhatWasNotNotedIsNotBad: a note that was not written to its end says nothing.
func TestWhatWasNotNotedIsNotBad(t *testing.T) {
	dir := t.TempDir()
	made := aged(1)
	write(t, dir, made.Manifest)
	note := filepath.Join(dir, made.ID, "verified.json")
	for _, content := range []string{"", `{"at": "2026-11`} {
		require.NoError(t, os.WriteFile(note, []byte(content), 0o600))
		listed, err := backup.List(dir)
		require.NoError(t, err)
		require.Len(t, listed, 1)
		assert.True(t, listed[0].Good(), content)
		assert.Nil(t, listed[0].Verified, content)
	}
}

func flip(path string, content []byte) error {
	content[len(content)/2] ^= 1
	return os.WriteFile(path, content, 0o600)
}

// TestADamagedDumpIsNotReadToItsEnd: whoever restores without verifying is told, too.
func TestADamagedDumpIsNotReadToItsEnd(t *testing.T) {
	made, err := backup.Make(t.Context(), source(t, server(t)), backup.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	path := filepath.Join(made.Dir, backup.DumpFile)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, flip(path, content))
	dump, err := made.Dump()
	require.NoError(t, err)
	defer dump.Close()
	_, err = io.Copy(io.Discard, dump)
	require.ErrorIs(t, err, backup.ErrIncomplete)
	assert.ErrorContains(t, err, "content of database.dump")
}

func TestProgressIsReported(t *testing.T) {
	server := server(t)
	from := source(t, server)
	var seen []backup.Progress
	reported := make(chan struct{})
	from.Tools = during{from.Tools, func() {
		select {
		case <-reported:
		case <-time.After(time.Minute):
			t.Error("nothing was reported for a minute")
		}
	}}
	_, err := backup.Make(t.Context(), from, backup.Options{Dir: t.TempDir(), Report: func(p backup.Progress) {
		if seen = append(seen, p); len(seen) == 1 {
			close(reported)
		}
	}})
	require.NoError(t, err)
	require.NotEmpty(t, seen)
	assert.Equal(t, 4, seen[0].Tables)
	assert.Positive(t, seen[0].Total)
	assert.LessOrEqual(t, seen[0].Done, seen[0].Total)

	half := backup.Progress{Done: 50, Total: 100, Elapsed: 10 * time.Second}
	assert.InDelta(t, 5, half.Rate(), 0.01)
	assert.Equal(t, 10*time.Second, half.Left())
}
