package measure

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCertificate(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	theirs, _ := authority(t, "theirs", now.Add(time.Hour))
	ca, key := authority(t, "ours", now.Add(48*time.Hour))
	bundle := append(pemOf(theirs), pemOf(ca)...)
	leaf := func(name string, end time.Time) []*x509.Certificate {
		return []*x509.Certificate{issue(t, &x509.Certificate{DNSNames: []string{name}, NotBefore: now.Add(-2 * time.Hour), NotAfter: end}, ca, key)}
	}
	good := examine(leaf("db", now.Add(time.Hour)), bundle, "db", now)
	assert.Empty(t, good.Fault)
	assert.True(t, good.NotAfter.Equal(now.Add(time.Hour)))
	assert.True(t, good.CANotAfter.Equal(now.Add(48*time.Hour)), "of the CA that has signed")
	for name, bad := range map[string]struct {
		presented []*x509.Certificate
		pem       []byte
		says      string
	}{
		"another name":     {leaf("elsewhere", now.Add(time.Hour)), bundle, "not db"},
		"another CA":       {leaf("db", now.Add(time.Hour)), pemOf(theirs), "unknown authority"},
		"expired":          {leaf("db", now.Add(-time.Hour)), bundle, "expired"},
		"no CA known here": {leaf("db", now.Add(time.Hour)), nil, "unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			found := examine(bad.presented, bad.pem, "db", now)
			assert.Contains(t, found.Fault, bad.says)
			assert.Zero(t, found.CANotAfter)
		})
	}
}

func authority(t *testing.T, name string, end time.Time) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-3 * time.Hour), NotAfter: end,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return certificate, key
}

func issue(t *testing.T, template, ca *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	template.SerialNumber = big.NewInt(2)
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return certificate
}

func pemOf(certificate *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
}
