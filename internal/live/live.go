// Package live looks at what a stack's resources really are at the moment:
// the container and its networks through the Docker Engine, the roles, grants
// and files through SQL.
package live

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/docker/docker/client"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/password"
)

// ContainerState is what has become of a container.
type ContainerState int

// The states of a container.
const (
	Missing ContainerState = iota
	Stopped
	Running
)

// Container tells the state of a container by name or id.
func Container(ctx context.Context, engine client.ContainerAPIClient, ref string) (ContainerState, error) {
	found, ok, err := dockerengine.Container(ctx, engine, ref)
	switch {
	case err != nil:
		return Missing, err
	case !ok:
		return Missing, nil
	case found.State != nil && found.State.Running:
		return Running, nil
	default:
		return Stopped, nil
	}
}

// Server is a container stack's server as it is, which may not yet be what the
// stack file says.
type Server struct {
	Engine client.APIClient
	// Container is the name or id of the server's container.
	Container  string
	Stack      *config.Stack
	Derivation *password.Derivation
	// CA has the certificates, as PEM, that Login verifies the server's by where TLS is on.
	CA []byte
}

// Superuser opens a session as the superuser with the password of the present
// generation or of one close to it. A server that is starting is waited for.
func (s Server) Superuser(ctx context.Context, database string) (*pgx.Conn, error) {
	return s.login(ctx, database, s.Stack.SuperuserGenerations()...)
}

// Ours says whether a running server's superuser has a password of this
// stack's root secret, if only the one that a new cluster is made with.
func (s Server) Ours(ctx context.Context) (bool, error) {
	connection, err := s.login(ctx, "postgres", append(s.Stack.SuperuserGenerations(), password.BootstrapGeneration)...)
	if refused(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, connection.Close(ctx)
}

// Fresh says whether a running server's superuser has the password that a new
// cluster is made with: nothing was declared in it yet.
func (s Server) Fresh(ctx context.Context) (bool, error) {
	connection, err := s.login(ctx, "postgres", password.BootstrapGeneration)
	if refused(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, connection.Close(ctx)
}

func (s Server) login(ctx context.Context, database string, generations ...int) (*pgx.Conn, error) {
	host, port, err := s.Address(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(s.Stack.Server.ReadyTimeout))
	defer cancel()
	username := s.Stack.Target.Username
	if len(generations) > 1 { // a rotation may set the present one after it was tried
		generations = append(slices.Clone(generations), generations[0])
	}
	for {
		var err error
		for _, generation := range generations {
			var connection *pgx.Conn
			if connection, err = connect(ctx, host, port, username, s.Derivation.Password(username, generation), database); err == nil {
				return connection, nil
			}
			if !wrongPassword(err) { // another password would be refused for the same reason
				break
			}
		}
		if wrongPassword(err) {
			return nil, fmt.Errorf("superuser %s of stack %s at %s:%d: neither the current password nor an earlier one is right: %w. "+
				"Was the root secret changed, or did somebody change the password by hand? Use the root secret that the data was made with, "+
				"or give the role its password back from inside the server: docker exec -it --user postgres %s psql --username %[1]s",
				username, s.Stack.Name, host, port, err, s.Stack.Server.Name)
		}
		if refused(err) {
			return nil, fmt.Errorf("superuser %s of stack %s: %w", username, s.Stack.Name, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("server of stack %s at %s:%d: %w", s.Stack.Name, host, port, err)
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// Address is where the container is published: until the next up, that is
// where it was declared before.
func (s Server) Address(ctx context.Context) (host string, port int, err error) {
	found, ok, err := dockerengine.Container(ctx, s.Engine, s.Container)
	if err != nil || !ok {
		return s.Stack.Host(), s.Stack.Port(), err
	}
	for _, bindings := range found.HostConfig.PortBindings {
		for _, binding := range bindings {
			port, err := strconv.Atoi(binding.HostPort)
			return binding.HostIP, port, err
		}
	}
	return s.Stack.Host(), s.Stack.Port(), nil
}

// refused says whether the server answered, and did not want us.
func refused(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && answer.Code != "57P03" // cannot_connect_now: starting up
}

func wrongPassword(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && answer.Code == "28P01" // invalid_password
}

// Administrator opens a session as an external server's superuser, whose
// certificate is verified.
func Administrator(ctx context.Context, stack *config.Stack, secret string) (*pgx.Conn, error) {
	return External(ctx, stack, stack.Target.Username, secret)
}

// External opens a session as any login of an external server, whose
// certificate is verified.
func External(ctx context.Context, stack *config.Stack, login, secret string) (*pgx.Conn, error) {
	settings, err := pgx.ParseConfig(fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=verify-full application_name=wcrdb",
		stack.Host(), stack.Port(), login, stack.Database.Name))
	if err != nil {
		return nil, err
	}
	if stack.Target.CAFile != "" {
		pem, err := os.ReadFile(stack.Target.CAFile)
		if err != nil {
			return nil, fmt.Errorf("target.caFile: %w", err)
		}
		if !trust(settings, pem) {
			return nil, fmt.Errorf("target.caFile: %s has no certificate", stack.Target.CAFile)
		}
	}
	settings.Password = secret
	return pgx.ConnectConfig(ctx, settings)
}

// trust lets a session verify the server by these certificates and no others.
func trust(settings *pgx.ConnConfig, pem []byte) bool {
	settings.TLSConfig.RootCAs = x509.NewCertPool()
	return settings.TLSConfig.RootCAs.AppendCertsFromPEM(pem)
}

func connect(ctx context.Context, host string, port int, username, secret, database string) (*pgx.Conn, error) {
	// Encrypted where the server can; not verified, so that a replaced
	// certificate can be found and repaired (see the superuser's login in components/database).
	settings, err := pgx.ParseConfig(fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=prefer application_name=wcrdb",
		host, port, username, database))
	if err != nil {
		return nil, err
	}
	settings.Password = secret
	// What the stack sets for everybody is not meant for an administrator who drops a database.
	settings.RuntimeParams["statement_timeout"] = "0"
	return pgx.ConnectConfig(ctx, settings)
}
