package tests

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/tests/program"
)

// certificates are the keys and certificates that a generation of the CA
// registers, the CA that signs the server's, and what clients are to trust.
func certificates(t *testing.T, tls string) (names []string, signer, trusted string) {
	t.Helper()
	values := program.StackValues(t, "prod")
	values["tls"] = tls
	registrations, err := program.Run{Stack: "prod", Values: values, Dir: t.TempDir(), DryRun: true}.Do()
	require.NoError(t, err)
	for _, registration := range registrations {
		switch registration.Request.GetType() {
		case "tls:index/privateKey:PrivateKey", "tls:index/selfSignedCert:SelfSignedCert":
			names = append(names, registration.Request.GetName())
		case "tls:index/locallySignedCert:LocallySignedCert":
			signer = registration.Inputs["caCertPem"].StringValue()
		case "pgserver:index:ServerFile":
			if registration.Inputs["path"].StringValue() == "ca.crt" {
				trusted = registration.Inputs["content"].StringValue()
			}
		}
	}
	return names, signer, trusted
}

// TestNextGenerationIsTrustedAlready: what signs in one generation is trusted
// in the one before.
func TestNextGenerationIsTrustedAlready(t *testing.T) {
	names, signer, trusted := certificates(t, `{"required": true}`)
	assert.Equal(t, []string{"database-certificate-ca", "database-certificate-ca-2", "database-certificate-ca-key", "database-certificate-ca-key-2", "database-certificate-key"}, names)
	assert.Equal(t, "database-certificate-ca.certPem", signer)
	assert.Equal(t, "database-certificate-ca.certPemdatabase-certificate-ca-2.certPem", trusted)

	names, signer, trusted = certificates(t, `{"required": true, "caGeneration": 2}`)
	assert.Equal(t, []string{"database-certificate-ca-2", "database-certificate-ca-3", "database-certificate-ca-key-2", "database-certificate-ca-key-3", "database-certificate-key"}, names)
	assert.Equal(t, "database-certificate-ca-2.certPem", signer)
	assert.Equal(t, "database-certificate-ca-2.certPemdatabase-certificate-ca-3.certPem", trusted)
}
