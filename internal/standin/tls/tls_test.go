package tls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"testing"
	"time"

	"github.com/blang/semver"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// bench is a provider under test, at a time of the test's choosing.
type bench struct {
	integration.Server
	now time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{now: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	provider, err := New(func() time.Time { return b.now })
	require.NoError(t, err)
	b.Server, err = integration.NewServer(t.Context(), "tls", semver.MustParse("5.5.1"), integration.WithProvider(provider))
	require.NoError(t, err)
	return b
}

func urn(kind string) resource.URN {
	return resource.NewURN("stack", "project", "", tokens.Type(kind), "name")
}

func (b *bench) create(t *testing.T, kind string, inputs map[string]property.Value) p.CreateResponse {
	t.Helper()
	checked, err := b.Check(p.CheckRequest{Urn: urn(kind), Inputs: property.NewMap(inputs)})
	require.NoError(t, err)
	require.Empty(t, checked.Failures)
	_, err = b.Create(p.CreateRequest{Urn: urn(kind), Properties: checked.Inputs, DryRun: true})
	require.NoError(t, err)
	created, err := b.Create(p.CreateRequest{Urn: urn(kind), Properties: checked.Inputs})
	require.NoError(t, err)
	return created
}

func texts(elements ...string) property.Value {
	values := make([]property.Value, len(elements))
	for i, element := range elements {
		values[i] = property.New(element)
	}
	return property.New(values)
}

func subject(name string) property.Value {
	return property.New(map[string]property.Value{
		"commonName": property.New(name), "organization": property.New("WitchCityRope"), "country": property.New("US"),
		"province": property.New("MA"), "locality": property.New("Salem"),
	})
}

func certificateOf(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	require.NotNil(t, block)
	certificate, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return certificate
}

const (
	keyType     = "tls:index/privateKey:PrivateKey"
	selfType    = "tls:index/selfSignedCert:SelfSignedCert"
	requestType = "tls:index/certRequest:CertRequest"
	leafType    = "tls:index/locallySignedCert:LocallySignedCert"
)

func TestServerCertificate(t *testing.T) {
	for name, key := range map[string]map[string]property.Value{
		"ECDSA":   {"algorithm": property.New("ECDSA"), "ecdsaCurve": property.New("P256")},
		"ED25519": {"algorithm": property.New("ED25519")},
		"RSA":     {"algorithm": property.New("RSA"), "rsaBits": property.New(2048.0)},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			authorityKey := b.create(t, keyType, key).Properties.Get("privateKeyPem")
			serverKey := b.create(t, keyType, key).Properties.Get("privateKeyPem")
			assert.True(t, serverKey.Secret())
			authority := b.create(t, selfType, map[string]property.Value{
				"privateKeyPem": authorityKey, "subject": subject("CA"), "isCaCertificate": property.New(true),
				"allowedUses": texts("cert_signing", "crl_signing"), "validityPeriodHours": property.New(87600.0),
				"setAuthorityKeyId": property.New(true), "setSubjectKeyId": property.New(true),
			}).Properties.Get("certPem")
			request := b.create(t, requestType, map[string]property.Value{
				"privateKeyPem": serverKey, "subject": subject("db"), "dnsNames": texts("db", "localhost"), "ipAddresses": texts("127.0.0.1"),
			})
			assert.Equal(t, name, request.Properties.Get("keyAlgorithm").AsString())
			leaf := b.create(t, leafType, map[string]property.Value{
				"certRequestPem": request.Properties.Get("certRequestPem"), "caCertPem": authority, "caPrivateKeyPem": authorityKey,
				"allowedUses": texts("server_auth", "digital_signature"), "validityPeriodHours": property.New(2160.0),
			}).Properties.Get("certPem")
			assert.False(t, leaf.Secret())

			roots := x509.NewCertPool()
			roots.AddCert(certificateOf(t, authority.AsString()))
			for _, host := range []string{"db", "localhost", "127.0.0.1"} {
				_, err := certificateOf(t, leaf.AsString()).Verify(x509.VerifyOptions{
					DNSName: host, Roots: roots, CurrentTime: b.now.Add(time.Hour), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
				})
				assert.NoError(t, err, host)
			}
			_, err := tls.X509KeyPair([]byte(leaf.AsString()), []byte(serverKey.AsString()))
			assert.NoError(t, err)
			certificate := certificateOf(t, leaf.AsString())
			assert.Equal(t, []string{"WitchCityRope"}, certificate.Subject.Organization)
			assert.Equal(t, b.now.Add(2160*time.Hour), certificate.NotAfter.UTC())
		})
	}
}

func (b *bench) selfSigned(t *testing.T, early float64) (inputs property.Map, created p.CreateResponse) {
	t.Helper()
	given := map[string]property.Value{
		"privateKeyPem": b.create(t, keyType, map[string]property.Value{"algorithm": property.New("ED25519")}).Properties.Get("privateKeyPem"),
		"allowedUses":   texts("server_auth"), "validityPeriodHours": property.New(100.0), "earlyRenewalHours": property.New(early),
		"dnsNames": texts("db"),
	}
	return property.NewMap(given), b.create(t, selfType, given)
}

func TestEarlyRenewal(t *testing.T) {
	for name, test := range map[string]struct {
		early, age float64
		due        bool
	}{
		"fresh":             {early: 10, age: 0},
		"just before":       {early: 10, age: 89.9},
		"early":             {early: 10, age: 90, due: true},
		"expired":           {early: 0, age: 100, due: true},
		"renewed each time": {early: 200, age: 0, due: true},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			inputs, created := b.selfSigned(t, test.early)
			b.now = b.now.Add(time.Duration(test.age * float64(time.Hour)))
			diff, err := b.Diff(p.DiffRequest{
				Urn: urn(selfType), ID: created.ID, State: created.Properties, OldInputs: inputs, Inputs: inputs,
			})
			require.NoError(t, err)
			assert.Equal(t, test.due, diff.HasChanges)
			if test.due {
				assert.Equal(t, p.UpdateReplace, diff.DetailedDiff["readyForRenewal"].Kind)
			}
			read, err := b.Read(p.ReadRequest{Urn: urn(selfType), ID: created.ID, Properties: created.Properties, Inputs: inputs})
			require.NoError(t, err)
			assert.Equal(t, test.due, read.Properties.Get("readyForRenewal").AsBool())
		})
	}
}

func TestRenewalTimeChangesInPlace(t *testing.T) {
	b := newBench(t)
	inputs, created := b.selfSigned(t, 10)
	news := inputs.Set("earlyRenewalHours", property.New(20.0))
	diff, err := b.Diff(p.DiffRequest{Urn: urn(selfType), State: created.Properties, OldInputs: inputs, Inputs: news})
	require.NoError(t, err)
	assert.Equal(t, map[string]p.PropertyDiff{"earlyRenewalHours": {Kind: p.Update, InputDiff: true}}, diff.DetailedDiff)
	updated, err := b.Update(p.UpdateRequest{Urn: urn(selfType), ID: created.ID, State: created.Properties, OldInputs: inputs, Inputs: news})
	require.NoError(t, err)
	assert.Equal(t, created.Properties.Get("certPem"), updated.Properties.Get("certPem"))
	assert.EqualValues(t, 20, updated.Properties.Get("earlyRenewalHours").AsNumber())
}

func TestErrorsDoNotQuoteKeys(t *testing.T) {
	b := newBench(t)
	key := b.create(t, keyType, map[string]property.Value{"algorithm": property.New("ED25519")}).Properties.Get("privateKeyPem").AsString()
	for name, broken := range map[string]string{
		"no PEM": "c2VjcmV0IGtleQ==", "cut short": key[:60] + key[len(key)-30:], "a certificate": "-----BEGIN CERTIFICATE-----\nc2VjcmV0\n-----END CERTIFICATE-----\n",
	} {
		_, err := b.Create(p.CreateRequest{Urn: urn(requestType), Properties: property.NewMap(map[string]property.Value{
			"privateKeyPem": property.New(broken).WithSecret(true),
		})})
		require.ErrorContains(t, err, "privateKeyPem", name)
		assert.NotContains(t, err.Error(), "c2VjcmV0", name)
		assert.NotContains(t, err.Error(), key[30:50], name)
	}
}

func TestConfigureDoesNothing(t *testing.T) {
	provider, err := New(time.Now)
	require.NoError(t, err)
	require.NoError(t, provider.Configure(context.Background(), p.ConfigureRequest{}))
}
