package pgserver

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/witchcityrope/database/internal/postgres"
)

var (
	_ infer.CustomResource[SessionDefaultArgs, SessionDefaultState] = (*SessionDefault)(nil)
	_ infer.CustomCheck[SessionDefaultArgs]                         = (*SessionDefault)(nil)
	_ infer.CustomRead[SessionDefaultArgs, SessionDefaultState]     = (*SessionDefault)(nil)
	_ infer.CustomUpdate[SessionDefaultArgs, SessionDefaultState]   = (*SessionDefault)(nil)
	_ infer.CustomDelete[SessionDefaultState]                       = (*SessionDefault)(nil)
)

// SessionDefault is what a setting is in the new sessions of a role, of a database, or of a role in a
// database.
type SessionDefault struct{ server dialer }

// SessionDefaultArgs are the inputs of SessionDefault.
type SessionDefaultArgs struct {
	Role     *string `pulumi:"role,optional" provider:"replaceOnChanges"`
	Database *string `pulumi:"database,optional" provider:"replaceOnChanges"`
	Name     string  `pulumi:"name" provider:"replaceOnChanges"`
	Value    string  `pulumi:"value"`
}

// SessionDefaultState is the state of SessionDefault.
type SessionDefaultState struct{ SessionDefaultArgs }

// Annotate describes the resource.
func (r *SessionDefault) Annotate(a infer.Annotator) {
	a.Describe(&r, "What a setting is in new sessions: ALTER ROLE ... SET, ALTER ROLE ... IN DATABASE ... SET or ALTER DATABASE ... SET. "+
		"Sessions that are there already keep what they have. Deleting it resets the setting. "+
		"It is imported as role/database/name, each of the two first empty where it is not given, and written as in a URL.")
}

// Annotate describes the inputs.
func (args *SessionDefaultArgs) Annotate(a infer.Annotator) {
	a.Describe(&args.Role, "Role whose sessions have it; those of all roles if not given.")
	a.Describe(&args.Database, "Database whose sessions have it; those of all databases if not given.")
	a.Describe(&args.Name, "Name of the setting, for example statement_timeout.")
	a.Describe(&args.Value, "Its value, as in postgresql.conf but without quotes, for example 30s.")
}

// Check reports all faults of the inputs.
func (*SessionDefault) Check(ctx context.Context, request infer.CheckRequest) (infer.CheckResponse[SessionDefaultArgs], error) {
	args, failures, err := infer.DefaultCheck[SessionDefaultArgs](ctx, request.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[SessionDefaultArgs]{Inputs: args, Failures: failures}, err
	}
	failures = append(failures, settingNameFaults(args.Name)...)
	names := map[string]string{}
	for property, name := range map[string]*string{"role": args.Role, "database": args.Database} {
		if name != nil {
			names[property] = *name
		}
	}
	failures = append(failures, identifierFaults(names)...)
	_, hasRole := request.NewInputs.GetOk("role")
	_, hasDatabase := request.NewInputs.GetOk("database")
	if !hasRole && !hasDatabase {
		failures = append(failures, p.CheckFailure{
			Property: "role", Reason: "is not given, nor is database; name one or both, or use a SystemSetting for the whole server",
		})
	}
	return infer.CheckResponse[SessionDefaultArgs]{Inputs: args, Failures: onlyKnown(request.NewInputs, failures)}, nil
}

// Create makes the default.
func (r *SessionDefault) Create(ctx context.Context, request infer.CreateRequest[SessionDefaultArgs]) (infer.CreateResponse[SessionDefaultState], error) {
	return created(request, request.Inputs.id(), SessionDefaultState{request.Inputs}, func() error { return r.apply(ctx, request.Inputs) })
}

// Update makes it again.
func (r *SessionDefault) Update(ctx context.Context, request infer.UpdateRequest[SessionDefaultArgs, SessionDefaultState]) (infer.UpdateResponse[SessionDefaultState], error) {
	return updated(request, SessionDefaultState{request.Inputs}, func() error { return r.apply(ctx, request.Inputs) })
}

// Read finds what the default is: nothing means that it is gone, or its role or database.
func (r *SessionDefault) Read(ctx context.Context, request infer.ReadRequest[SessionDefaultArgs, SessionDefaultState]) (infer.ReadResponse[SessionDefaultArgs, SessionDefaultState], error) {
	var response infer.ReadResponse[SessionDefaultArgs, SessionDefaultState]
	args, err := parseSessionDefaultID(request.ID)
	if err != nil {
		return response, err
	}
	err = r.server.with(ctx, infer.GetConfig[Config](ctx), func(s *session) error {
		found, err := sessionDefault(ctx, s.Conn, args)
		if err != nil || found == nil {
			return err
		}
		settings, err := s.facts(ctx, []string{args.Name})
		if err != nil {
			return err
		}
		args.Value = *found
		if settings[0].Same(args.Value, request.Inputs.Value) {
			args.Value = request.Inputs.Value
		}
		response.ID, response.Inputs, response.State = request.ID, args, SessionDefaultState{args}
		return nil
	})
	return response, err
}

// Delete resets the setting; where its role or database is gone, so is the default.
func (r *SessionDefault) Delete(ctx context.Context, request infer.DeleteRequest[SessionDefaultState]) (infer.DeleteResponse, error) {
	args := request.State.SessionDefaultArgs
	err := r.alter(ctx, args, args.subject()+" RESET "+quoteSettingName(args.Name), nil)
	if isCode(err, undefinedObject, unknownDatabase) {
		err = nil
	}
	return infer.DeleteResponse{}, err
}

func (r *SessionDefault) apply(ctx context.Context, args SessionDefaultArgs) error {
	return r.alter(ctx, args, args.subject()+" SET "+quoteSettingName(args.Name)+" = "+postgres.QuoteSetting(args.Name, args.Value), &args.Value)
}

// sessionDefaults is the key of the lock under which defaults are altered, one after the other: they
// share a row of pg_db_role_setting, and PostgreSQL refuses to let two change it at once.
const sessionDefaults = 0x7067736572766572

// concurrentUpdates is how often somebody else's change of the same row is let go first.
const concurrentUpdates = 5

// alter executes a statement and proves that the default is then as wanted, or it undoes it.
func (r *SessionDefault) alter(ctx context.Context, args SessionDefaultArgs, statement string, want *string) error {
	return r.server.silently(ctx, func(s *session) error {
		change := func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(sessionDefaults)); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
			found, err := sessionDefault(ctx, tx, args)
			switch {
			case err != nil:
				return err
			case want == nil && found != nil:
				return fmt.Errorf("after the reset it is still %q", *found)
			case want != nil && found == nil:
				return errors.New("the server has not kept it in pg_db_role_setting")
			case want != nil && !postgres.SameSetting(args.Name, *found, *want):
				return fmt.Errorf("the server has kept %q instead of %q", *found, *want)
			}
			return nil
		}
		err := s.inTransaction(ctx, change)
		for attempt := 1; attempt < concurrentUpdates && isConcurrentUpdate(err); attempt++ {
			err = s.inTransaction(ctx, change)
		}
		if err != nil {
			return fmt.Errorf("%s: %w%s", args, err, sessionDefaultRemedy(err, args.Name))
		}
		if want != nil {
			return s.warnOfUnknown(ctx, args)
		}
		return nil
	})
}

// isConcurrentUpdate says that somebody else changed the same row of the catalogue at the same time:
// "tuple concurrently updated", which has no code of its own, or the row was new.
func isConcurrentUpdate(err error) bool {
	return isCode(err, uniqueViolation) || isCode(err, internalError) && strings.Contains(err.Error(), "concurrently")
}

func sessionDefaultRemedy(err error, name string) string {
	switch {
	case isCode(err, cannotChangeNow):
		return ". It holds for the whole server; make it a setting of the server"
	case isCode(err, insufficientPrivilege):
		return ". Let the provider log in as a superuser, or as an owner of the role or database who may set it: GRANT SET ON PARAMETER " + name
	}
	return ""
}

// warnOfUnknown warns of a setting that the server keeps although it does not know it. A library that a
// session loads later may.
func (s *session) warnOfUnknown(ctx context.Context, args SessionDefaultArgs) error {
	library, _, qualified := strings.Cut(args.Name, ".")
	if !qualified {
		return nil
	}
	settings, err := s.facts(ctx, []string{args.Name})
	if err != nil {
		return err
	}
	if settings[0].Context == "" {
		p.GetLogger(ctx).Warningf("%s: no library that the server has loaded knows this setting, so its value was not checked. "+
			"If it belongs to a library, add %s to session_preload_libraries or shared_preload_libraries; "+
			"if the application reads it by itself, all is well", args, library)
	}
	return nil
}

// querier is a session or a transaction.
type querier interface {
	Query(ctx context.Context, statement string, args ...any) (pgx.Rows, error)
}

// sessionDefault returns the value that the catalogue has, or nil where there is none.
func sessionDefault(ctx context.Context, from querier, args SessionDefaultArgs) (*string, error) {
	rows, err := from.Query(ctx, `
		SELECT substr(assignment, strpos(assignment, '=') + 1)
		FROM pg_db_role_setting, unnest(setconfig) AS assignment
		WHERE setrole = CASE WHEN $1::text IS NULL THEN 0 ELSE (SELECT oid FROM pg_roles WHERE rolname = $1) END
		AND setdatabase = CASE WHEN $2::text IS NULL THEN 0 ELSE (SELECT oid FROM pg_database WHERE datname = $2) END
		AND lower(split_part(assignment, '=', 1)) = lower($3)`, args.Role, args.Database, args.Name)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", args, explain(err))
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(found) == 0 {
		return nil, explain(err)
	}
	return &found[0], nil
}

// subject is the beginning of the statement that alters the default.
func (args SessionDefaultArgs) subject() string {
	switch {
	case args.Role == nil:
		return "ALTER DATABASE " + postgres.QuoteIdentifier(*args.Database)
	case args.Database == nil:
		return "ALTER ROLE " + postgres.QuoteIdentifier(*args.Role)
	}
	return "ALTER ROLE " + postgres.QuoteIdentifier(*args.Role) + " IN DATABASE " + postgres.QuoteIdentifier(*args.Database)
}

// String says for messages whose default it is.
func (args SessionDefaultArgs) String() string {
	var of []string
	if args.Role != nil {
		of = append(of, fmt.Sprintf("role %q", *args.Role))
	}
	if args.Database != nil {
		of = append(of, fmt.Sprintf("database %q", *args.Database))
	}
	return fmt.Sprintf("setting %s of %s", args.Name, strings.Join(of, " in "))
}

func (args SessionDefaultArgs) id() string {
	part := func(name *string) string {
		if name == nil {
			return ""
		}
		return url.PathEscape(*name)
	}
	return part(args.Role) + "/" + part(args.Database) + "/" + args.Name
}

func parseSessionDefaultID(id string) (SessionDefaultArgs, error) {
	parts := strings.Split(id, "/")
	fault := fmt.Errorf("%q does not name a default; write role/database/name, for example app//statement_timeout or /app/work_mem", id)
	if len(parts) != 3 || parts[0] == "" && parts[1] == "" || !settingName.MatchString(parts[2]) {
		return SessionDefaultArgs{}, fault
	}
	args := SessionDefaultArgs{Name: parts[2]}
	for i, to := range []**string{&args.Role, &args.Database} {
		if parts[i] == "" {
			continue
		}
		name, err := url.PathUnescape(parts[i])
		if err != nil {
			return SessionDefaultArgs{}, errors.Join(fault, err)
		}
		*to = &name
	}
	return args, nil
}
