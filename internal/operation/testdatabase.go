package operation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/witchcityrope/database/internal/live"
	"github.com/witchcityrope/database/internal/testdatabase"
)

// Handed is how a client reaches a database: from inside the stack's network, and from the host.
type Handed struct {
	Internal Strings `json:"internal"`
	External Strings `json:"external"`
}

// Strings are a connection in Npgsql's form and in libpq's. They have the password.
type Strings struct {
	Npgsql string `json:"npgsql"`
	URI    string `json:"uri"`
}

// TestDatabase is a database of a test run and how the application reaches it.
type TestDatabase struct {
	testdatabase.Created
	Handed
}

// CreateTestDatabases makes databases for test runs. SQL names the script of
// migrations; it may be empty.
func (o *Operation) CreateTestDatabases(ctx context.Context, wanted testdatabase.Wanted) (made []TestDatabase, err error) {
	if wanted.SQL != "" {
		script, err := os.ReadFile(wanted.SQL)
		if err != nil {
			return nil, fmt.Errorf("--sql: %w", err)
		}
		if wanted.SQL = string(script); len(script) == 0 {
			return nil, errors.New("--sql: the script is empty: make it with dotnet ef migrations script --idempotent, or leave --sql out")
		}
	}
	err = o.testServer(ctx, func(stack live.Server, server testdatabase.Server) error {
		created, failure := server.Create(ctx, wanted)
		for _, database := range created {
			with := *o.config
			with.Database.Name = database.Name
			handed, err := o.Connect(&with, stack.Derivation)
			if err != nil {
				return errors.Join(failure, err)
			}
			made = append(made, TestDatabase{database, handed})
		}
		return failure
	})
	return made, err
}

// TestDatabases lists the databases of test runs.
func (o *Operation) TestDatabases(ctx context.Context) (list []testdatabase.Database, err error) {
	err = o.testServer(ctx, func(_ live.Server, server testdatabase.Server) error {
		list, err = server.List(ctx)
		return err
	})
	return list, err
}

// DropTestDatabases removes databases of test runs by their names.
func (o *Operation) DropTestDatabases(ctx context.Context, names []string) error {
	return o.testServer(ctx, func(_ live.Server, server testdatabase.Server) error { return server.Drop(ctx, names...) })
}

// ReapTestDatabases removes those that no run has a lease of any more.
func (o *Operation) ReapTestDatabases(ctx context.Context, force bool) (reaped testdatabase.Reaped, err error) {
	err = o.testServer(ctx, func(_ live.Server, server testdatabase.Server) error {
		reaped, err = server.Reap(ctx, time.Now(), force)
		return err
	})
	return reaped, err
}

// testServer refuses stacks whose application may not connect to other databases than its own.
func (o *Operation) testServer(ctx context.Context, do func(live.Server, testdatabase.Server) error) error {
	return o.running(ctx, func(server live.Server) error {
		if o.config.Guarded() || !o.config.Access.Application.CreateDatabases {
			return fmt.Errorf("stack %s is not for test runs: its application may only connect to database %s (access.application.createDatabases), or its data is worth something (rank); use the stack test",
				o.Stack, o.config.Database.Name)
		}
		// With other declarations, templates are made anew.
		declared, err := json.Marshal([]any{o.config.Database, o.config.Access.Prefix, o.config.Access.Application, o.config.Access.Roles, o.config.Access.Grants, o.config.Access.DefaultPrivileges})
		if err != nil {
			return err
		}
		return do(server, testdatabase.Server{
			Open:   func(ctx context.Context, database string) (*pgx.Conn, error) { return o.patient(ctx, server, database) },
			Source: o.config.Database.Name, Declared: string(declared), Schemas: o.schemas(),
			Migrate: func(ctx context.Context, database string) (*pgx.Conn, error) {
				return server.Login(ctx, "migrator", database)
			},
			Migrated: o.keepExceptions,
			Owner:    o.config.Access.Names().Owner, Report: o.Report,
		})
	})
}

// tooManyConnections is the SQLSTATE of a server that has no room left.
const tooManyConnections = "53300"

// patient opens a superuser's session, and waits for one of many others to end
// where the server has no room.
func (o *Operation) patient(ctx context.Context, server live.Server, database string) (*pgx.Conn, error) {
	until := time.Now().Add(time.Duration(o.config.Server.ReadyTimeout))
	for {
		session, err := server.Superuser(ctx, database)
		var answer *pgconn.PgError
		if err == nil || !errors.As(err, &answer) || answer.Code != tooManyConnections || time.Now().After(until) {
			return session, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// schemas are the names of those that are declared.
func (o *Operation) schemas() (names []string) {
	for _, schema := range o.config.Database.Schemas {
		names = append(names, schema.Name)
	}
	return names
}
