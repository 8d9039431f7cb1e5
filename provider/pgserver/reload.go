package pgserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	reloadPoll  = 5 * time.Millisecond
	reloadLimit = 15 * time.Second
)

// reload makes the server read its configuration again, and returns when every new connection is
// served with it: the postmaster accepts no connection before it has read all files, and this session
// hears of it through the postmaster. Who is cancelled meanwhile waits for it all the same: this session
// is the one that may have to put things back.
func (s *session) reload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reloadLimit)
	defer cancel()
	var before time.Time
	if err := s.QueryRow(ctx, "SELECT pg_conf_load_time()").Scan(&before); err != nil {
		return fmt.Errorf("asking when the configuration was loaded: %w", explain(err))
	}
	if _, err := s.Exec(ctx, "SELECT pg_reload_conf()"); err != nil {
		return fmt.Errorf("reloading the configuration: %w", explain(err))
	}
	for {
		var loaded time.Time
		var fault *string
		err := s.QueryRow(ctx, `SELECT pg_conf_load_time(), (
			SELECT format('%s, line %s: %s', sourcefile, sourceline, error) FROM pg_file_settings
			WHERE error IN ('syntax error', 'unrecognized configuration parameter') OR error LIKE 'could not %'
			ORDER BY seqno LIMIT 1)`).Scan(&loaded, &fault)
		switch {
		case err != nil:
			return fmt.Errorf("waiting for the server to reload its configuration: %w", explain(err))
		case fault != nil:
			return fmt.Errorf("the server refuses to reload its configuration (%s); correct that file", *fault)
		case loaded.After(before):
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server did not reload its configuration within %s: %w; see its log", reloadLimit, ctx.Err())
		case <-time.After(reloadPoll):
		}
	}
}

// errNoTLS says that the server has TLS switched off.
var errNoTLS = errors.New("the server does not offer TLS")

// sslRequest asks the server for TLS (manual, section 55.7).
var sslRequest = []byte{0, 0, 0, 8, 4, 210, 22, 47}

// presented returns the certificate that the server shows to new connections, unverified.
func (c Config) presented(ctx context.Context) (certificate *x509.Certificate, err error) {
	ctx, cancel := context.WithTimeout(ctx, connectAttempt)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.address())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	if _, err := conn.Write(sslRequest); err != nil {
		return nil, err
	}
	var answer [1]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil {
		return nil, err
	}
	if answer[0] != 'S' {
		return nil, errNoTLS
	}
	// What is shown is compared, not trusted.
	client := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}) //nolint:gosec
	if err := client.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return client.ConnectionState().PeerCertificates[0], nil
}
