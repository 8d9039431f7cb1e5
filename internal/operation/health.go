package operation

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/docker/docker/client"
	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/engine"
	"github.com/witchcityrope/database/internal/health"
	"github.com/witchcityrope/database/internal/health/measure"
	"github.com/witchcityrope/database/internal/live"
	"github.com/witchcityrope/database/internal/migration"
	"github.com/witchcityrope/database/internal/password"
	"github.com/witchcityrope/database/internal/pgtools"
)

// Health measures and judges the stack's database as it is. It changes nothing.
// A script of migrations, if its file is given, says which must be applied.
func (o *Operation) Health(ctx context.Context, file string) (result health.Result, err error) {
	var script *migration.Script
	if file != "" {
		if script, err = readScript(file); err != nil {
			return result, err
		}
	}
	err = o.bare(ctx, func(stack *engine.Stack) error {
		derivation, err := o.derivation(ctx, stack)
		if err != nil {
			return err
		}
		look := &examination{Operation: o, stack: stack, derivation: derivation, Measured: health.Measured{At: time.Now(), Faults: map[string]string{}}}
		if o.config.Target.Type == config.External {
			err = look.external(ctx)
		} else {
			err = look.container(ctx)
		}
		if err != nil {
			return err
		}
		if err := look.backups(ctx); err != nil {
			look.Faults["backup"] = err.Error()
		}
		if err := look.drill(); err != nil {
			look.Faults["drill"] = err.Error()
		}
		if script != nil && look.Database != nil {
			measure.Pending(look.Database, script)
		}
		if look.Remembered, err = o.remembered(); err != nil {
			look.Faults["migrations"] = err.Error()
		}
		result = health.Judge(o.config, look.Measured)
		return nil
	})
	return result, err
}

// examination is what is being measured for one judgement.
type examination struct {
	*Operation
	health.Measured
	stack      *engine.Stack
	derivation *password.Derivation
}

// container measures a server in the stack's own container.
func (e *examination) container(ctx context.Context) (err error) {
	name, application := e.config.Server.Name, e.config.Access.Names().App()
	e.Container = &health.Container{}
	e.Application = health.Application{Login: application, From: "at " + e.config.Network.Alias + " on network " + e.config.Network.Name}
	docker, err := dockerengine.Connect(ctx, "")
	if err != nil {
		e.Faults["container"] = err.Error()
		e.Server.Fault, e.Application.Fault = "no Docker Engine answers", "no Docker Engine answers"
		return nil
	}
	defer func() { err = errors.Join(err, docker.Close()) }()
	if e.Container, err = e.lookedAt(ctx, docker); err != nil {
		e.Container = &health.Container{}
		e.Faults["container"] = err.Error()
		e.Server.Fault, e.Application.Fault = "its container cannot be looked at", "the server's container cannot be looked at"
		return nil
	}
	if !e.Container.Running || e.Container.Paused {
		e.Server.Fault, e.Application.Fault = "its container does not run", "the server's container does not run"
		return nil
	}
	if e.Disk, err = e.disk(ctx, docker); err != nil {
		e.Faults["disk"] = err.Error()
	}
	ca, err := e.authorities(ctx, e.stack)
	if err != nil {
		return err
	}
	e.asApplication(ctx, docker, application, ca)
	server := live.Server{Engine: docker, Container: name, Stack: e.config, Derivation: e.derivation}
	return e.inside(ctx, ca, e.config.Network.Alias, func(ctx context.Context) (*pgx.Conn, error) {
		return server.Superuser(ctx, e.config.Database.Name)
	})
}

func (e *examination) lookedAt(ctx context.Context, docker client.APIClient) (*health.Container, error) {
	ctx, cancel := e.limited(ctx)
	defer cancel()
	return measure.Container(ctx, docker, e.config.Server.Name)
}

func (e *examination) disk(ctx context.Context, docker client.APIClient) (health.Disk, error) {
	ctx, cancel := e.limited(ctx)
	defer cancel()
	return measure.Disk(ctx, docker, e.config.Server.Name)
}

// limited bounds how long one look may take.
func (e *examination) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, time.Duration(e.config.Health.Timeout))
}

// asApplication comes in as the API does.
func (e *examination) asApplication(ctx context.Context, docker client.APIClient, login string, ca []byte) {
	ctx, cancel := e.limited(ctx)
	defer cancel()
	found, _, err := dockerengine.Container(ctx, docker, e.config.Server.Name)
	if err != nil {
		e.Application.Fault = err.Error()
		return
	}
	if !e.config.TLS.Enabled {
		ca = nil
	}
	e.Application = measure.Application(ctx, pgtools.Options{
		Engine: docker, Image: found.Image, Network: e.config.Network.Name, Host: e.config.Network.Alias, CAPEM: ca,
		Login: login, Password: e.derivation.Password(login, e.config.Access.Names().Generation(login)),
		Name:   e.config.Server.Name,
		Labels: dockerengine.LabelsOf(e.config.Project, e.config.Name),
	}, e.config.Database.Name)
}

// external measures a server that somebody else runs.
func (e *examination) external(ctx context.Context) error {
	secret, err := e.stack.AdministratorPassword(ctx)
	if err != nil {
		return err
	}
	login := e.config.Access.Names().App()
	e.Application = health.Application{Login: login, From: "at " + e.config.Host()}
	if err := e.session(ctx, func(ctx context.Context) (*pgx.Conn, error) {
		return live.External(ctx, e.config, login, e.derivation.Password(login, e.config.Access.Names().Generation(login)))
	}, func(session *pgx.Conn) { e.Application = measure.ApplicationSession(ctx, session) }); err != nil {
		e.Application.Fault = err.Error()
	}
	var pem []byte
	if e.config.Target.CAFile != "" {
		if pem, err = os.ReadFile(e.config.Target.CAFile); err != nil {
			return err
		}
	}
	return e.inside(ctx, pem, e.config.Host(), func(ctx context.Context) (*pgx.Conn, error) {
		return live.Administrator(ctx, e.config, secret)
	})
}

// inside measures in a superuser's session, if one can be had.
func (e *examination) inside(ctx context.Context, ca []byte, name string, open func(context.Context) (*pgx.Conn, error)) error {
	err := e.session(ctx, open, func(session *pgx.Conn) {
		e.Certificate = measure.Certificate(session, ca, name, e.At)
		var err error
		if e.Server, err = measure.Server(ctx, session); err != nil {
			e.Server.Fault = err.Error()
			return
		}
		var faults map[string]string
		e.Database, faults = measure.Database(ctx, session, e.config)
		for check, fault := range faults {
			e.Faults[check] = fault
		}
	})
	if err != nil {
		e.Server.Fault = err.Error()
	}
	return nil
}

func (e *examination) session(ctx context.Context, open func(context.Context) (*pgx.Conn, error), look func(*pgx.Conn)) error {
	limited, cancel := e.limited(ctx)
	defer cancel()
	session, err := open(limited)
	if err != nil {
		return err
	}
	look(session)
	return session.Close(context.WithoutCancel(ctx))
}
