package operation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/engine"
	"github.com/witchcityrope/database/internal/postgres"
)

// droppedRole is a role that an up would drop, with what is in the way.
type droppedRole struct {
	name string
	// owns are the objects that belong to it, as PostgreSQL describes them, those
	// of other databases by number.
	owns []string
	// sessions are those that it has, by process, address and program.
	sessions []string
}

// checkDropped refuses to drop roles that are at work, or that own something,
// unless the stack says who gets it; it returns those that own. It looks at the server before anything is
// changed: afterwards the plugin would quietly give all to the superuser.
func (o *Operation) checkDropped(ctx context.Context, stack *engine.Stack, changes []engine.Change) (owners []string, err error) {
	var names []string
	for _, change := range changes {
		name, _ := change.Before["name"].(string)
		if change.Type == roleType && change.Operation == "delete" && !change.Kept && name != "" {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	session, err := o.superuser(ctx, stack)
	if err != nil {
		return nil, fmt.Errorf("roles %s would be dropped, and whether they are in use cannot be seen: %w", strings.Join(names, ", "), err)
	}
	dropped, err := inTheWay(ctx, session, names)
	if err == nil {
		err = o.refuseDropped(dropped)
	}
	for _, role := range dropped {
		if len(role.owns) > 0 {
			owners = append(owners, role.name)
		}
	}
	return owners, errors.Join(err, session.Close(context.WithoutCancel(ctx)))
}

// refuseDropped says what is in the way, all at once.
func (o *Operation) refuseDropped(dropped []droppedRole) error {
	var reasons []string
	for _, role := range dropped {
		if len(role.sessions) > 0 {
			reasons = append(reasons, fmt.Sprintf("role %s has sessions:\n%s\n  end them, and keep others from coming: ALTER ROLE %s NOLOGIN", role.name,
				indented(role.sessions), postgres.QuoteIdentifier(role.name)))
		}
		if len(role.owns) > 0 && o.config.Access.ReassignTo == "" {
			reasons = append(reasons, fmt.Sprintf("role %s owns:\n%s\n  say who gets it, with access.reassignTo, or drop it", role.name, indented(role.owns)))
		}
	}
	if len(reasons) == 0 {
		return nil
	}
	return fmt.Errorf("stack %s: refused, and nothing was changed:\n%s", o.Stack, strings.Join(reasons, "\n"))
}

// shownOfRole is how much of a list is shown.
const shownOfRole = 20

func indented(lines []string) string {
	if more := len(lines) - shownOfRole; more > 0 {
		lines = append(slices.Clone(lines[:shownOfRole]), fmt.Sprintf("and %d more", more))
	}
	return "    " + strings.Join(lines, "\n    ")
}

// inTheWay looks at what roles own and do, in all databases.
func inTheWay(ctx context.Context, session *pgx.Conn, names []string) ([]droppedRole, error) {
	var found []droppedRole
	for _, name := range names {
		role := droppedRole{name: name}
		var err error
		if role.owns, err = texts(ctx, session, `
			SELECT CASE WHEN dbid = 0 OR datname = current_database() THEN pg_describe_object(classid, objid, objsubid)
				ELSE format('%s objects in database %s', count(*), datname) END
			FROM pg_shdepend LEFT JOIN pg_database ON pg_database.oid = dbid
			WHERE refclassid = 'pg_authid'::regclass AND refobjid = (SELECT oid FROM pg_roles WHERE rolname = $1) AND deptype = 'o'
			GROUP BY dbid, datname, CASE WHEN dbid = 0 OR datname = current_database() THEN (classid, objid, objsubid) END, classid, objid, objsubid
			ORDER BY 1`, name); err != nil {
			return nil, fmt.Errorf("looking at what role %s owns: %w", name, err)
		}
		role.owns = slices.Compact(role.owns)
		if role.sessions, err = texts(ctx, session, `
			SELECT format('process %s from %s in database %s: %s, since %s', pid, coalesce(client_addr::text, 'the socket'), datname,
				coalesce(nullif(application_name, ''), 'no name'), date_trunc('second', backend_start))
			FROM pg_stat_activity WHERE usename = $1 ORDER BY pid`, name); err != nil {
			return nil, fmt.Errorf("looking at the sessions of role %s: %w", name, err)
		}
		found = append(found, role)
	}
	return found, nil
}

func texts(ctx context.Context, session *pgx.Conn, statement string, args ...any) ([]string, error) {
	rows, err := session.Query(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// handOver gives what roles own that are to be dropped to whom the stack says,
// database by database.
func (o *Operation) handOver(ctx context.Context, stack *engine.Stack, owners []string) (err error) {
	if len(owners) == 0 {
		return nil
	}
	heir := o.config.Access.Names().Named(o.config.Access.ReassignTo)[0]
	session, err := o.superuser(ctx, stack)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.Close(context.WithoutCancel(ctx))) }()
	databases, err := texts(ctx, session, "SELECT datname::text FROM pg_database WHERE datallowconn ORDER BY 1")
	if err != nil {
		return err
	}
	for _, database := range databases {
		settings := session.Config().Copy()
		settings.Database = database
		if err := reassign(ctx, settings, owners, heir); err != nil {
			return fmt.Errorf("giving to %s what dropped roles own in database %s: %w", heir, database, err)
		}
	}
	for _, role := range owners {
		o.Report("role %s is dropped; what it owned, %s has now", role, heir)
	}
	return nil
}

func reassign(ctx context.Context, settings *pgx.ConnConfig, roles []string, heir string) error {
	session, err := pgx.ConnectConfig(ctx, settings)
	if err != nil {
		return err
	}
	for _, role := range roles {
		if _, failed := session.Exec(ctx, "REASSIGN OWNED BY "+postgres.QuoteIdentifier(role)+" TO "+postgres.QuoteIdentifier(heir)); failed != nil {
			err = errors.Join(err, failed)
		}
	}
	return errors.Join(err, session.Close(context.WithoutCancel(ctx)))
}
