package operation

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/engine"
	"github.com/witchcityrope/database/internal/live"
)

// loggedIn opens a session as one of the stack's clients in its database, on
// the stack's own server or on somebody else's.
func (o *Operation) loggedIn(ctx context.Context, client string, do func(*pgx.Conn) error) error {
	return o.bare(ctx, func(stack *engine.Stack) error {
		if o.config.Target.Type == config.External {
			return o.asExternalClient(ctx, stack, client, do)
		}
		return o.inContainer(ctx, stack, func(server live.Server) error { return o.asClient(ctx, server, client, do) })
	})
}

// asClient opens such a session on a server in the stack's own container.
func (o *Operation) asClient(ctx context.Context, server live.Server, client string, do func(*pgx.Conn) error) error {
	session, err := server.Login(ctx, client, o.config.Database.Name)
	if err != nil {
		return err
	}
	return errors.Join(do(session), session.Close(context.WithoutCancel(ctx)))
}

func (o *Operation) asExternalClient(ctx context.Context, stack *engine.Stack, client string, do func(*pgx.Conn) error) error {
	derivation, err := o.derivation(ctx, stack)
	if err != nil {
		return err
	}
	names := o.config.Access.Names()
	login, err := names.Login(client)
	if err != nil {
		return err
	}
	session, err := live.External(ctx, o.config, login, derivation.Password(login, names.Generation(login)))
	if err != nil {
		return fmt.Errorf("login %s of stack %s: %w", login, o.Stack, err)
	}
	return errors.Join(do(session), session.Close(context.WithoutCancel(ctx)))
}

func rankOf(rank config.Rank) string {
	if rank == 0 {
		return "no rank, and is taken for production (rank in its stack file)"
	}
	return fmt.Sprintf("rank %d", rank)
}

// named lists names in a message.
func named(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// progress tells now and then how much of something is done.
func (o *Operation) progress(unit string, done, of int) {
	const every = 100
	if done%every == 0 && done < of {
		o.Report("  %s %d of %d", unit, done, of)
	}
}
