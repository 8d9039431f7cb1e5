package pgserver

import (
	"context"
	"encoding/base64"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/acquire"
	"github.com/witchcityrope/database/internal/pgtest"
)

const canary = "canary-5f2a9c"

// An unreachable server is an error that says where, and what to look at, after the time given.
func TestUnreachable(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	port := listener.Addr().(*net.TCPAddr).Port
	config := someConfig().with("port", property.New(float64(port))).with("readyTimeout", property.New(1.0)).
		with("password", text(canary)).with("fallbackPasswords", texts(canary+"2"))

	attempt := func(t *testing.T) {
		t.Helper()
		provider := newTestProvider(t, dial)
		provider.configure(config)
		begin := time.Now()
		_, err := provider.tryCreate("Superuser", values{"username": text("postgres"), "verifier": verifier(canary)})
		require.ErrorContains(t, err, "no PostgreSQL server at "+listener.Addr().String()+" was ready within 1s")
		assert.ErrorContains(t, err, "docker ps")
		assert.NotContains(t, err.Error(), canary)
		assert.Less(t, time.Since(begin), 5*time.Second)
	}
	t.Run("what listens hangs up", func(t *testing.T) { // as Docker's proxy does while the server is not there
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_ = conn.Close()
			}
		}()
		attempt(t)
		require.NoError(t, listener.Close())
		<-done
	})
	t.Run("nothing listens", attempt)
	t.Run("the run is cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		begin := time.Now()
		_, err := dial(ctx, Config{Host: "127.0.0.1", Port: port, Username: "postgres", TLSMode: tlsPrefer, ReadyTimeout: 60})
		require.ErrorIs(t, err, context.Canceled)
		assert.Less(t, time.Since(begin), 5*time.Second)
	})
}

func TestLogin(t *testing.T) {
	server := pgtest.Start(t)
	login := func(change func(*Config)) error {
		config := Config{
			Host: "127.0.0.1", Port: server.Port, Username: pgtest.Superuser, Password: pgtest.Password,
			Database: "postgres", TLSMode: tlsPrefer, ReadyTimeout: 5,
		}
		change(&config)
		return dialer(dial).with(t.Context(), config, func(*session) error { return nil })
	}
	certificate, key := issue(t, 1)
	other, _ := issue(t, 2)
	dir := t.TempDir()
	ca, otherCA, empty, missing := filepath.Join(dir, "ca"), filepath.Join(dir, "other"), filepath.Join(dir, "empty"), filepath.Join(dir, "missing")
	for file, content := range map[string]string{ca: certificate, otherCA: other, empty: ""} {
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
	}

	require.NoError(t, login(func(*Config) {}))
	require.NoError(t, login(func(c *Config) { c.Password, c.FallbackPasswords = "new", []string{"older", pgtest.Password} }))

	err := login(func(c *Config) { c.Password, c.FallbackPasswords = canary, []string{canary + "1", canary + "2"} })
	require.ErrorContains(t, err, "neither the current password nor any of the 2 earlier ones is right")
	assert.ErrorContains(t, err, "root secret")
	assert.ErrorContains(t, err, "docker exec")
	assert.NotContains(t, err.Error(), canary)

	assert.ErrorContains(t, login(func(c *Config) { c.Database = "nowhere" }), `database "nowhere" does not exist`)
	begin := time.Now()
	assert.ErrorContains(t, login(func(c *Config) { c.TLSMode = tlsRequire }), "has TLS switched off")
	assert.Less(t, time.Since(begin), 3*time.Second, "no waiting for what will not come")

	provider := connected(t, server)
	provider.create("ServerFile", values{"path": text("server.pem"), "content": text(certificate + key), "check": text("tls")})
	for _, setting := range []string{"ssl_cert_file", "ssl_key_file"} {
		provider.create("SystemSetting", values{"name": text(setting), "value": text("server.pem")})
	}
	provider.create("SystemSetting", values{"name": text("ssl"), "value": text("on")})
	encrypted := func(change func(*Config)) (on bool) {
		config := Config{
			Host: "127.0.0.1", Port: server.Port, Username: pgtest.Superuser, Password: pgtest.Password,
			Database: "postgres", TLSMode: tlsVerifyFull, CAFile: &ca, ReadyTimeout: 5,
		}
		change(&config)
		require.NoError(t, dialer(dial).with(t.Context(), config, func(s *session) error {
			on = query[bool](t, s.Conn, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
			return nil
		}))
		return on
	}
	assert.True(t, encrypted(func(*Config) {}))
	assert.True(t, encrypted(func(c *Config) { c.TLSMode, c.CAFile = tlsRequire, nil }))
	assert.True(t, encrypted(func(c *Config) { c.TLSMode, c.CAFile = tlsPrefer, nil }))
	assert.ErrorContains(t, login(func(c *Config) { c.TLSMode, c.CAFile = tlsVerifyFull, &otherCA }), "certificate")
	assert.ErrorContains(t, login(func(c *Config) { c.TLSMode, c.CAFile, c.Host = tlsVerifyFull, &ca, "localhost" }), "certificate")
	assert.ErrorContains(t, login(func(c *Config) { c.TLSMode, c.CAFile = tlsVerifyFull, &empty }), "holds no certificate")
	assert.ErrorContains(t, login(func(c *Config) { c.TLSMode, c.CAFile = tlsVerifyFull, &missing }), "caFile")

	provider.create("ServerFile", values{
		"path": text("pg_hba.conf"), "check": text("hba"), "content": text("hostssl all all all scram-sha-256\n"),
	})
	assert.True(t, encrypted(func(c *Config) { c.TLSMode, c.CAFile = tlsPrefer, nil }))
	require.NoError(t, os.WriteFile(filepath.Join(server.DataDir, "pg_hba.conf"), []byte("local all all reject\n"), 0o600))
	execute(t, server.Connect(t), "SELECT pg_reload_conf()")
	require.Eventually(t, func() bool {
		err := login(func(*Config) {})
		return err != nil && assert.ErrorContains(t, err, "access rules refuse it")
	}, 10*time.Second, 10*time.Millisecond)
}

// A server that is starting is waited for.
func TestWaitsForServer(t *testing.T) {
	server := pgtest.Start(t)
	require.NoError(t, server.Kill())
	provider := connected(t, server)
	created := make(chan error, 1)
	go func() {
		_, err := provider.Create(p.CreateRequest{Urn: urn("Superuser"), Properties: values{
			"username": text(pgtest.Superuser), "verifier": verifier(pgtest.Password),
		}.properties()})
		created <- err
	}()
	require.NoError(t, server.Start(t.Context()))
	require.NoError(t, <-created)
}

// Nothing that is secret gets into the server's log or into pg_stat_statements, however much the
// server is told to log.
func TestSilence(t *testing.T) {
	server := pgtest.Start(t,
		"log_statement=all", "log_duration=on", "log_min_duration_statement=0", "log_min_error_statement=debug5",
		"log_parameter_max_length=-1", "log_parameter_max_length_on_error=-1", "debug_print_parse=on", "debug_print_plan=on",
		"shared_preload_libraries=pg_stat_statements,auto_explain", "pg_stat_statements.track=all", "pg_stat_statements.track_utility=on",
		"auto_explain.log_min_duration=0", "auto_explain.log_nested_statements=on", "auto_explain.log_parameter_max_length=-1")
	conn := server.Connect(t)
	execute(t, conn, "CREATE EXTENSION pg_stat_statements", "SELECT 'is logged'", "CREATE ROLE migrator LOGIN PASSWORD 'x'")

	provider := connected(t, server)
	provider.configure(configFor(server).with("password", text(canary)).with("fallbackPasswords", texts(pgtest.Password)))
	superuser := verifier(canary)
	provider.create("Superuser", values{"username": text(pgtest.Superuser), "verifier": superuser})
	certificate, key := issue(t, 1)
	bundle := provider.create("ServerFile", values{"path": text("server.pem"), "content": text(certificate + key + canary), "check": text("tls")})
	require.True(t, bundle.refresh())
	file := provider.create("ServerFile", values{"path": text("secret"), "content": text(canary)})
	file.update(values{"path": text("secret"), "content": text(canary + "\n" + canary)})
	_, err := provider.tryCreate("ServerFile", values{"path": text("pg_hba.conf"), "content": text(`host all "/(` + canary + `" all trust`), "check": text("hba")})
	require.ErrorContains(t, err, "does not understand these access rules")
	execute(t, conn, "CREATE ROLE app__aside", "CREATE ROLE app LOGIN PASSWORD '"+verifier("app").AsString()+"'")
	provider.create("PutBack", values{"roles": texts("app")})

	logged := server.Log(t)
	counted := query[string](t, conn, "SELECT string_agg(query, E'\\n') FROM pg_stat_statements")
	assert.Contains(t, logged, "is logged")
	assert.Contains(t, counted, "CREATE EXTENSION")
	for name, text := range map[string]string{"log": logged, "pg_stat_statements": counted} {
		assert.NotContains(t, text, canary, name)
		assert.NotContains(t, text, key[30:60], name)
		assert.NotContains(t, text, superuser.AsString(), name)
		assert.NotContains(t, text, base64.StdEncoding.EncodeToString([]byte(canary))[:18], name)
		assert.NotContains(t, text, "COPY (SELECT current_setting", name)
	}
}

// A timeout for everybody does not end the session that has brought it, and has to undo it.
func TestSilentSessionsOutliveTimeouts(t *testing.T) {
	for _, major := range []int{14, 17} {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			if _, err := acquire.EmbeddedPostgres(t.Context(), pgtest.Releases[major], t.Logf); err != nil {
				t.Skipf("NOT RUN: PostgreSQL %d cannot be had: %v", major, err)
			}
			server := pgtest.New(t, pgtest.Releases[major])
			require.NoError(t, server.Start(t.Context()))
			require.NoError(t, dialer(dial).with(t.Context(), configOf(server), func(s *session) error {
				require.NoError(t, s.silence(t.Context()))
				other := server.Connect(t)
				timeouts := []string{"idle_session_timeout", "transaction_timeout"}
				if major < 17 {
					timeouts = timeouts[:1]
				}
				for _, timeout := range timeouts {
					execute(t, s.Conn, "ALTER SYSTEM SET "+timeout+" = 1")
				}
				require.NoError(t, s.reload(t.Context()))
				require.Eventually(t, func() bool { return other.Ping(t.Context()) != nil }, 10*time.Second, 50*time.Millisecond, "others are ended")
				for _, timeout := range timeouts {
					assert.Equal(t, "0", query[string](t, s.Conn, "SHOW "+timeout))
				}
				return nil
			}))
		})
	}
}

// Who is no superuser cannot be silent, and so is given no secret to handle.
func TestOnlySuperuser(t *testing.T) {
	server := pgtest.Start(t)
	execute(t, server.Connect(t), "CREATE ROLE admin LOGIN CREATEROLE CREATEDB PASSWORD 'pw'")
	provider := connected(t, server)
	provider.configure(configFor(server).with("username", text("admin")).with("password", text("pw")))
	for kind, inputs := range map[string]values{
		"Superuser":  {"username": text("admin"), "verifier": verifier("pw")},
		"ServerFile": {"path": text("a"), "content": text("b")},
		"PutBack":    {"roles": texts("a")},
	} {
		_, err := provider.tryCreate(kind, inputs)
		assert.ErrorContains(t, err, `"admin" at 127.0.0.1`, kind)
		assert.ErrorContains(t, err, "is not a superuser", kind)
	}
	provider.create("Database", values{"name": text("app")})
}
