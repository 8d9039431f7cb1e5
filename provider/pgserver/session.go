package pgserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pulumi/pulumi-go-provider/infer"
)

const (
	connectPoll    = 25 * time.Millisecond
	connectAttempt = 5 * time.Second
	closeLimit     = 5 * time.Second
)

// dialer opens a connection as config says, waiting for a server that is starting.
type dialer func(ctx context.Context, config Config) (*pgx.Conn, error)

// session is a connection for the time of one operation.
type session struct {
	*pgx.Conn
	config Config
}

// silently calls do with a session of which the server logs and counts nothing, as far as the login
// may say so.
func (d dialer) silently(ctx context.Context, do func(*session) error) error {
	return d.with(ctx, infer.GetConfig[Config](ctx), func(s *session) error {
		if err := s.silence(ctx); err != nil {
			return err
		}
		return do(s)
	})
}

// asSuperuser is like silently, but insists on a superuser: only that is sure to be silent, and may
// write files and passwords.
func (d dialer) asSuperuser(ctx context.Context, do func(*session) error) error {
	return d.silently(ctx, func(s *session) error {
		if s.PgConn().ParameterStatus("is_superuser") != "on" {
			return fmt.Errorf("role %q at %s is not a superuser, and only a superuser may do this without leaving traces in the log; "+
				"configure the provider with one", s.config.Username, s.config.address())
		}
		return do(s)
	})
}

// with calls do with a new session, and ends it.
func (d dialer) with(ctx context.Context, config Config, do func(*session) error) (err error) {
	conn, err := d(ctx, config)
	if err != nil {
		return err
	}
	s := &session{conn, config}
	defer func() {
		if endErr := s.end(ctx); err == nil {
			err = endErr
		}
	}()
	return do(s)
}

// end ends the session, also where nobody waits for what it did any more.
func (s *session) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		return fmt.Errorf("ending the session with %s: %w", s.config.address(), err)
	}
	return nil
}

// revive makes a session that has ended anew: a change that has to be undone may be what ended it.
func (d dialer) revive(ctx context.Context, s *session) error {
	if s.Ping(ctx) == nil {
		return nil
	}
	conn, err := d(ctx, s.config)
	if err != nil {
		return err
	}
	s.Conn = conn
	return s.silence(ctx)
}

// steadfast is a context for what is not left half done when nobody waits any more: a connection whose
// context ends in the middle of a statement is closed, and nobody knows whether the server has done it.
func steadfast(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), restoreLimit)
}

// silence tells the server to log nothing that this session says, nor to show or count it anywhere, and
// to keep it alive: what a reload brings to all others does not end it before a fault can be undone.
// This statement itself holds no secret.
func (s *session) silence(ctx context.Context) error {
	maySet := "has_parameter_privilege(setting.name, 'SET')"
	if s.major() < 15 { // it came with GRANT ... ON PARAMETER
		maySet = "current_setting('is_superuser')::bool"
	}
	_, err := s.Exec(ctx, `
		SELECT set_config(setting.name, wanted.value, false)
		FROM (VALUES
			('log_statement', 'none'), ('log_min_duration_statement', '-1'), ('log_duration', 'off'),
			('log_min_duration_sample', '-1'), ('log_transaction_sample_rate', '0'),
			('log_min_error_statement', 'panic'),
			('log_parameter_max_length', '0'), ('log_parameter_max_length_on_error', '0'),
			('debug_print_parse', 'off'), ('debug_print_rewritten', 'off'), ('debug_print_plan', 'off'),
			('track_activities', 'off'),
			('auto_explain.log_min_duration', '-1'), ('pg_stat_statements.track', 'none'), ('pgaudit.log', 'none'),
			('lock_timeout', '30s'), ('statement_timeout', '5min'), ('idle_in_transaction_session_timeout', '5min'),
			('idle_session_timeout', '0'), ('transaction_timeout', '0')
		) AS wanted (name, value)
		JOIN pg_catalog.pg_settings AS setting USING (name)
		WHERE setting.context = 'user' OR `+maySet)
	if err != nil {
		return fmt.Errorf("telling %s to log nothing of this session: %w", s.config.address(), explain(err))
	}
	return nil
}

// major is the server's major version, or 0 where it does not say one.
func (s *session) major() int { return majorOf(s.Conn) }

func majorOf(conn *pgx.Conn) int {
	version := conn.PgConn().ParameterStatus("server_version")
	digits := strings.IndexFunc(version, func(c rune) bool { return c < '0' || c > '9' })
	if digits < 0 {
		digits = len(version)
	}
	major, err := strconv.Atoi(version[:digits])
	if err != nil {
		return 0
	}
	return major
}

// dial opens a connection. It polls while no server answers or the server is starting, and tries the
// fallback passwords where the current one is refused.
func dial(ctx context.Context, config Config) (*pgx.Conn, error) {
	roots, err := config.roots()
	if err != nil {
		return nil, err
	}
	waiting, cancel := context.WithTimeout(ctx, config.readyTimeout())
	defer cancel()
	for {
		conn, err := config.login(waiting, roots)
		if err == nil {
			return conn, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("connecting to %s: %w", config.address(), ctx.Err())
		}
		if !config.mayPass(err) {
			return nil, config.refused(err)
		}
		select {
		case <-waiting.Done():
			return nil, config.unreachable(err)
		case <-time.After(connectPoll):
		}
	}
}

// login tries the passwords, the current one first.
func (c Config) login(ctx context.Context, roots *x509.CertPool) (conn *pgx.Conn, err error) {
	for _, password := range slices.Concat([]string{c.Password}, c.FallbackPasswords) {
		conn, err = c.loginWith(ctx, password, roots)
		if !isCode(err, wrongPassword) {
			break
		}
	}
	return conn, err
}

func (c Config) loginWith(ctx context.Context, password string, roots *x509.CertPool) (*pgx.Conn, error) {
	// Everything is said, so that nothing comes from the environment.
	config, err := pgx.ParseConfig("host=localhost user=- password=- dbname=- sslmode=disable target_session_attrs=any")
	if err != nil {
		return nil, err
	}
	config.Host, config.Port, config.Database = c.Host, uint16(c.Port), c.Database //nolint:gosec // checked
	config.User, config.Password = c.Username, password
	config.RuntimeParams = map[string]string{"application_name": Name}
	config.ConnectTimeout = connectAttempt
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	config.Fallbacks = nil
	config.TLSConfig = c.tlsConfig(roots)
	if c.TLSMode == tlsPrefer {
		config.Fallbacks = []*pgconn.FallbackConfig{{Host: c.Host, Port: config.Port}}
	}
	return pgx.ConnectConfig(ctx, config)
}

func (c Config) tlsConfig(roots *x509.CertPool) *tls.Config {
	return &tls.Config{
		ServerName:         c.Host,
		RootCAs:            roots,
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: c.TLSMode != tlsVerifyFull, //nolint:gosec // as the modes are defined
	}
}

// roots reads the certificates to trust; nil stands for the system's own.
func (c Config) roots() (*x509.CertPool, error) {
	if c.CAFile == nil {
		return nil, nil
	}
	text, err := os.ReadFile(*c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("caFile: %w; give a file of certificates in PEM", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("caFile: %q holds no certificate in PEM; give one that does", *c.CAFile)
	}
	return pool, nil
}

// inTransaction calls do in a transaction, which is rolled back if do fails.
func (s *session) inTransaction(ctx context.Context, do func(pgx.Tx) error) error {
	return explain(pgx.BeginFunc(ctx, s.Conn, do))
}
