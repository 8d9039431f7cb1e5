package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/docker/docker/client"
	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/engine"
	"github.com/witchcityrope/database/internal/live"
	"github.com/witchcityrope/database/internal/operation"
	"github.com/witchcityrope/database/internal/password"
)

const (
	// pairs of a plain clone and one of wcrdb's.
	clonePairs = 40
	// clonesAtOnce are made by as many commands that run side by side.
	clonesAtOnce = 32
	// mostAdded is what a clone of wcrdb's may take more than the server needs, in milliseconds.
	mostAdded = 15
	// applicationTables is the script that makes the template.
	applicationTables = "tests/e2e/testdata/schema/wcr-schema.sql"
)

// measureClones times databases of test runs in memory, with the application's
// tables, against plain CREATE DATABASE from the same template: by turns, in one run.
func measureClones(ctx context.Context, docker *client.Client) (line string, err error) {
	stack, err := newStack("test", "stand-ins")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, stack.close()) }()
	if _, err := stack.up(ctx); err != nil {
		return "", err
	}
	first, _, err := stack.clone(ctx) // makes the template
	if err != nil {
		return "", err
	}
	session, err := stack.superuser(ctx, docker)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, session.Close(ctx)) }()
	var plain, cloned, whole []time.Duration
	for range clonePairs {
		started := time.Now()
		if _, err := session.Exec(ctx, fmt.Sprintf("CREATE DATABASE plain TEMPLATE %s STRATEGY file_copy", first.Template)); err != nil {
			return "", err
		}
		plain = append(plain, time.Since(started))
		if _, err := session.Exec(ctx, "DROP DATABASE plain"); err != nil {
			return "", err
		}
		made, took, err := stack.clone(ctx)
		if err != nil {
			return "", err
		}
		cloned, whole = append(cloned, time.Duration(made.Milliseconds*float64(time.Millisecond))), append(whole, took)
		if _, err := session.Exec(ctx, "DROP DATABASE "+made.Name); err != nil {
			return "", err
		}
	}
	together, err := stack.clonesTogether(ctx, session)
	if err != nil {
		return "", err
	}
	milliseconds := func(times []time.Duration) float64 { return float64(median(times).Microseconds()) / 1000 }
	added := milliseconds(cloned) - milliseconds(plain)
	if added > mostAdded {
		return "", fmt.Errorf("a database for a test run takes %.1f ms more than the server needs, and may take %d ms", added, mostAdded)
	}
	return fmt.Sprintf("A database for a test run, in memory, with the application's tables, by turns with plain `CREATE DATABASE` from the same template, medians of %d: "+
		"plain %.1f ms; by `wcrdb testdb create`, with privileges, settings and lease, %.1f ms (%.1f ms more); the whole command, with its start and its login, %.0f ms. %d such commands at once: %.1f s for all.",
		clonePairs, milliseconds(plain), milliseconds(cloned), added, milliseconds(whole), clonesAtOnce, together.Seconds()), nil
}

// clonesTogether makes many test databases by as many commands at once, and
// says how long it took until all were there.
func (s *stack) clonesTogether(ctx context.Context, session *pgx.Conn) (took time.Duration, err error) {
	type result struct {
		made operation.TestDatabase
		err  error
	}
	results := make(chan result, clonesAtOnce)
	started := time.Now()
	for range clonesAtOnce {
		go func() {
			made, _, err := s.clone(ctx)
			results <- result{made, err}
		}()
	}
	var failures []error
	var names []string
	for range clonesAtOnce {
		each := <-results
		failures = append(failures, each.err)
		if each.err == nil {
			names = append(names, each.made.Name)
		}
	}
	took = time.Since(started)
	for _, name := range names {
		_, err := session.Exec(ctx, "DROP DATABASE "+name)
		failures = append(failures, err)
	}
	return took, errors.Join(failures...)
}

// clone makes a test database, and says how long the whole command took.
func (s *stack) clone(ctx context.Context) (operation.TestDatabase, time.Duration, error) {
	var made []operation.TestDatabase
	script, err := filepath.Abs(applicationTables)
	if err != nil {
		return operation.TestDatabase{}, 0, err
	}
	started := time.Now()
	output, err := exec.CommandContext(ctx, s.binary, "testdb", "create", "--sql", script, "--json", "--stack", s.name, "--project", s.dir).Output()
	took := time.Since(started)
	if err == nil {
		err = json.Unmarshal(output, &made)
	}
	if err != nil || len(made) != 1 {
		return operation.TestDatabase{}, took, fmt.Errorf("testdb create: %d made: %w", len(made), err)
	}
	return made[0], took, nil
}

// superuser opens a session in the database that others are made from.
func (s *stack) superuser(ctx context.Context, docker *client.Client) (*pgx.Conn, error) {
	project, err := engine.FindProject(s.dir)
	if err != nil {
		return nil, err
	}
	stack, _, err := project.Config(s.name)
	if err != nil {
		return nil, err
	}
	secret, err := password.LocalRootSecret(filepath.Join(project.LocalDir(s.name), stack.Access.Root.File()))
	if err != nil {
		return nil, err
	}
	derivation, err := password.NewDerivation(secret, s.name)
	if err != nil {
		return nil, err
	}
	return live.Server{Engine: docker, Container: stack.Server.Name, Stack: stack, Derivation: derivation}.Superuser(ctx, "postgres")
}
