package pgserver

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/blang/semver"
	"github.com/jackc/pgx/v5"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/pgtest"
	"github.com/witchcityrope/database/internal/postgres"
)

// values are the properties of a resource or a configuration.
type values map[string]property.Value

func (v values) with(key string, value property.Value) values {
	changed := values{key: value}
	for k, other := range v {
		if k != key {
			changed[k] = other
		}
	}
	return changed
}

func (v values) properties() property.Map { return property.NewMap(v) }

func text(s string) property.Value { return property.New(s) }

func texts(list ...string) property.Value {
	array := make([]property.Value, len(list))
	for i, s := range list {
		array[i] = property.New(s)
	}
	return property.New(array)
}

// verifier is what belongs to a password, with a salt that does not matter.
func verifier(password string) property.Value {
	return text(postgres.ScramVerifier(password, []byte("salt of a test"), postgres.ScramIterations))
}

// provider is the provider under test, configured, with the calls that the engine makes.
type provider struct {
	t testing.TB
	integration.Server
}

// newTestProvider makes a provider that reaches servers through dial.
func newTestProvider(t testing.TB, dial dialer) *provider {
	t.Helper()
	implementation, err := newProvider(dial)
	require.NoError(t, err)
	server, err := integration.NewServer(t.Context(), Name, semver.MustParse(Version), integration.WithProvider(implementation))
	require.NoError(t, err)
	return &provider{t, server}
}

// connected makes a provider that is configured for a real server.
func connected(t testing.TB, server *pgtest.Server) *provider {
	t.Helper()
	provider := newTestProvider(t, dial)
	provider.configure(configFor(server))
	return provider
}

func configFor(server *pgtest.Server) values {
	return values{
		"host": text("127.0.0.1"), "port": property.New(float64(server.Port)),
		"username": text(pgtest.Superuser), "password": text(pgtest.Password).WithSecret(true),
	}
}

// configOf is how the provider reaches a server.
func configOf(server *pgtest.Server) Config {
	return Config{Host: "127.0.0.1", Port: server.Port, Username: pgtest.Superuser, Password: pgtest.Password, Database: "postgres",
		TLSMode: tlsPrefer, ReadyTimeout: 10}
}

// configure checks the configuration, as the engine does, and uses it.
func (v *provider) configure(config values) {
	v.t.Helper()
	checked, err := v.CheckConfig(p.CheckRequest{Inputs: config.properties()})
	require.NoError(v.t, err)
	require.Empty(v.t, checked.Failures)
	require.NoError(v.t, v.Configure(p.ConfigureRequest{Args: checked.Inputs}))
}

func urn(kind string) resource.URN {
	return resource.NewURN("stack", "project", "", tokens.Type("pgserver:index:"+kind), "name")
}

// check returns the inputs with defaults, and insists that nothing is wrong with them.
func (v *provider) check(kind string, inputs values) property.Map {
	v.t.Helper()
	checked, err := v.Check(p.CheckRequest{Urn: urn(kind), Inputs: inputs.properties()})
	require.NoError(v.t, err)
	require.Empty(v.t, checked.Failures)
	return checked.Inputs
}

// faults returns what is wrong with inputs, by property.
func (v *provider) faults(kind string, inputs values) map[string]string {
	v.t.Helper()
	checked, err := v.Check(p.CheckRequest{Urn: urn(kind), Inputs: inputs.properties()})
	require.NoError(v.t, err)
	faults := map[string]string{}
	for _, failure := range checked.Failures {
		faults[failure.Property] = failure.Reason
	}
	return faults
}

// made is a resource that exists.
type made struct {
	provider *provider
	kind, id string
	inputs   property.Map
	state    property.Map
}

// tryCreate previews the creation of a resource and then creates it.
func (v *provider) tryCreate(kind string, inputs values) (made, error) {
	v.t.Helper()
	checked := v.check(kind, inputs)
	_, err := v.Create(p.CreateRequest{Urn: urn(kind), Properties: checked, DryRun: true})
	require.NoError(v.t, err)
	created, err := v.Create(p.CreateRequest{Urn: urn(kind), Properties: checked})
	return made{v, kind, created.ID, checked, created.Properties}, err
}

func (v *provider) create(kind string, inputs values) made {
	v.t.Helper()
	resource, err := v.tryCreate(kind, inputs)
	require.NoError(v.t, err)
	require.NotEmpty(v.t, resource.id)
	return resource
}

// diff returns what would change.
func (m *made) diff(inputs values) p.DiffResponse {
	m.provider.t.Helper()
	diff, err := m.provider.Diff(p.DiffRequest{
		ID: m.id, Urn: urn(m.kind), State: m.state, OldInputs: m.inputs, Inputs: m.provider.check(m.kind, inputs),
	})
	require.NoError(m.provider.t, err)
	return diff
}

// tryUpdate previews an update and then makes it.
func (m *made) tryUpdate(inputs values) error {
	m.provider.t.Helper()
	checked := m.provider.check(m.kind, inputs)
	request := p.UpdateRequest{ID: m.id, Urn: urn(m.kind), State: m.state, OldInputs: m.inputs, Inputs: checked, DryRun: true}
	_, err := m.provider.Update(request)
	require.NoError(m.provider.t, err)
	request.DryRun = false
	updated, err := m.provider.Update(request)
	if err == nil {
		m.inputs, m.state = checked, updated.Properties
	}
	return err
}

func (m *made) update(inputs values) {
	m.provider.t.Helper()
	require.NoError(m.provider.t, m.tryUpdate(inputs))
}

// refresh reads the resource, and reports whether it is still there.
func (m *made) refresh() (exists bool) {
	m.provider.t.Helper()
	read, err := m.provider.Read(p.ReadRequest{ID: m.id, Urn: urn(m.kind), Properties: m.state, Inputs: m.inputs})
	require.NoError(m.provider.t, err)
	if read.ID == "" {
		return false
	}
	m.inputs, m.state = read.Inputs, read.Properties
	return true
}

// imported reads a resource of which only the id is known.
func (v *provider) imported(kind, id string) made {
	v.t.Helper()
	read, err := v.Read(readRequest(kind, id))
	require.NoError(v.t, err)
	return made{v, kind, read.ID, read.Inputs, read.Properties}
}

func (m *made) delete() {
	m.provider.t.Helper()
	require.NoError(m.provider.t, m.provider.Delete(p.DeleteRequest{ID: m.id, Urn: urn(m.kind), Properties: m.state, OldInputs: m.inputs}))
}

func (m *made) output(key string) string { return m.state.Get(key).AsString() }

// query returns the one value that a statement gives.
func query[T any](t testing.TB, conn *pgx.Conn, statement string, args ...any) (value T) {
	t.Helper()
	require.NoError(t, conn.QueryRow(context.Background(), statement, args...).Scan(&value))
	return value
}

func execute(t testing.TB, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		_, err := conn.Exec(context.Background(), statement)
		require.NoError(t, err, statement)
	}
}

// issue makes a certificate for 127.0.0.1, valid for a day, that signed itself.
func issue(t testing.TB, serial int64) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

// readRequest asks for a resource of which only the id is known.
func readRequest(kind, id string) p.ReadRequest { return p.ReadRequest{ID: id, Urn: urn(kind)} }
