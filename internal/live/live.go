// Package live looks at what a stack's resources really are at the moment:
// the container and its networks through the Docker Engine, the roles, grants
// and files through SQL.
package live

import (
	"context"
	"errors"
	"fmt"
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

// Superuser opens a session as a container stack's superuser with the password
// of the present generation or the one before. A server that is starting is
// waited for.
func Superuser(ctx context.Context, stack *config.Stack, derivation *password.Derivation, database string) (*pgx.Conn, error) {
	return login(ctx, stack, derivation, database, stack.Access.Generation, stack.Access.Generation-1)
}

// Ours says whether a running server's superuser has a password of this
// stack's root secret, if only the one that a new cluster is made with.
func Ours(ctx context.Context, stack *config.Stack, derivation *password.Derivation) (bool, error) {
	connection, err := login(ctx, stack, derivation, "postgres",
		stack.Access.Generation, stack.Access.Generation-1, password.BootstrapGeneration)
	if refused(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, connection.Close(ctx)
}

func login(ctx context.Context, stack *config.Stack, derivation *password.Derivation, database string, generations ...int) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(stack.Server.ReadyTimeout))
	defer cancel()
	for {
		var err error
		for _, generation := range generations {
			var connection *pgx.Conn
			if connection, err = connect(ctx, stack, derivation.Password(stack.Target.Username, generation), database); err == nil {
				return connection, nil
			}
			if !refused(err) {
				break
			}
		}
		if refused(err) {
			return nil, fmt.Errorf("superuser %s of stack %s: %w", stack.Target.Username, stack.Name, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("server of stack %s at %s:%d: %w", stack.Name, stack.Host(), stack.Port(), err)
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// refused says whether the server answered, and did not want us.
func refused(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && answer.Code != "57P03" // cannot_connect_now: starting up
}

func connect(ctx context.Context, stack *config.Stack, secret, database string) (*pgx.Conn, error) {
	// Encrypted where the server can; not verified, so that a replaced
	// certificate can be found and repaired (see the superuser's login in components/database).
	settings, err := pgx.ParseConfig(fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=prefer application_name=wcrdb",
		stack.Host(), stack.Port(), stack.Target.Username, database))
	if err != nil {
		return nil, err
	}
	settings.Password = secret
	return pgx.ConnectConfig(ctx, settings)
}
