package operation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/engine"
	"github.com/witchcityrope/database/internal/password"
	"github.com/witchcityrope/database/internal/postgres"
)

// slotSession is a session of a login that is about to get another password.
type slotSession struct {
	login, from, application, state, since string
	pid                                    int
}

func (s slotSession) String() string {
	return fmt.Sprintf("  %s: pid %d from %s, application %q, %s, since %s", s.login, s.pid, s.from, s.application, s.state, s.since)
}

// checkSlots is slotsFree where there is a server that could have sessions.
func (o *Operation) checkSlots(ctx context.Context, stack *engine.Stack, recovery *recovery, found finding) ([]string, error) {
	if recovery == nil || found.gone {
		return nil, nil
	}
	state, err := stack.State(ctx)
	if err != nil {
		return nil, err
	}
	container, known := state.Find(containerType)
	if !known {
		return nil, nil
	}
	return o.slotsFree(ctx, recovery, string(container.ID))
}

// slotsFree looks for sessions of logins whose turn it is again: they belong
// to clients that missed the rotation before, and cannot log in any more once
// this one is done. It returns the logins whose sessions are to be ended.
func (o *Operation) slotsFree(ctx context.Context, recovery *recovery, container string) (ending []string, err error) {
	connection, err := recovery.server(container).Superuser(ctx, "postgres")
	if err != nil {
		return nil, err
	}
	defer connection.Close(context.WithoutCancel(ctx))
	reused, err := o.reusedSlots(ctx, connection, recovery.derivation)
	if err != nil || len(reused) == 0 {
		return nil, err
	}
	if err := o.slotsOwnNothing(ctx, connection, reused); err != nil {
		return nil, err
	}
	sessions, err := sessionsOf(ctx, connection, reused)
	if err != nil || len(sessions) == 0 {
		return nil, err
	}
	var lines []string
	for _, session := range sessions {
		lines = append(lines, session.String())
	}
	switch list := strings.Join(lines, "\n"); {
	case o.EndSessions:
		o.Report("sessions that are ended once their login has its next password:\n%s", list)
		return reused, nil
	case o.ReuseSlots:
		o.Report("sessions that cannot log in again once their login has its next password:\n%s", list)
		return nil, nil
	default:
		return nil, fmt.Errorf("stack %s: logins get their next password (%s), and are still in use by clients that have not moved to the other login since the last rotation; nothing was changed:\n%s\n"+
			"Restart those clients with the present outputs (wcrdb outputs -s %[1]s), or say what becomes of the sessions: --force lets them live until they end, --terminate ends them",
			o.Stack, strings.Join(reused, ", "), list)
	}
}

// slotsOwnNothing refuses to rotate the logins of a client one of which owns
// something: only it could change or drop that, and clients leave it. Where the
// application may create databases, it owns them.
func (o *Operation) slotsOwnNothing(ctx context.Context, connection *pgx.Conn, reused []string) error {
	names := o.config.Access.Names()
	var logins []string
	for _, client := range config.LoginNames {
		slots, has := names.Slots(client)
		if !has || client == "app" && o.config.Access.Application.CreateDatabases {
			continue
		}
		if slices.Contains(reused, slots[0]) || slices.Contains(reused, slots[1]) {
			logins = append(logins, slots[:]...)
		}
	}
	roles, err := inTheWay(ctx, connection, logins)
	if err != nil {
		return err
	}
	var reasons []string
	for _, role := range roles {
		if len(role.owns) > 0 {
			reasons = append(reasons, fmt.Sprintf("login %s owns:\n%s\n  in that database, as superuser: REASSIGN OWNED BY %s TO %s", role.name, indented(role.owns),
				postgres.QuoteIdentifier(role.name), postgres.QuoteIdentifier(names.Owner)))
		}
	}
	if len(reasons) == 0 {
		return nil
	}
	return fmt.Errorf("stack %s: clients are to move to their other login, which could not change what this one owns; nothing was changed:\n%s", o.Stack, strings.Join(reasons, "\n"))
}

// reusedSlots are the logins of clients with two that have a password of
// another generation than the stack file wants.
func (o *Operation) reusedSlots(ctx context.Context, connection *pgx.Conn, derivation *password.Derivation) ([]string, error) {
	names := o.config.Access.Names()
	var reused []string
	for _, client := range config.LoginNames {
		slots, has := names.Slots(client)
		if !has {
			continue
		}
		for _, slot := range slots {
			var verifier string
			err := connection.QueryRow(ctx, "SELECT coalesce(rolpassword, '') FROM pg_authid WHERE rolname = $1", slot).Scan(&verifier)
			if errors.Is(err, pgx.ErrNoRows) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("login %s: %w", slot, err)
			}
			wanted := names.Generation(slot)
			if generation, ours := derivation.GenerationOf(slot, verifier, wanted); ours && generation != wanted { // else somebody changed it by hand
				reused = append(reused, slot)
			}
		}
	}
	return reused, nil
}

func sessionsOf(ctx context.Context, connection *pgx.Conn, logins []string) ([]slotSession, error) {
	rows, err := connection.Query(ctx, `SELECT usename, pid, coalesce(host(client_addr), 'the socket'), application_name,
			coalesce(state, 'starting'), to_char(backend_start, 'YYYY-MM-DD HH24:MI:SS')
		FROM pg_stat_activity WHERE usename = ANY($1::text[]) ORDER BY usename, backend_start`, logins)
	if err != nil {
		return nil, fmt.Errorf("sessions of %s: %w", strings.Join(logins, ", "), err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (s slotSession, err error) {
		return s, row.Scan(&s.login, &s.pid, &s.from, &s.application, &s.state, &s.since)
	})
}

// endSessions ends the sessions of logins that have their next password, which nobody has been told yet.
func (o *Operation) endSessions(ctx context.Context, recovery *recovery, logins []string) error {
	if len(logins) == 0 {
		return nil
	}
	connection, err := recovery.server(o.config.Server.Name).Superuser(ctx, "postgres")
	if err != nil {
		return err
	}
	defer connection.Close(context.WithoutCancel(ctx))
	_, err = connection.Exec(ctx, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = ANY($1::text[])", logins)
	if err != nil {
		return fmt.Errorf("ending the sessions of %s: %w", strings.Join(logins, ", "), err)
	}
	return nil
}
