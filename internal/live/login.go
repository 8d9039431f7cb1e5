package live

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Login opens a session as one of the stack's clients (app, migrator, readonly,
// monitor, backup): through the published port, with its present password and,
// where TLS is on, the server's certificate verified.
func (s Server) Login(ctx context.Context, client, database string) (*pgx.Conn, error) {
	names := s.Stack.Access.Names()
	login, err := names.Login(client)
	if err != nil {
		return nil, err
	}
	host, port, err := s.Address(ctx)
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=disable application_name=wcrdb", host, port, login, database)
	if s.Stack.TLS.Enabled {
		text += " sslmode=verify-full"
	}
	settings, err := pgx.ParseConfig(text)
	if err != nil {
		return nil, err
	}
	if s.Stack.TLS.Enabled && !trust(settings, s.CA) {
		return nil, fmt.Errorf("login %s of stack %s: there is no certificate of a CA to verify the server by", login, s.Stack.Name)
	}
	settings.Password = s.Derivation.Password(login, names.Generation(login))
	connection, err := pgx.ConnectConfig(ctx, settings)
	if err != nil {
		return nil, fmt.Errorf("login %s of stack %s: %w", login, s.Stack.Name, err)
	}
	return connection, nil
}
