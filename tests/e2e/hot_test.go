package e2e

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/operation"
)

// TestEndToEndHot: access rules, the server's certificate and its CA change
// while the server runs, and nobody who is connected notices.
func TestEndToEndHot(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		for _, stack := range []string{"dev", "prod"} {
			t.Run(stack, func(t *testing.T) { provesHot(t, stack, plugins) })
		}
	})
}

// bystander is what must not change under a change.
type bystander struct {
	p         *project
	container string
	started   time.Time
	session   *pgx.Conn
	pid       int
}

func (p *project) bystander(t *testing.T) *bystander {
	w := &bystander{p: p, container: p.container().ID, session: p.session(t, p.connections()["app"])}
	require.NoError(t, w.session.QueryRow(t.Context(), "SELECT pg_postmaster_start_time(), pg_backend_pid()").Scan(&w.started, &w.pid))
	_, err := w.session.Exec(t.Context(), "BEGIN; SET LOCAL application_name = 'bystander'")
	require.NoError(t, err)
	return w
}

// undisturbed demands that the server was not restarted, and that a session
// is still in its transaction.
func (w *bystander) undisturbed(t *testing.T) {
	t.Helper()
	assert.Equal(t, w.container, w.p.container().ID, "the container stays")
	var started time.Time
	var pid int
	var name string
	require.NoError(t, w.session.QueryRow(t.Context(), "SELECT pg_postmaster_start_time(), pg_backend_pid(), current_setting('application_name')").Scan(&started, &pid, &name))
	assert.Equal(t, w.started, started, "the server was not restarted")
	assert.Equal(t, w.pid, pid)
	assert.Equal(t, "bystander", name, "the transaction goes on")
}

// presented is the certificate that a new session is shown, verified with the
// CAs of a file.
func (p *project) presented(t *testing.T, cas string) (*x509.Certificate, error) {
	t.Helper()
	var shown *x509.Certificate
	settings, err := pgx.ParseConfig(p.connections()["app"].URI + "&sslrootcert=" + cas)
	require.NoError(t, err)
	settings.TLSConfig.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error {
		shown, err = x509.ParseCertificate(raw[0])
		return err
	}
	session, err := pgx.ConnectConfig(t.Context(), settings)
	if err != nil {
		return nil, err
	}
	return shown, session.Close(t.Context())
}

// keepCAs copies the CAs as clients have them now.
func (p *project) keepCAs(t *testing.T) (path string) {
	t.Helper()
	content, err := os.ReadFile(p.local("ca.crt"))
	require.NoError(t, err)
	path = filepath.Join(t.TempDir(), "ca.crt")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

// ending makes the certificates of a type and name end soon, as far as the state knows.
func (p *project) ending(t *testing.T, resourceType, nameSuffix string) {
	t.Helper()
	path := filepath.Join(p.dir, ".wcrdb", "state", ".pulumi", "stacks", projectName, p.stack+".json")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	var state map[string]any
	require.NoError(t, json.Unmarshal(content, &state))
	edited := 0
	for _, entry := range state["checkpoint"].(map[string]any)["latest"].(map[string]any)["resources"].([]any) {
		resource := entry.(map[string]any)
		if resource["type"] != resourceType || !strings.HasSuffix(resource["urn"].(string), "::"+nameSuffix) {
			continue
		}
		resource["outputs"].(map[string]any)["validityEndTime"] = time.Now().Add(240 * time.Hour).Format(time.RFC3339)
		edited++
	}
	require.Equal(t, 1, edited)
	content, err = json.Marshal(state)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, content, 0o600))
}

// refused demands that a stack file with some changes is refused, and puts it
// back as it was.
func (p *project) refused(t *testing.T, says []string, changes values) {
	t.Helper()
	path := filepath.Join(p.dir, "Pulumi."+p.stack+".yaml")
	content := read(t, path)
	defer func() { require.NoError(t, os.WriteFile(path, []byte(content), 0o600)) }()
	p.configure(changes)
	p.fails(1, says, "preview")
	p.fails(1, says, "up")
}

func provesHot(t *testing.T, stack string, plugins operation.PluginChoice) {
	p := newProject(t, stack, plugins).initialize()
	p.up()
	w := p.bystander(t)
	p.step("access rules", func(t *testing.T) { provesRules(t, p, w) })
	p.step("rules that are refused", func(t *testing.T) { provesRefusedRules(t, p, w) })
	p.step("renewal of the certificate", func(t *testing.T) {
		cas := p.keepCAs(t)
		before, err := p.presented(t, cas)
		require.NoError(t, err)
		p.ending(t, "tls:index/locallySignedCert:LocallySignedCert", "database-certificate")
		p.fails(7, []string{"database-certificate"}, "preview", "--expect-no-changes")
		report := p.report("up") // nothing was edited: what is done follows from the time alone
		assert.NotEmpty(t, report.Consequence.Effects)
		assert.Len(t, report.Consequence.Effects, len(report.Changes))
		assert.False(t, report.Consequence.Class.Interrupts(), report.Consequence.Summary())
		after, err := p.presented(t, cas)
		require.NoError(t, err, "who has the CAs from before")
		assert.NotEqual(t, before.SerialNumber, after.SerialNumber, "new sessions see the new certificate")
		assert.Equal(t, before.PublicKey, after.PublicKey)
		w.undisturbed(t)
		p.unchanged()
	})
	p.step("renewal of the CA", func(t *testing.T) {
		cas := p.keepCAs(t)
		before, err := p.presented(t, cas)
		require.NoError(t, err)
		p.ending(t, "tls:index/selfSignedCert:SelfSignedCert", "database-certificate-ca")
		p.must("up")
		after, err := p.presented(t, cas)
		require.NoError(t, err, "the CA has kept its key")
		assert.NotEqual(t, before.SerialNumber, after.SerialNumber)
		assert.NotEqual(t, read(t, cas), read(t, p.local("ca.crt")), "the CA's certificate is a new one")
		w.undisturbed(t)
		p.unchanged()
	})
	p.step("next CA", func(t *testing.T) { provesNextCA(t, p, w) })
	p.step("health", func(t *testing.T) { p.healthy() })
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}

// provesNextCA: whoever has the CAs of one generation verifies the server in
// the next as well, and no longer.
func provesNextCA(t *testing.T, p *project, w *bystander) {
	first := p.keepCAs(t)
	p.refused(t, []string{"tls.caGeneration: 3", "set it to 2"}, values{"tls": values{"caGeneration": 3}})
	generation := func(number int) (cas string) {
		p.configure(values{"tls": values{"caGeneration": number}})
		p.must("up")
		w.undisturbed(t)
		shown, err := p.presented(t, p.local("ca.crt"))
		require.NoError(t, err)
		assert.True(t, strings.HasSuffix(shown.Issuer.CommonName, fmt.Sprintf(" CA %d", number)), shown.Issuer.CommonName)
		return p.keepCAs(t)
	}
	second := generation(2)
	_, err := p.presented(t, first)
	require.NoError(t, err, "a client of the first generation")
	p.unchanged()
	third := generation(3)
	_, err = p.presented(t, second)
	require.NoError(t, err, "a client of the second generation")
	_, err = p.presented(t, first)
	require.ErrorContains(t, err, "certificate signed by unknown authority")
	_, err = p.presented(t, third)
	require.NoError(t, err)
	p.refused(t, []string{"tls.caGeneration: 2"}, values{"tls": values{"caGeneration": 2}})
	p.unchanged()
}

// provesRules: a client is kept to one place, and a rule goes before those
// that everybody has.
func provesRules(t *testing.T, p *project, w *bystander) {
	stack := p.config()
	mounted := neighbour{network: stack.Network.Name, command: idle, env: []string{"PGSSLROOTCERT=/ca.crt"}, binds: []string{p.local("ca.crt") + ":/ca.crt:ro"}}
	client := p.start(t, mounted)
	inside := func(role string) (string, int) {
		uri := p.outputs("--show-secrets")["connections"].(map[string]any)[role].(map[string]any)["internal"].(map[string]any)["uri"].(string)
		return execIn(t, p.docker, client, "postgres", "psql", "-XAtc", "SELECT inet_client_addr()", uri)
	}
	for _, role := range []string{"readonly", "monitor", "backup"} {
		said, code := inside(role)
		require.Zero(t, code, said)
	}
	seen := ask[string](t, p.session(t, p.connections()["readonly"]), "SELECT inet_client_addr()::text")
	t.Logf("the server sees this host as %s", seen)

	shut := values{"type": "host", "databases": []string{"all"}, "roles": []string{"backup"}, "address": stack.Network.Subnet, "method": "reject"}
	p.refused(t, []string{"access.rules[0]", "shuts backup", stack.Network.Subnet}, values{"access": values{"rules": []values{shut}}})
	p.configure(values{"access": values{
		"from":  values{"readonly": []string{"external"}, "monitor": []string{"internal", "external"}, "backup": []string{"external"}},
		"rules": []values{shut},
	}})
	p.must("up")
	w.undisturbed(t)
	for role, refusal := range map[string]string{"readonly": "no pg_hba.conf entry", "backup": "pg_hba.conf rejects connection"} {
		said, code := inside(role)
		assert.NotZero(t, code, role)
		assert.Contains(t, said, refusal, role)
	}
	said, code := inside("monitor")
	assert.Zero(t, code, said)
	for _, role := range []string{"app", "readonly", "monitor", "backup", "migrator"} {
		readsOne(t, p, p.connections()[role])
	}
	p.unchanged()
}

// provesRefusedRules: nothing is changed by rules that must not be.
func provesRefusedRules(t *testing.T, p *project, w *bystander) {
	before, code := p.exec("postgres", "cat", "/var/lib/postgresql/data/pgdata/pg_hba.conf")
	require.Zero(t, code)
	for says, rule := range map[string]values{
		"access.rules[0].method: trust":      {"type": "host", "databases": []string{"all"}, "roles": []string{"all"}, "address": "all", "method": "trust"},
		"shuts postgres out of database":     {"type": "host", "databases": []string{"all"}, "roles": []string{"postgres"}, "address": "all", "method": "reject"},
		"keeps the administrator (postgres)": {"type": "local", "databases": []string{"all"}, "roles": []string{"postgres"}, "method": "reject"},
		"is not a range of addresses":        {"type": "host", "databases": []string{"all"}, "roles": []string{"app"}, "address": "10.0.0.0/33", "method": "scram-sha-256"},
	} {
		p.refused(t, []string{says}, values{"access": values{"rules": []values{rule}}})
	}
	after, code := p.exec("postgres", "cat", "/var/lib/postgresql/data/pgdata/pg_hba.conf")
	require.Zero(t, code)
	assert.Equal(t, before, after)
	w.undisturbed(t)
}
