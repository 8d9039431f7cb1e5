package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/health"
	"github.com/witchcityrope/database/internal/receipt"
)

// injected is something that goes wrong in a healthy stack.
type injected struct {
	name string
	// check that must find it, and how bad that is.
	check  string
	status health.Status
	says   string
	// inject makes it wrong, and returns what puts it right.
	inject func(t *testing.T, p *project) (undo func())
}

var faults = []injected{
	{"another password of the application", "application", health.Critical, "password authentication failed", func(t *testing.T, p *project) func() {
		return p.otherPassword(t, p.names().App())
	}},
	{"an application that can only read", "writable", health.Critical, "read-only", func(t *testing.T, p *project) func() {
		p.sudo(t, "ALTER ROLE "+p.names().App()+" SET default_transaction_read_only = on")
		return func() { p.sudo(t, "ALTER ROLE "+p.names().App()+" RESET default_transaction_read_only") }
	}},
	{"a table that is missing", "tables", health.Critical, "missing: Events", func(t *testing.T, p *project) func() {
		p.sudo(t, `ALTER TABLE public."Events" RENAME TO "Gone"`)
		return func() { p.sudo(t, `ALTER TABLE public."Gone" RENAME TO "Events"`) }
	}},
	{"a table that the application cannot read", "tables", health.Critical, "cannot read Users", func(t *testing.T, p *project) func() {
		group := p.names().ReadWrite
		p.sudo(t, `REVOKE SELECT ON public."Users" FROM `+group)
		return func() { p.sudo(t, `GRANT SELECT ON public."Users" TO `+group) }
	}},
	{"a migration that is pending", "migrations", health.Critical, "20251028041828_MoveCmsToPublicSchema is pending", func(t *testing.T, p *project) func() {
		p.sudo(t, `UPDATE "__EFMigrationsHistory" SET "MigrationId" = 'x' || "MigrationId" WHERE "MigrationId" LIKE '%MoveCms%'`)
		return func() {
			p.sudo(t, `UPDATE "__EFMigrationsHistory" SET "MigrationId" = substr("MigrationId", 2) WHERE "MigrationId" LIKE '%MoveCms%'`)
		}
	}},
	{"the application's pool nearly full", "connections", health.Warning, "the application 8 of its 10", func(t *testing.T, p *project) func() {
		way := p.connections()["app"]
		var open []*pgx.Conn
		for range 8 {
			open = append(open, p.session(t, way))
		}
		return func() {
			for _, session := range open {
				require.NoError(t, session.Close(t.Context()))
			}
		}
	}},
	{"a table larger than its cache", "cache", health.Warning, "were in memory", func(t *testing.T, p *project) func() {
		p.sudo(t, "CREATE TABLE large AS SELECT repeat('x', 900) AS text FROM generate_series(1, 60000)", "CHECKPOINT", "SELECT pg_stat_reset()",
			"SELECT count(*) FROM large")
		return func() { p.sudo(t, "DROP TABLE large", "SELECT pg_stat_reset()") }
	}},
	{"a transaction left open", "transactions", health.Critical, "idle in transaction", func(t *testing.T, p *project) func() {
		open := p.session(t, p.connections()["app"])
		_, err := open.Exec(t.Context(), "BEGIN")
		require.NoError(t, err)
		p.sudo(t, "SELECT pg_sleep(3)")
		return func() { require.NoError(t, open.Close(t.Context())) }
	}},
	{"a session that is kept waiting", "locks", health.Critical, "1 wait", func(t *testing.T, p *project) func() {
		holder, waiter := p.superuser(t, p.config().Database.Name), p.session(t, p.connections()["app"])
		_, err := holder.Exec(t.Context(), `BEGIN; LOCK TABLE public."Events"`)
		require.NoError(t, err)
		ended := make(chan error, 1)
		go func() {
			_, err := waiter.Exec(context.Background(), `SELECT FROM public."Events"`)
			ended <- err
		}()
		p.sudo(t, "SELECT pg_sleep(2.5)")
		return func() {
			require.NoError(t, holder.Close(t.Context()))
			require.NoError(t, <-ended)
			require.NoError(t, waiter.Close(t.Context()))
		}
	}},
	{"transaction ids that are not frozen", "wraparound", health.Critical, "transactions old", func(t *testing.T, p *project) func() {
		age := ask[int](t, p.superuser(t, "postgres"), "SELECT max(age(datfrozenxid)) FROM pg_database")
		p.configure(values{"health": values{"wraparound": values{"warning": age + 2500, "critical": age + 3000}}})
		p.green(t)
		p.sudo(t, `DO $$ BEGIN FOR n IN 1..4000 LOOP BEGIN PERFORM pg_current_xact_id(); CREATE TEMP TABLE IF NOT EXISTS used (n int); INSERT INTO used VALUES (n);
			EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$`)
		return func() { p.configure(values{"health": values{"wraparound": nil}}) }
	}},
	{"deleted rows that nobody vacuums", "dead rows", health.Critical, "75 % of public.deleted are dead", func(t *testing.T, p *project) func() {
		p.sudo(t, "CREATE TABLE public.deleted WITH (autovacuum_enabled = off) AS SELECT n FROM generate_series(1, 40000) AS n", "DELETE FROM public.deleted WHERE n > 10000")
		session := p.superuser(t, p.config().Database.Name)
		await(t, 20*time.Second, "counted", func() error {
			if dead := ask[int](t, session, "SELECT coalesce(max(n_dead_tup), 0)::int FROM pg_stat_user_tables WHERE relname = 'deleted'"); dead != 30000 {
				return fmt.Errorf("%d", dead)
			}
			return nil
		})
		return func() { p.sudo(t, "DROP TABLE public.deleted") }
	}},
	{"a replication slot that nobody reads", "replication", health.Critical, "and nobody reads it", func(t *testing.T, p *project) func() {
		p.sudo(t, "SELECT pg_create_physical_replication_slot('gone', true)", "CREATE TABLE written (n int)", "SELECT pg_switch_wal()",
			"INSERT INTO written VALUES (1)", "SELECT pg_switch_wal()", "DROP TABLE written")
		return func() { p.sudo(t, "SELECT pg_drop_replication_slot('gone')") }
	}},
	{"an index whose building failed", "integrity", health.Warning, "failed_index", func(t *testing.T, p *project) func() {
		p.sudo(t, "CREATE TABLE public.twice AS SELECT 1 AS n FROM generate_series(1, 2)")
		_, err := p.superuser(t, p.config().Database.Name).Exec(t.Context(), "CREATE UNIQUE INDEX CONCURRENTLY failed_index ON public.twice (n)")
		require.Equal(t, "23505", code(err))
		return func() { p.sudo(t, "DROP TABLE public.twice") }
	}},
	// the command line has the last word on max_connections, and no restart changes it
	{"a setting that waits for a restart", "settings", health.Warning, "before a restart: max_wal_senders", func(t *testing.T, p *project) func() {
		p.sudo(t, "ALTER SYSTEM SET max_wal_senders = 11", "ALTER SYSTEM SET max_connections = 101", "SELECT pg_reload_conf()")
		session := p.superuser(t, "postgres")
		await(t, 10*time.Second, "reload", func() error {
			if !ask[bool](t, session, "SELECT pending_restart FROM pg_settings WHERE name = 'max_wal_senders'") {
				return errors.New("it is not pending")
			}
			return nil
		})
		return func() {
			p.sudo(t, "ALTER SYSTEM RESET max_wal_senders", "ALTER SYSTEM RESET max_connections", "SELECT pg_reload_conf()")
		}
	}},
	{"access rules that the server cannot read", "settings", health.Warning, "pg_hba.conf line", func(t *testing.T, p *project) func() {
		_, status := p.exec("postgres", "sh", "-c", `cp "$PGDATA/pg_hba.conf" "$PGDATA/kept" && echo nonsense >>"$PGDATA/pg_hba.conf"`)
		require.Zero(t, status)
		return func() {
			_, status := p.exec("postgres", "sh", "-c", `mv "$PGDATA/kept" "$PGDATA/pg_hba.conf"`)
			require.Zero(t, status)
		}
	}},
	{"a certificate that has expired", "certificate", health.Critical, "expired", func(t *testing.T, p *project) func() {
		_, status := p.exec("postgres", "sh", "-c", `cp -p "$PGDATA/server.pem" "$PGDATA/kept" && printf %s "$1" >"$PGDATA/server.pem"`, "sh", expiredPair(t))
		require.Zero(t, status)
		p.sudo(t, "SELECT pg_reload_conf()")
		p.presents(t, true)
		return func() {
			_, status := p.exec("postgres", "sh", "-c", `mv "$PGDATA/kept" "$PGDATA/server.pem"`)
			require.Zero(t, status)
			p.sudo(t, "SELECT pg_reload_conf()")
			p.presents(t, false)
		}
	}},
	{"another password of the health check", "container", health.Critical, "Docker's health check fails", func(t *testing.T, p *project) func() {
		undo := p.otherPassword(t, p.names().Health)
		await(t, 20*time.Second, "unhealthy", func() error {
			if status := p.container().State.Health.Status; status != container.Unhealthy {
				return fmt.Errorf("it is %s", status)
			}
			return nil
		})
		return func() {
			undo()
			p.healthy()
		}
	}},
	{"a container taken off the API's network", "application", health.Critical, "cannot log in at db", func(t *testing.T, p *project) func() {
		name, network := p.config().Server.Name, p.config().Network.Name
		endpoint := p.container().NetworkSettings.Networks[network]
		require.NoError(t, p.docker.NetworkDisconnect(t.Context(), network, name, true))
		return func() { require.NoError(t, p.docker.NetworkConnect(t.Context(), network, name, endpoint)) }
	}},
	{"backups that are not made any more", "backup", health.Critical, "the newest is", func(t *testing.T, p *project) func() {
		p.configure(values{"backup": values{"maxAge": "1s"}})
		return func() { p.configure(values{"backup": values{"maxAge": nil}}) }
	}},
	{"a drill that was long ago", "drill", health.Warning, "the last good one was", func(t *testing.T, p *project) func() {
		files, err := filepath.Glob(p.local("receipts") + "/*.json")
		require.NoError(t, err)
		require.Len(t, files, 1)
		kept, err := os.ReadFile(files[0])
		require.NoError(t, err)
		var made receipt.Receipt
		require.NoError(t, json.Unmarshal(kept, &made))
		made.At = made.At.AddDate(0, 0, -40)
		content, err := json.Marshal(made)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(files[0], content, 0o600))
		return func() { require.NoError(t, os.WriteFile(files[0], kept, 0o600)) }
	}},
	{"a container that is paused", "container", health.Critical, "paused", func(t *testing.T, p *project) func() {
		name := p.config().Server.Name
		require.NoError(t, p.docker.ContainerPause(t.Context(), name))
		return func() {
			require.NoError(t, p.docker.ContainerUnpause(t.Context(), name))
			p.healthy()
		}
	}},
}

// otherPassword changes a login's, and returns what gives it back.
func (p *project) otherPassword(t *testing.T, login string) (undo func()) {
	t.Helper()
	verifier := p.derivation().Verifier(login, p.names().Generation(login))
	p.sudo(t, "ALTER ROLE "+login+" PASSWORD 'something-else'")
	return func() { p.sudo(t, "ALTER ROLE "+login+" PASSWORD '"+strings.ReplaceAll(verifier, "'", "''")+"'") }
}

// presents awaits that new sessions see a certificate that has expired, or one that has not.
func (p *project) presents(t *testing.T, expired bool) {
	t.Helper()
	await(t, 10*time.Second, "another certificate", func() error {
		session := p.superuser(t, "postgres")
		end := session.PgConn().Conn().(*tls.Conn).ConnectionState().PeerCertificates[0].NotAfter
		if end.Before(time.Now()) != expired {
			return fmt.Errorf("it ends %s", end)
		}
		return nil
	})
}

// expiredPair is a certificate that has ended an hour ago, with its key.
func expiredPair(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour), DNSNames: []string{"db"}}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})) +
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}
