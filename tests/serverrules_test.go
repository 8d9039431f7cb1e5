package tests

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/acquire"
	"github.com/witchcityrope/database/internal/catalogue"
	"github.com/witchcityrope/database/internal/pgtest"
	"github.com/witchcityrope/database/internal/postgres"
)

// TestWhatRulesRefuseTheServerRefuses: settings that each are right and together
// are not. The rule's fault and the server's own message are side by side.
func TestWhatRulesRefuseTheServerRefuses(t *testing.T) {
	server := pgtest.New(t, acquire.EmbeddedPostgresVersion)
	for _, refused := range []refusal{
		{settings{"wal_level": "minimal"}, "settings.wal_level", "WAL streaming", "max_wal_senders", "0"},
		{settings{"wal_level": "minimal", "max_wal_senders": "0", "archive_mode": "on", "archive_command": "true"}, "settings.wal_level", "WAL archival cannot be enabled", "archive_mode", "off"},
		{settings{"min_wal_size": "16MB"}, "settings.min_wal_size", `"min_wal_size" must be at least twice`, "min_wal_size", "32MB"},
		{settings{"max_wal_size": "16MB", "min_wal_size": "32MB"}, "settings.max_wal_size", `"max_wal_size" must be at least twice`, "max_wal_size", "32MB"},
		{settings{"logging_collector": "on", "log_directory": "/proc/postgresql"}, "settings.log_directory", "could not open log file", "log_directory", "log"},
		{settings{"recovery_target_xid": "1000", "recovery_target_name": "before"}, "settings.recovery_target_xid", "multiple recovery targets", "recovery_target_xid", ""},
		{settings{"max_connections": "20", "superuser_reserved_connections": "15", "reserved_connections": "5"}, "clients", "must be less than", "reserved_connections", "4"},
		{settings{"max_worker_processes": "262143"}, "settings", `"max_worker_processes": 262143`, "max_worker_processes", "8"},
		{settings{"shared_preload_libraries": "pg_stat_statement"}, "settings.shared_preload_libraries", "could not access file", "shared_preload_libraries", "pg_stat_statements"},
	} {
		refused.prove(t, server, catalogue.DefaultMajor)
	}
}

type settings map[string]string

// refusal is of settings that no server starts with.
type refusal struct {
	settings        settings
	fault           string // its path
	says            string // the server, which does not start
	name, corrected string // the setting that makes it start
}

// prove shows that we refuse the settings, and the server too, unless one is corrected.
func (refused refusal) prove(t *testing.T, server *pgtest.Server, major int, beside ...string) {
	t.Helper()
	flags := func() []string {
		given := slices.Clone(beside)
		for name, value := range refused.settings {
			if value != "" { // several targets are refused even where all but one are empty
				given = append(given, name+"="+value)
			}
		}
		return given
	}
	assert.Equal(t, refused.fault, faultOf(t, refused.settings, major))
	require.ErrorContains(t, server.Start(t.Context(), flags()...), refused.says)
	refused.settings[refused.name] = refused.corrected
	require.NoError(t, server.Start(t.Context(), flags()...))
	require.NoError(t, server.Kill())
	require.NoError(t, os.Remove(server.LogFile))
}

// faultOf is the path of the first fault that settings have for a server of a major version.
func faultOf(t *testing.T, given settings, major int) string {
	t.Helper()
	text, err := json.Marshal(given)
	require.NoError(t, err)
	_, err = config.Decode(configtest.Project, "dev", map[string]string{
		"database": `{"name": "shop"}`, "settings": string(text),
		"server": fmt.Sprintf(`{"image": "postgres:%d@sha256:57c72fd2a128e416c7fcc499958864df5301e940bca0a56f58fddf30ffc07777"}`, major),
	})
	var faults config.Faults
	require.True(t, errors.As(err, &faults), "%s: %v", text, err)
	return faults[0].Path
}

// TestWhatIsSummarizedNeedsMoreWAL, since 17.
func TestWhatIsSummarizedNeedsMoreWAL(t *testing.T) {
	refusal{settings{"wal_level": "minimal", "max_wal_senders": "0", "summarize_wal": "on"}, "settings.wal_level", "WAL cannot be summarized", "summarize_wal", "off"}.
		prove(t, pgtest.New(t, pgtest.Releases[17]), 17)
}

// TestHugePages that the host has not set aside.
func TestHugePages(t *testing.T) {
	if pages, err := os.ReadFile("/proc/sys/vm/nr_hugepages"); err != nil || strings.TrimSpace(string(pages)) != "0" {
		t.Skipf("NOT RUN: this host has %s huge pages (%v)", pages, err)
	}
	refusal{settings{"huge_pages": "on"}, "settings.huge_pages", "could not map anonymous shared memory", "huge_pages", "try"}.
		prove(t, pgtest.New(t, acquire.EmbeddedPostgresVersion), catalogue.DefaultMajor)
}

// TestProtocolVersionsHaveAnOrder, as soon as TLS is on.
func TestProtocolVersionsHaveAnOrder(t *testing.T) {
	server := pgtest.Start(t)
	session := server.Connect(t)
	var object uint32
	require.NoError(t, session.QueryRow(t.Context(), "SELECT lo_from_bytea(0, $1)", certificate(t)).Scan(&object))
	_, err := session.Exec(t.Context(), "SELECT lo_export($1, 'server.pem')", object)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(filepath.Join(server.DataDir, "server.pem"), 0o600))
	require.NoError(t, server.Kill())
	require.NoError(t, os.Remove(server.LogFile))
	refusal{settings{"ssl_min_protocol_version": "TLSv1.3", "ssl_max_protocol_version": "TLSv1.2"}, "settings.ssl_min_protocol_version",
		"could not set SSL protocol version range", "ssl_min_protocol_version", "TLSv1.2"}.
		prove(t, server, catalogue.DefaultMajor, "ssl=on", "ssl_cert_file=server.pem", "ssl_key_file=server.pem")
}

// certificate is one that signed itself, with its key.
func certificate(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
}

// TestTwoWaysToArchive: the server starts, and its archiver gives up again and again.
func TestTwoWaysToArchive(t *testing.T) {
	both := settings{"archive_mode": "on", "archive_command": "true", "archive_library": "basic_archive"}
	assert.Equal(t, "settings.archive_library", faultOf(t, both, catalogue.DefaultMajor))
	server := pgtest.New(t, acquire.EmbeddedPostgresVersion)
	require.NoError(t, server.Start(t.Context(), "archive_mode=on", "archive_command=true", "archive_library=basic_archive"))
	require.Eventually(t, func() bool { return strings.Contains(server.Log(t), "both archive_command and archive_library set") }, 30*time.Second, 10*time.Millisecond)
}

// TestReloadTakesWhatAStartRefuses is why the sizes of WAL are a rule: nobody
// would notice before the next start.
func TestReloadTakesWhatAStartRefuses(t *testing.T) {
	server := pgtest.Start(t)
	session := server.Connect(t)
	for _, statement := range []string{"ALTER SYSTEM SET min_wal_size = '16MB'", "SELECT pg_reload_conf()"} {
		_, err := session.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	require.NoError(t, server.Kill())
	require.ErrorContains(t, server.Start(t.Context()), "must be at least twice")
}

// TestSettingsOfSessions: what the configuration takes for a login, ALTER ROLE
// takes; what it refuses for its context, the server refuses too.
func TestSettingsOfSessions(t *testing.T) {
	session := pgtest.Start(t).Connect(t)
	for _, setting := range configtest.Stack(t, "dev", nil).Catalogue().Settings() {
		if setting.Library != "" {
			continue
		}
		text, err := json.Marshal(map[string]any{"settings": map[string]any{"app": map[string]string{strings.ToLower(setting.Name): setting.Default}}})
		require.NoError(t, err)
		_, refused := config.Decode(configtest.Project, "dev", map[string]string{"database": `{"name": "shop"}`, "access": string(text)})
		_, err = session.Exec(t.Context(), "ALTER ROLE postgres SET "+setting.Name+" = "+postgres.QuoteSetting(setting.Name, setting.Default))
		if refused == nil {
			assert.NoError(t, err, setting.Name)
		} else if strings.Contains(refused.Error(), "setting of the whole server") {
			assert.Error(t, err, setting.Name)
		}
	}
}
