package measure

import (
	"crypto/tls"
	"crypto/x509"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/health"
)

// Certificate looks at the certificate that the server has presented to a
// session, and verifies it for a name by the CAs in PEM, those of the system if
// there are none. It is nil where the session has no TLS.
func Certificate(session *pgx.Conn, pem []byte, name string, at time.Time) *health.Certificate {
	encrypted, is := session.PgConn().Conn().(*tls.Conn)
	if !is {
		return nil
	}
	return examine(encrypted.ConnectionState().PeerCertificates, pem, name, at)
}

func examine(presented []*x509.Certificate, pem []byte, name string, at time.Time) *health.Certificate {
	options := x509.VerifyOptions{DNSName: name, CurrentTime: at, Intermediates: x509.NewCertPool()}
	if len(pem) > 0 {
		options.Roots = x509.NewCertPool()
		options.Roots.AppendCertsFromPEM(pem)
	}
	for _, certificate := range presented[1:] {
		options.Intermediates.AddCert(certificate)
	}
	found := &health.Certificate{NotAfter: presented[0].NotAfter}
	chains, err := presented[0].Verify(options)
	if err != nil {
		found.Fault = err.Error()
		return found
	}
	for _, chain := range chains { // the CA that lasts longest counts
		if end := chain[len(chain)-1].NotAfter; end.After(found.CANotAfter) {
			found.CANotAfter = end
		}
	}
	return found
}
