package pgserver

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// SQLSTATE codes (manual, appendix A) that decide what happens next.
const (
	wrongPassword         = "28P01"
	refusedByRules        = "28000"
	unknownDatabase       = "3D000"
	starting              = "57P03"
	stopping              = "57P01"
	crashed               = "57P02"
	tooManyConnections    = "53300"
	duplicateDatabase     = "42P04"
	dependentObjectsLeft  = "2BP01"
	undefinedObject       = "42704"
	undefinedSchema       = "3F000"
	undefinedFunction     = "42883"
	uniqueViolation       = "23505"
	cannotChangeNow       = "55P02"
	insufficientPrivilege = "42501"
	internalError         = "XX000"
	featureNotSupported   = "0A000"
)

func isCode(err error, codes ...string) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && slices.Contains(codes, answer.Code)
}

// explain adds what PostgreSQL said beyond its message. It never repeats a statement.
func explain(err error) error {
	var answer *pgconn.PgError
	if !errors.As(err, &answer) || answer.Detail == "" && answer.Hint == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, strings.TrimSpace(answer.Detail+" "+answer.Hint))
}

// cause takes from an error of a connection attempt what went wrong, leaving out how it was tried.
func cause(err error) error {
	var answer *pgconn.PgError
	var network *net.OpError
	switch {
	case errors.As(err, &answer):
		return answer
	case errors.As(err, &network):
		return network
	}
	return err
}

// mayPass tells a server that is starting, or not there yet, from one that refuses.
func (c Config) mayPass(err error) bool {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return isCode(err, starting, stopping, crashed, tooManyConnections)
	}
	var certificate *tls.CertificateVerificationError
	var name *net.DNSError
	if errors.As(err, &certificate) || errors.As(err, &name) && name.IsNotFound {
		return false
	}
	return c.TLSMode == tlsPrefer || !strings.Contains(err.Error(), refusedTLS)
}

// refusedTLS is how pgx says that the server has TLS switched off.
const refusedTLS = "server refused TLS connection"

// refused explains why a server that is there does not let us in.
func (c Config) refused(err error) error {
	where := fmt.Sprintf("PostgreSQL at %s as role %q", c.address(), c.Username)
	switch {
	case isCode(err, wrongPassword):
		return fmt.Errorf("logging in to %s: neither the current password nor any of the %d earlier ones is right (%w). "+
			"This server's data was initialised with another password. Is it another stack's volume, was the root secret changed, "+
			"or did somebody change the password by hand? Use the root secret that the data was made with, "+
			"or give the role the current password from inside the server: docker exec -it --user postgres <container> psql --username %s",
			where, len(c.FallbackPasswords), cause(err), c.Username)
	case isCode(err, refusedByRules):
		return fmt.Errorf("logging in to %s with tlsMode %s: the server's access rules refuse it (%w). "+
			"Allow it in pg_hba.conf and reload the server, or correct tlsMode", where, c.TLSMode, cause(err))
	case isCode(err, unknownDatabase):
		return fmt.Errorf("logging in to %s: %w. Set the provider's database to one that exists, for example %s", where, cause(err), defaultDatabase)
	case strings.Contains(err.Error(), refusedTLS):
		return fmt.Errorf("logging in to %s: the server has TLS switched off, and tlsMode is %s. Switch TLS on, or use tlsMode prefer on this machine", where, c.TLSMode)
	}
	return fmt.Errorf("logging in to %s: %w", where, cause(err))
}

// unreachable explains that no server was ready in time.
func (c Config) unreachable(err error) error {
	return fmt.Errorf("no PostgreSQL server at %s was ready within %s: %w. "+
		"Is it running (docker ps), what does it log (docker logs), and are host and port right?", c.address(), c.readyTimeout(), cause(err))
}
