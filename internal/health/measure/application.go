package measure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/health"
	"github.com/witchcityrope/database/internal/pgtools"
)

// applicationQuery is what the application asks: whether it can write, and
// whether nobody can read what it says.
const applicationQuery = `SELECT current_setting('transaction_read_only') = 'on', (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())`

// Application logs in as the application does, from a container of its own on
// the network of the API, and asks a query.
func Application(ctx context.Context, options pgtools.Options, database string) (found health.Application) {
	found = health.Application{Login: options.Login, From: fmt.Sprintf("at %s on network %s", options.Host, options.Network)}
	err := within(ctx, options, func(tools *pgtools.Container) error {
		var answer bytes.Buffer
		if err := tools.Run(ctx, pgtools.Command{
			Args: []string{"psql", "-X", "-w", "-At", "-d", database, "-c", applicationQuery}, Stdout: &answer,
		}); err != nil {
			return err
		}
		readOnly, encrypted, understood := strings.Cut(strings.TrimSpace(answer.String()), "|")
		if !understood {
			return fmt.Errorf("psql said %q", answer.String())
		}
		found.ReadOnly, found.TLS = readOnly == "t", encrypted == "t"
		return nil
	})
	if err != nil {
		found.Fault = reason(err)
	}
	return found
}

func within(ctx context.Context, options pgtools.Options, do func(*pgtools.Container) error) error {
	tools, err := pgtools.Start(ctx, options)
	if err != nil {
		return err
	}
	return errors.Join(do(tools), tools.Close(ctx))
}

// reason is what a program said, if that is why it failed.
func reason(err error) string {
	var failed *pgtools.Failed
	switch {
	case errors.As(err, &failed) && failed.Stderr != "":
		return failed.Stderr
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time; can it be reached on that network, and by that name?"
	}
	return err.Error()
}

// ApplicationSession asks in a session that the application has opened by itself.
func ApplicationSession(ctx context.Context, session *pgx.Conn) (found health.Application) {
	settings := session.Config()
	found = health.Application{Login: settings.User, From: fmt.Sprintf("at %s:%d", settings.Host, settings.Port)}
	if err := session.QueryRow(ctx, applicationQuery).Scan(&found.ReadOnly, &found.TLS); err != nil {
		found.Fault = err.Error()
	}
	return found
}
