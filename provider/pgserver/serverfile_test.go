package pgserver

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/pgtest"
	"github.com/witchcityrope/database/internal/postgres"
)

func TestServerFileCheck(t *testing.T) {
	provider := newTestProvider(t, unplugged(new([]Config)))
	certificate, key := issue(t, 1)
	_, otherKey := issue(t, 2)
	good := values{"path": text("server.pem"), "content": text(certificate + key), "check": text("tls")}
	assert.Empty(t, provider.faults("ServerFile", good))
	assert.Empty(t, provider.faults("ServerFile", good.with("content", property.New(property.Computed))))
	assert.Equal(t, "none", provider.check("ServerFile", values{"path": text("a"), "content": text("")}).Get("check").AsString())

	for path, want := range map[string]string{
		"": "is empty", "../x": "plain file name", "a/b": "plain file name", "/etc/passwd": "plain file name", "..": "plain file name",
		"a b": "plain file name", "a;b": "plain file name", "a'b": "plain file name", "-a": "plain file name", "a\n": "plain file name",
		".": "belongs to the server", "PG_VERSION": "belongs to the server", "postgresql.conf": "belongs to the server",
		"postgresql.auto.conf": "belongs to the server", "postmaster.pid": "belongs to the server", "base": "belongs to the server",
		"pg_wal": "belongs to the server", "pg_stat_tmp": "belongs to the server", "standby.signal": "belongs to the server",
		"a.new": `under which "a" would be prepared`, strings.Repeat("a", 101): "has 101 characters",
	} {
		assert.Contains(t, provider.faults("ServerFile", good.with("path", text(path)))["path"], want, path)
	}
	for _, path := range []string{"pg_hba.conf", "pg_ident.conf", ".pgpass", "ca.crt", "a-b_c.9"} {
		assert.Empty(t, provider.faults("ServerFile", good.with("path", text(path))), path)
	}
	assert.Contains(t, provider.faults("ServerFile", good.with("check", text("x")))["check"], "use one of none, tls, hba")
	for name, content := range map[string]string{
		"nothing": "", "no key": certificate, "no certificate": key, "another key": certificate + otherKey,
		"no PEM": canary, "encrypted": certificate + "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
	} {
		fault := provider.faults("ServerFile", good.with("content", text(content)))["content"]
		assert.Contains(t, fault, "is not a certificate with its private key", name)
		assert.NotContains(t, fault, canary)
	}
}

// Whatever is accepted as a path is one word to a shell, and directly in the data directory.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"server.pem", "../x", "a b", "$(x)", "a\x00", "-rf", "é", ".", "..", "...", "a\n", "a/b", "a.new", "PG_VERSION"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if pathFault(path) != "" {
			return
		}
		require.NotEmpty(t, path)
		require.Equal(t, path, filepath.Base(path))
		require.NotContains(t, []string{".", ".."}, path)
		require.NotEqual(t, byte('-'), path[0])
		require.Equal(t, -1, strings.IndexFunc(path, func(c rune) bool {
			return !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-", c)
		}))
		require.False(t, serverOwned.MatchString(path))
	})
}

func TestServerFile(t *testing.T) {
	server := pgtest.Start(t)
	provider := connected(t, server)
	onDisk := func(path string) string {
		content, err := os.ReadFile(filepath.Join(server.DataDir, path))
		require.NoError(t, err)
		return string(content)
	}
	absent := func(path string) { assert.NoFileExists(t, filepath.Join(server.DataDir, path)) }

	t.Run("byte for byte", func(t *testing.T) {
		file := provider.create("ServerFile", values{"path": text("bytes"), "content": text("first")})
		for _, content := range []string{
			"", "\n", "no newline at the end", "one newline\n", "two\n\n", "\r\nCRLF\r\n", "tab\tand back\\slash\\n \\. \\N",
			`quotes ' " $x $(x) ` + "`x`", "%p %%", "héllo ☃ 𝄞", "\x00 zero \x00", strings.Repeat("0123456789abcdef", 1<<16),
		} {
			inputs := values{"path": text("bytes"), "content": text(content)}
			file.update(inputs)
			assert.Equal(t, content, onDisk("bytes"))
			require.True(t, file.refresh())
			assert.Equal(t, content, file.output("content"))
			assert.False(t, file.diff(inputs).HasChanges)
		}
		info, err := os.Stat(filepath.Join(server.DataDir, "bytes"))
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode())
		absent("bytes.new")
	})
	t.Run("life cycle", func(t *testing.T) {
		inputs := values{"path": text("ca.crt"), "content": text("CA"), "reload": property.New(false)}
		file := provider.create("ServerFile", inputs)
		assert.Equal(t, "ca.crt", file.id)

		require.NoError(t, os.WriteFile(filepath.Join(server.DataDir, "ca.crt"), []byte("edited \xff"), 0o600))
		require.True(t, file.refresh())
		diff := file.diff(inputs)
		assert.True(t, diff.HasChanges)
		assert.Contains(t, diff.DetailedDiff, "content")
		file.update(inputs)
		assert.Equal(t, "CA", onDisk("ca.crt"))

		imported := provider.imported("ServerFile", "ca.crt")
		assert.Equal(t, "CA", imported.inputs.Get("content").AsString())
		assert.Equal(t, "ca.crt", imported.inputs.Get("path").AsString())
		assert.True(t, imported.state.Get("content").Secret())
		assert.True(t, imported.inputs.Get("content").Secret())

		require.NoError(t, os.Remove(filepath.Join(server.DataDir, "ca.crt")))
		assert.False(t, file.refresh())
		file.delete() // nothing is there any more
		file = provider.create("ServerFile", inputs)
		file.delete()
		absent("ca.crt")
	})
	t.Run("in the way", func(t *testing.T) {
		require.NoError(t, os.Mkdir(filepath.Join(server.DataDir, "folder"), 0o700))
		_, err := provider.tryCreate("ServerFile", values{"path": text("folder"), "content": text(canary)})
		require.ErrorContains(t, err, "folder")
		assert.NotContains(t, err.Error(), canary)
		absent("folder.new")
		// What an interrupted run has left aside is no obstacle.
		half := provider.create("ServerFile", values{"path": text("half"), "content": text("half")})
		require.NoError(t, os.Rename(filepath.Join(server.DataDir, "half"), filepath.Join(server.DataDir, "half.new")))
		require.False(t, half.refresh())
		provider.create("ServerFile", values{"path": text("half"), "content": text("whole")})
		assert.Equal(t, "whole", onDisk("half"))
		absent("half.new")
	})
	t.Run("importing what must not be", func(t *testing.T) {
		_, err := provider.Read(readRequest("ServerFile", "postgresql.conf"))
		assert.ErrorContains(t, err, "belongs to the server itself")
	})
}

func TestAccessRules(t *testing.T) {
	server := pgtest.Start(t)
	provider := connected(t, server)
	conn := server.Connect(t)
	path := filepath.Join(server.DataDir, "pg_hba.conf")
	const good = "host all all 127.0.0.1/32 scram-sha-256\n"
	inputs := func(content string) values {
		return values{"path": text("pg_hba.conf"), "check": text("hba"), "content": text(content)}
	}
	unchanged := func(want string) {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, want, string(content))
		server.Connect(t)
	}

	rules := provider.create("ServerFile", inputs(good))
	unchanged(good)
	loaded := query[string](t, conn, "SELECT pg_conf_load_time()::text")

	// What a server would not understand is refused in preview, and before anything is written where preview did not know it.
	const bad = good + "hots all all all trust\nhost all all all scramble\n"
	faults := []string{`line 2: invalid connection type "hots"`, `line 3: invalid authentication method "scramble"`}
	for _, fault := range faults {
		assert.Contains(t, provider.faults("ServerFile", inputs(bad))["content"], fault)
	}
	written, err := os.Stat(path)
	require.NoError(t, err)
	_, err = provider.Update(p.UpdateRequest{ID: rules.id, Urn: urn("ServerFile"), State: rules.state, OldInputs: rules.inputs,
		Inputs: rules.inputs.Set("content", text(bad).WithSecret(true))})
	for _, fault := range faults {
		require.ErrorContains(t, err, fault)
	}
	untouched, err := os.Stat(path)
	require.NoError(t, err)
	assert.True(t, os.SameFile(written, untouched), "nothing was written")
	assert.Equal(t, loaded, query[string](t, conn, "SELECT pg_conf_load_time()::text"), "nothing was loaded")

	// What only the server can know, it says when the file is there; then the old one is put back.
	err = rules.tryUpdate(inputs(good + `host all "/(" all trust` + "\n"))
	require.ErrorContains(t, err, "does not understand these access rules, so they were taken back (line 2: invalid regular expression")
	unchanged(good)

	err = rules.tryUpdate(inputs("host all all all reject\n"))
	require.ErrorContains(t, err, "the provider itself cannot log in any more, so they were taken back")
	unchanged(good)
	assert.NotEqual(t, loaded, query[string](t, conn, "SELECT pg_conf_load_time()::text"))

	require.NoError(t, os.WriteFile(path, []byte("host all all all trust\n"), 0o600))
	require.True(t, rules.refresh())
	assert.True(t, rules.diff(inputs(good)).HasChanges)
	rules.update(inputs(good))
	unchanged(good)
	assert.Equal(t, "hba", provider.imported("ServerFile", "pg_hba.conf").inputs.Get("check").AsString())

	_, err = provider.tryCreate("ServerFile", inputs(good).with("path", text("other_hba.conf")))
	require.ErrorContains(t, err, "the server reads its access rules from")
	assert.NoFileExists(t, filepath.Join(server.DataDir, "other_hba.conf"))

	rules.delete()
	unchanged(good)
	assert.Zero(t, query[int](t, conn, "SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL"))
}

// The server reads rendered rules as they were meant, whatever the names.
func TestRenderedRules(t *testing.T) {
	server := pgtest.Start(t)
	provider := connected(t, server)
	conn := server.Connect(t)
	names := []string{"app", "all the same", `with "quotes"`, "a,b", "#not a comment", "@not_a_file", `back\`, "Grün", "samehost"}
	rules := []postgres.HBARule{
		{Type: "host", Databases: []string{"all"}, Roles: []string{"all"}, Address: "127.0.0.1", Method: "scram-sha-256"},
		{Type: "host", Databases: names, Roles: append([]string{"all", "+group", "+odd group"}, names...), Address: "10.0.0.0/8", Method: "reject"},
		{Type: "hostssl", Databases: []string{"sameuser", "replication"}, Roles: names, Address: "::1", Method: "cert",
			Options: map[string]string{"map": `my "map", #1\`}},
		{Type: "local", Databases: []string{"all"}, Roles: []string{"all"}, Method: "peer"},
	}
	content, err := postgres.RenderHBA(rules)
	require.NoError(t, err)
	provider.create("ServerFile", values{"path": text("pg_hba.conf"), "check": text("hba"), "content": text(content)})

	type line struct {
		Type            string
		Database, Users []string
		Address, Method *string
		Options         []string
	}
	rows, err := conn.Query(t.Context(), `SELECT type, database, user_name AS users, address, auth_method AS method, options
		FROM pg_hba_file_rules ORDER BY line_number`)
	require.NoError(t, err)
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[line])
	require.NoError(t, err)
	require.Len(t, found, len(rules))
	for i, rule := range rules {
		assert.Equal(t, rule.Type, found[i].Type)
		assert.Equal(t, rule.Databases, found[i].Database)
		assert.Equal(t, rule.Roles, found[i].Users)
		assert.Equal(t, rule.Method, *found[i].Method)
	}
	assert.Contains(t, found[2].Options, `map=my "map", #1\`)
}

// TLS is switched on, and its certificate replaced, with the server running.
func TestTLS(t *testing.T) {
	server := pgtest.Start(t)
	provider := connected(t, server)
	conn := server.Connect(t)
	started := query[string](t, conn, "SELECT pg_postmaster_start_time()::text")
	first, firstKey := issue(t, 1)
	second, secondKey := issue(t, 2)
	bundle := func(content string) values {
		return values{"path": text("server.pem"), "check": text("tls"), "content": text(content)}
	}
	setting := func(name, value string) values { return values{"name": text(name), "value": text(value)} }
	presented := func() *x509.Certificate {
		certificate, err := Config{Host: "127.0.0.1", Port: server.Port}.presented(t.Context())
		require.NoError(t, err)
		return certificate
	}
	der := func(certificate string) []byte {
		block, _ := pem.Decode([]byte(certificate))
		return block.Bytes
	}

	_, err := provider.tryCreate("SystemSetting", setting("ssl", "on"))
	require.ErrorContains(t, err, "no TLS connection could be made, so the old value was put back")
	_, err = Config{Host: "127.0.0.1", Port: server.Port}.presented(t.Context())
	require.ErrorIs(t, err, errNoTLS)
	assert.Equal(t, "off", query[string](t, server.Connect(t), "SHOW ssl"))

	file := provider.create("ServerFile", bundle(first+firstKey))
	provider.create("SystemSetting", setting("ssl_cert_file", "server.pem"))
	provider.create("SystemSetting", setting("ssl_key_file", "server.pem"))
	ssl := provider.create("SystemSetting", setting("ssl", "on"))
	assert.Equal(t, "on", ssl.output("effectiveValue"))
	assert.Equal(t, der(first), presented().Raw)

	t.Run("a session that is open goes on", func(t *testing.T) {
		held := server.Connect(t)
		require.True(t, query[bool](t, held, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
		pid := query[int](t, held, "SELECT pg_backend_pid()")
		execute(t, held, "BEGIN", "CREATE TEMP TABLE kept AS SELECT 1 AS n")
		file.update(bundle(second + secondKey))
		assert.Equal(t, der(second), presented().Raw, "new sessions see the new certificate")
		assert.Equal(t, 1, query[int](t, held, "SELECT n FROM kept"))
		assert.Equal(t, pid, query[int](t, held, "SELECT pg_backend_pid()"))
		execute(t, held, "COMMIT")
	})
	t.Run("what does not match is refused before anything is written", func(t *testing.T) {
		path := filepath.Join(server.DataDir, "server.pem")
		before, err := os.Stat(path)
		require.NoError(t, err)
		loaded := query[string](t, conn, "SELECT pg_conf_load_time()::text")
		for name, content := range map[string]string{
			"a key of another certificate": first + secondKey, "no key": first, "a bad key": first + strings.Replace(firstKey, "\nM", "\nX", 1),
		} {
			_, err := provider.Update(p.UpdateRequest{ID: file.id, Urn: urn("ServerFile"), State: file.state, OldInputs: file.inputs,
				Inputs: file.inputs.Set("content", text(content).WithSecret(true))})
			require.ErrorContains(t, err, "server.pem: the content is not a certificate with its private key", name)
		}
		after, err := os.Stat(path)
		require.NoError(t, err)
		assert.True(t, os.SameFile(before, after), "nothing was written")
		assert.Equal(t, loaded, query[string](t, conn, "SELECT pg_conf_load_time()::text"), "nothing was loaded")
	})

	t.Run("drift", func(t *testing.T) {
		require.NoError(t, os.WriteFile(filepath.Join(server.DataDir, "server.pem"), []byte(first+firstKey), 0o600))
		require.True(t, file.refresh())
		assert.True(t, file.diff(bundle(second+secondKey)).HasChanges)
		file.update(bundle(second + secondKey))
		assert.Equal(t, der(second), presented().Raw)
	})
	t.Run("a certificate that the server cannot use", func(t *testing.T) {
		// The key is only understood by the server if the file says so early enough: a chain that is broken is not.
		broken := first + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + firstKey
		err := file.tryUpdate(bundle(broken))
		require.ErrorContains(t, err, "the server did not take this certificate")
		assert.Equal(t, der(second), presented().Raw)
		require.True(t, file.refresh())
		assert.Equal(t, second+secondKey, file.output("content"))
	})
	t.Run("a key of another certificate", func(t *testing.T) {
		faults := provider.faults("ServerFile", bundle(first+secondKey))
		assert.Contains(t, faults["content"], "private key does not match public key")
	})
	ssl.delete()
	_, err = Config{Host: "127.0.0.1", Port: server.Port}.presented(t.Context())
	require.ErrorIs(t, err, errNoTLS)
	file.delete()
	assert.Equal(t, started, query[string](t, conn, "SELECT pg_postmaster_start_time()::text"), "the server was never restarted")
}
