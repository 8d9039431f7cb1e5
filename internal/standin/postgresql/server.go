package postgresql

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/witchcityrope/database/internal/standin/plugin"
)

const (
	// idle is how long an unused session stays open: long enough for the next resource, short enough not to
	// stand in the way of somebody who copies the database as a template.
	idle = 2 * time.Second
	// sessions is how many sessions one database may have at the same time.
	sessions = 4
)

// settings is the configuration of the provider.
type settings struct {
	host, username, password, database, sslmode, rootcert string
	port, timeout                                         int
	superuser                                             bool
}

// server reaches a PostgreSQL server when first needed, so that previews need none.
type server struct {
	mutex    sync.Mutex
	settings settings
	pools    map[string]*pgxpool.Pool
	// writing lets one transaction change roles and privileges at a time: PostgreSQL answers concurrent changes of one
	// catalogue row with an error.
	writing sync.Mutex
}

func (s *server) configure(_ context.Context, config plugin.Values) error {
	port, err1 := config.Int("port", 5432)
	timeout, err2 := config.Int("connectTimeout", 180)
	superuser, err3 := config.Bool("superuser", true)
	wanted := settings{
		host: config.String("host", "localhost"), port: port, timeout: timeout, superuser: superuser,
		username: config.String("username", "postgres"), password: config.String("password", ""),
		database: config.String("database", "postgres"), rootcert: config.String("sslrootcert", ""),
		sslmode: config.String("sslmode", config.String("sslMode", "require")),
	}
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if wanted == s.settings {
		return nil
	}
	for _, pool := range s.pools {
		go pool.Close() // waits for the sessions in use
	}
	s.settings, s.pools = wanted, map[string]*pgxpool.Pool{}
	return nil
}

// database returns the name given, or that of the database which the provider is configured for.
func (s *server) database(name string) string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if name == "" {
		return s.settings.database
	}
	return name
}

// superuser tells whether the provider is configured to have the rights of a superuser.
func (s *server) superuser() bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.settings.superuser
}

// read runs a function in a transaction that changes nothing.
func (s *server) read(ctx context.Context, database string, do func(pgx.Tx) error) error {
	return s.transact(ctx, database, pgx.TxOptions{AccessMode: pgx.ReadOnly}, do)
}

// write runs a function in a transaction of its own.
func (s *server) write(ctx context.Context, database string, do func(pgx.Tx) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.transact(ctx, database, pgx.TxOptions{}, do)
}

func (s *server) transact(ctx context.Context, database string, options pgx.TxOptions, do func(pgx.Tx) error) error {
	pool, err := s.pool(ctx, s.database(database))
	if err != nil {
		return err
	}
	return pgx.BeginTxFunc(ctx, pool, options, do)
}

func (s *server) pool(ctx context.Context, database string) (*pgxpool.Pool, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.pools == nil {
		return nil, errors.New("the postgresql provider is used before it is configured")
	}
	if pool, ok := s.pools[database]; ok {
		return pool, nil
	}
	config, err := s.settings.pool(database)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), config)
	if err != nil {
		return nil, fmt.Errorf("preparing sessions of database %s: %w", database, err)
	}
	s.pools[database] = pool
	return pool, nil
}

func (c settings) pool(database string) (*pgxpool.Config, error) {
	words := []string{
		word("host", c.host), word("port", fmt.Sprint(c.port)), word("dbname", database), word("user", c.username),
		word("sslmode", c.sslmode), word("connect_timeout", fmt.Sprint(c.timeout)),
		word("application_name", "pulumi-postgresql"),
	}
	if c.rootcert != "" {
		words = append(words, word("sslrootcert", c.rootcert))
	}
	config, err := pgxpool.ParseConfig(strings.Join(words, " "))
	if err != nil {
		return nil, fmt.Errorf("configuring the connection to %s:%d: %w", c.host, c.port, err)
	}
	if c.password != "" {
		config.ConnConfig.Password = c.password
	}
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec // names change under a statement that was prepared
	config.MaxConns, config.MaxConnIdleTime, config.HealthCheckPeriod = sessions, idle, idle
	config.AfterConnect = silence
	config.BeforeAcquire = func(ctx context.Context, session *pgx.Conn) bool { return session.Ping(ctx) == nil }
	return config, nil
}

// word writes one word of a libpq connection string.
func word(name, value string) string {
	return name + "='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}

// silence keeps statements, which hold password verifiers, out of the server's log and statistics, as far as the user may.
func silence(ctx context.Context, session *pgx.Conn) error {
	_, err := session.Exec(ctx, `
		SELECT set_config(known.name, wanted.value, false)
		FROM (VALUES ('log_statement', 'none'), ('log_min_duration_statement', '-1'), ('log_duration', 'off'),
			('log_min_error_statement', 'panic'), ('auto_explain.log_min_duration', '-1'),
			('pg_stat_statements.track', 'none')) AS wanted (name, value)
		JOIN pg_catalog.pg_settings AS known USING (name)
		WHERE (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)`)
	if err != nil {
		return fmt.Errorf("keeping a session out of the server's log: %w", err)
	}
	return nil
}
