package operation

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/engine"
	"github.com/witchcityrope/database/internal/live"
)

// running runs do while a Docker Engine is connected and the stack's server
// runs in its container.
func (o *Operation) running(ctx context.Context, do func(live.Server) error) error {
	return o.bare(ctx, func(stack *engine.Stack) error { return o.inOwnContainer(ctx, stack, do) })
}

// runningAlone does the same once no other run works on the stack.
func (o *Operation) runningAlone(ctx context.Context, do func(live.Server) error) error {
	return o.alone(ctx, func(stack *engine.Stack) error { return o.inOwnContainer(ctx, stack, do) })
}

func (o *Operation) inOwnContainer(ctx context.Context, stack *engine.Stack, do func(live.Server) error) error {
	if o.config.Target.Type != config.Container {
		return fmt.Errorf("stack %s: target.type is %s; this needs a server in a container of the stack's own", o.Stack, o.config.Target.Type)
	}
	return o.inContainer(ctx, stack, do)
}

func (o *Operation) inContainer(ctx context.Context, stack *engine.Stack, do func(live.Server) error) (err error) {
	derivation, err := o.derivation(ctx, stack)
	if err != nil {
		return err
	}
	docker, err := dockerengine.Connect(ctx, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, docker.Close()) }()
	state, err := live.Container(ctx, docker, o.config.Server.Name)
	if err != nil {
		return err
	}
	if state != live.Running {
		return fmt.Errorf("stack %s: container %s does not run: bring it up first (wcrdb up -s %[1]s)", o.Stack, o.config.Server.Name)
	}
	server := live.Server{Engine: docker, Container: o.config.Server.Name, Stack: o.config, Derivation: derivation}
	if o.config.TLS.Enabled {
		if server.CA, err = o.authorities(ctx, stack); err != nil {
			return err
		}
	}
	return do(server)
}

// authorities are the CAs that clients verify the server by: from the file that
// up wrote, or, on another machine, from the stack's outputs.
func (o *Operation) authorities(ctx context.Context, stack *engine.Stack) ([]byte, error) {
	pem, err := os.ReadFile(filepath.Join(o.Project.Dir, filepath.FromSlash(o.config.CAFile())))
	if !errors.Is(err, os.ErrNotExist) {
		return pem, err
	}
	state, err := stack.State(ctx)
	if err != nil {
		return nil, err
	}
	outputs, err := state.Outputs()
	text, _ := outputs["caCertificate"].(string)
	return []byte(text), err
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
	err = o.inContainer(ctx, stack, func(server live.Server) error {
		session, err = server.Superuser(ctx, o.config.Database.Name)
		return err
	})
	return session, err
}
