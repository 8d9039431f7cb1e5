package postgres_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	weak "math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/pgtest"
	"github.com/witchcityrope/database/internal/postgres"
)

// What random rules and connections are made of. Every address of 127.0.0.0/8 is this machine's.
var (
	someRoles     = []string{"app", "reader", "boss", "writers", "all people"}
	memberships   = map[string][]string{"app": {"writers"}, "boss": {"app", "writers"}}
	someDatabases = []string{"shop", "app", "writers", "replication"}
	someAddresses = []string{"127.0.0.1", "127.0.0.2", "127.0.1.7", "127.200.3.4"}
	ruleDatabases = append([]string{"all", "sameuser", "samerole"}, someDatabases...)
	ruleRoles     = append([]string{"all", "+writers", "+app", "+all people"}, someRoles...)
	ruleAddresses = []string{"all", "127.0.0.0/8", "127.0.0.0/24", "127.0.0.2", "127.200.0.0/13", "10.0.0.0/8", "::1", "samehost", "samenet", "localhost", ".invalid"}
	ruleTypes     = []string{"local", "host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc"}
)

// TestServerDecidesAsMatchHBA gives a real server random rules, connects in random ways, and compares
// the line that the server says it used with the one that MatchHBA names.
func TestServerDecidesAsMatchHBA(t *testing.T) {
	sockets, err := os.MkdirTemp("", "hba") // a socket's path must be short
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(sockets)) })
	require.NoError(t, os.Chmod(sockets, 0o777)) //nolint:gosec // the server is another user
	server := pgtest.Start(t, "listen_addresses=127.0.0.1,::1", "unix_socket_directories="+sockets,
		"log_connections=on", "log_line_prefix=%p ", "max_connections=20", "scram_iterations=1", "max_wal_senders=5")
	control := server.Connect(t)
	encrypt(t, control)
	for _, role := range someRoles {
		execute(t, control, "CREATE ROLE "+pgx.Identifier{role}.Sanitize()+" LOGIN REPLICATION PASSWORD 'secret'")
	}
	execute(t, control, "GRANT writers TO app; GRANT app TO boss")
	for _, database := range someDatabases {
		execute(t, control, "CREATE DATABASE "+pgx.Identifier{database}.Sanitize()+" STRATEGY file_copy")
	}
	addresses := someAddresses
	if listener, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		require.NoError(t, listener.Close())
		addresses = append(slices.Clone(addresses), "::1")
	} else {
		t.Run("IPv6", func(t *testing.T) { t.Skip("NOT RUN: connections over IPv6: this machine has none") })
	}
	random := weak.New(weak.NewPCG(3, uint64(time.Now().UnixNano())))
	admitted, refused := 0, 0
	for range 20 {
		rules := randomRules(random)
		useRules(t, server, control, rules)
		for range 15 {
			connection := randomConnection(random, addresses)
			want, found := postgres.MatchHBA(rules, connection)
			got := decision(t, server, sockets, connection)
			switch {
			case !found:
				require.Equal(t, "none", got, "%+v with %v", connection, rules)
				refused++
			case !rules[want].Admits():
				require.Equal(t, "reject", got, "%+v with %v", connection, rules)
				refused++
			default:
				require.Equal(t, strconv.Itoa(want), got, "%+v with %v", connection, rules)
				admitted++
			}
		}
	}
	t.Logf("%d connections admitted by the rule expected, %d refused", admitted, refused)
	require.Greater(t, admitted, 10)
	require.Greater(t, refused, 10)
}

func randomRules(random *weak.Rand) []postgres.HBARule {
	some := func(words []string) []string {
		return []string{words[random.IntN(len(words))], words[random.IntN(len(words))]}
	}
	rules := make([]postgres.HBARule, 2+random.IntN(7))
	for i := range rules {
		rules[i] = postgres.HBARule{Type: ruleTypes[random.IntN(len(ruleTypes))], Databases: some(ruleDatabases), Roles: some(ruleRoles), Method: "password"}
		if rules[i].Type != "local" {
			rules[i].Address = ruleAddresses[random.IntN(len(ruleAddresses))]
		}
		if random.IntN(4) == 0 {
			rules[i].Method = "reject"
		}
	}
	return rules
}

func randomConnection(random *weak.Rand, addresses []string) postgres.HBAConnection {
	role := someRoles[random.IntN(len(someRoles))]
	connection := postgres.HBAConnection{Role: role, MemberOf: memberships[role], Database: someDatabases[random.IntN(len(someDatabases))]}
	if connection.Replication = random.IntN(6) == 0; connection.Replication {
		connection.Database = ""
	}
	if connection.Local = random.IntN(6) == 0; connection.Local {
		return connection
	}
	connection.TLS = random.IntN(2) == 0
	connection.Address = netip.MustParseAddr(addresses[random.IntN(len(addresses))])
	connection.HostName = hostName(connection.Address)
	connection.Server = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")}
	return connection
}

// hostName is what the server finds: a name that leads back to the address.
func hostName(address netip.Addr) string {
	names, err := net.LookupAddr(address.String())
	if err != nil || len(names) == 0 {
		return ""
	}
	name := strings.TrimSuffix(names[0], ".")
	if back, err := net.LookupHost(name); err != nil || !slices.Contains(back, address.String()) {
		return ""
	}
	return name
}

// useRules makes the server use the rules, after one line for this test's own control.
func useRules(t *testing.T, server *pgtest.Server, control *pgx.Conn, rules []postgres.HBARule) {
	t.Helper()
	text, err := postgres.RenderHBA(append([]postgres.HBARule{
		{Type: "host", Databases: []string{"postgres"}, Roles: []string{pgtest.Superuser}, Address: "127.0.0.1", Method: "trust"},
	}, rules...))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(server.DataDir, "pg_hba.conf"), []byte(text), 0o600))
	require.Zero(t, one[int](t, control, "SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL AND type IS NULL"), text)
	require.Equal(t, len(rules)+1, one[int](t, control, "SELECT count(*) FROM pg_hba_file_rules"))
	before := one[time.Time](t, control, "SELECT pg_conf_load_time()")
	execute(t, control, "SELECT pg_reload_conf()")
	require.Eventually(t, func() bool { return one[time.Time](t, control, "SELECT pg_conf_load_time()").After(before) }, 10*time.Second, time.Millisecond)
}

var usedLine = regexp.MustCompile(`connection authenticated: .*pg_hba\.conf:(\d+)\)`)

// decision connects, and returns the index of the rule that let the connection in; reject or none.
func decision(t *testing.T, server *pgtest.Server, sockets string, c postgres.HBAConnection) string {
	t.Helper()
	settings, err := pgconn.ParseConfig(fmt.Sprintf("host=127.0.0.1 port=%d sslmode=disable", server.Port))
	require.NoError(t, err)
	settings.User, settings.Password, settings.Database, settings.ConnectTimeout = c.Role, "secret", c.Database, 10*time.Second
	if c.Replication {
		settings.RuntimeParams["replication"] = "true"
		settings.Database = ""
	}
	switch {
	case c.Local:
		settings.Host = sockets
	case c.Address.Is6():
		settings.Host = "::1"
	default:
		settings.DialFunc = (&net.Dialer{LocalAddr: &net.TCPAddr{IP: c.Address.AsSlice()}}).DialContext
	}
	if c.TLS {
		settings.TLSConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // nothing is transported
	}
	connection, err := pgconn.ConnectConfig(context.Background(), settings)
	if err != nil {
		var refusal *pgconn.PgError
		require.True(t, errors.As(err, &refusal), "%v", err)
		require.Equal(t, "28000", refusal.Code, refusal.Message)
		if strings.Contains(refusal.Message, "pg_hba.conf rejects") {
			return "reject"
		}
		require.Contains(t, refusal.Message, "no pg_hba.conf entry")
		return "none"
	}
	pid := connection.PID()
	require.NoError(t, connection.Close(context.Background()))
	for line := range strings.Lines(server.Log(t)) {
		if prefix := fmt.Sprintf("%d ", pid); strings.HasPrefix(line, prefix) {
			if used := usedLine.FindStringSubmatch(line); used != nil {
				number, err := strconv.Atoi(used[1])
				require.NoError(t, err)
				return strconv.Itoa(number - 3) // the heading and the line of control come first
			}
		}
	}
	t.Fatalf("the server's log does not say by which line session %d came in", pid)
	return ""
}

// encrypt switches TLS on with a certificate that nobody verifies.
func encrypt(t *testing.T, control *pgx.Conn) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	bundle := slices.Concat(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	execute(t, control, fmt.Sprintf("COPY (SELECT unnest(string_to_array('%s', E'\\n'))) TO PROGRAM 'umask 077; cat > server.pem'", bundle))
	for _, setting := range []string{"ssl_cert_file = 'server.pem'", "ssl_key_file = 'server.pem'", "ssl = on"} {
		execute(t, control, "ALTER SYSTEM SET "+setting)
	}
}

func execute(t *testing.T, session *pgx.Conn, statement string) {
	t.Helper()
	_, err := session.Exec(t.Context(), statement)
	require.NoError(t, err)
}

func one[T any](t *testing.T, session *pgx.Conn, query string) (value T) {
	t.Helper()
	require.NoError(t, session.QueryRow(t.Context(), query).Scan(&value))
	return value
}
