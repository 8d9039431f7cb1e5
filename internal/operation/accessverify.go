package operation

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/engine"
	"github.com/witchcityrope/database/internal/live"
	"github.com/witchcityrope/database/internal/privileges/inspect"
)

// VerifyAccess proves on the server that everybody may do what is declared and
// nothing else. What it creates for it is rolled back.
func (o *Operation) VerifyAccess(ctx context.Context) (result inspect.Verification, err error) {
	err = o.administrate(ctx, func(session *pgx.Conn) error {
		tx, err := session.Begin(ctx)
		if err != nil {
			return err
		}
		names := o.config.Access.Names()
		result, err = inspect.Verify(ctx, tx, o.Access(o.config), &inspect.Migrator{Login: names.Migrator, As: names.Owner})
		return errors.Join(err, tx.Rollback(context.WithoutCancel(ctx)))
	})
	return result, err
}

// administrate opens a session as the superuser in the stack's database.
func (o *Operation) administrate(ctx context.Context, do func(*pgx.Conn) error) error {
	return o.bare(ctx, func(stack *engine.Stack) error {
		session, err := o.superuser(ctx, stack)
		if err != nil {
			return err
		}
		return errors.Join(do(session), session.Close(context.WithoutCancel(ctx)))
	})
}

func (o *Operation) superuser(ctx context.Context, stack *engine.Stack) (session *pgx.Conn, err error) {
	if o.config.Target.Type == config.External {
		secret, err := stack.AdministratorPassword(ctx)
		if err != nil {
			return nil, err
		}
		return live.Administrator(ctx, o.config, secret)
	}
	derivation, err := o.derivation(ctx, stack)
	if err != nil {
		return nil, err
	}
	docker, err := dockerengine.Connect(ctx, "")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, docker.Close()) }()
	state, err := live.Container(ctx, docker, o.config.Server.Name)
	if err != nil {
		return nil, err
	}
	if state != live.Running {
		return nil, fmt.Errorf("stack %s: container %s does not run: bring it up first (wcrdb up -s %[1]s)", o.Stack, o.config.Server.Name)
	}
	server := live.Server{Engine: docker, Container: o.config.Server.Name, Stack: o.config, Derivation: derivation}
	return server.Superuser(ctx, o.config.Database.Name)
}
