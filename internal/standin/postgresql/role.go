package postgresql

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/witchcityrope/database/internal/postgres"
)

// forever is the validity of a password that does not end.
const forever = "infinity"

// Role is a role of the server.
type Role struct{ server *server }

// RoleArgs are the inputs of a Role.
type RoleArgs struct {
	Name                            *string  `pulumi:"name,optional"`
	Login                           *bool    `pulumi:"login,optional"`
	Password                        *string  `pulumi:"password,optional"`
	Superuser                       *bool    `pulumi:"superuser,optional"`
	CreateDatabase                  *bool    `pulumi:"createDatabase,optional"`
	CreateRole                      *bool    `pulumi:"createRole,optional"`
	Inherit                         *bool    `pulumi:"inherit,optional"`
	Replication                     *bool    `pulumi:"replication,optional"`
	BypassRowLevelSecurity          *bool    `pulumi:"bypassRowLevelSecurity,optional"`
	ConnectionLimit                 *int     `pulumi:"connectionLimit,optional"`
	ValidUntil                      *string  `pulumi:"validUntil,optional"`
	Roles                           []string `pulumi:"roles,optional"`
	SearchPaths                     []string `pulumi:"searchPaths,optional"`
	StatementTimeout                *int     `pulumi:"statementTimeout,optional"`
	IdleInTransactionSessionTimeout *int     `pulumi:"idleInTransactionSessionTimeout,optional"`
	AssumeRole                      *string  `pulumi:"assumeRole,optional"`
	SkipReassignOwned               *bool    `pulumi:"skipReassignOwned,optional"`
	SkipDropRole                    *bool    `pulumi:"skipDropRole,optional"`
}

// RoleState is a Role as it is kept.
type RoleState struct{ RoleArgs }

// Annotate gives the published token.
func (r *Role) Annotate(a infer.Annotator) { a.SetToken("index/role", "Role") }

// Create creates the role. A role that exists is somebody's: it is an error.
func (r *Role) Create(ctx context.Context, req infer.CreateRequest[RoleArgs]) (infer.CreateResponse[RoleState], error) {
	state := RoleState{RoleArgs: req.Inputs}
	if state.Name == nil {
		state.Name = &req.Name
	}
	if req.DryRun {
		return infer.CreateResponse[RoleState]{Output: state}, nil
	}
	name := *state.Name
	err := r.server.write(ctx, "", func(tx pgx.Tx) error {
		statement := "CREATE ROLE " + postgres.QuoteIdentifier(name) + " WITH " + strings.Join(state.options(), " ")
		if _, err := tx.Exec(ctx, statement); err != nil {
			return err
		}
		return state.settle(ctx, tx)
	})
	if err != nil {
		return infer.CreateResponse[RoleState]{}, fmt.Errorf("creating role %s: %w", name, err)
	}
	return infer.CreateResponse[RoleState]{ID: name, Output: state}, nil
}

// Update changes what differs, in one transaction.
func (r *Role) Update(
	ctx context.Context, req infer.UpdateRequest[RoleArgs, RoleState],
) (infer.UpdateResponse[RoleState], error) {
	state := RoleState{RoleArgs: req.Inputs}
	if state.Name == nil {
		state.Name = req.State.Name
	}
	if req.DryRun {
		return infer.UpdateResponse[RoleState]{Output: state}, nil
	}
	before, name := value(req.State.Name), *state.Name
	err := r.server.write(ctx, "", func(tx pgx.Tx) error {
		if before != name {
			rename := "ALTER ROLE " + postgres.QuoteIdentifier(before) + " RENAME TO " + postgres.QuoteIdentifier(name)
			if _, err := tx.Exec(ctx, rename); err != nil {
				return err
			}
		}
		if changed := state.changed(req.State.RoleArgs); len(changed) > 0 {
			alter := "ALTER ROLE " + postgres.QuoteIdentifier(name) + " WITH " + strings.Join(changed, " ")
			if _, err := tx.Exec(ctx, alter); err != nil {
				return err
			}
		}
		return state.settle(ctx, tx)
	})
	if err != nil {
		return infer.UpdateResponse[RoleState]{}, fmt.Errorf("changing role %s: %w", name, err)
	}
	return infer.UpdateResponse[RoleState]{Output: state}, nil
}

// Delete hands what the role owns in the provider's database to the provider's user and drops the role.
func (r *Role) Delete(ctx context.Context, req infer.DeleteRequest[RoleState]) (infer.DeleteResponse, error) {
	name := value(req.State.Name)
	err := r.server.write(ctx, "", func(tx pgx.Tx) error {
		there, err := exists(ctx, tx, "SELECT FROM pg_catalog.pg_roles WHERE rolname = $1", name)
		if err != nil || !there {
			return err
		}
		quoted := postgres.QuoteIdentifier(name)
		if !value(req.State.SkipReassignOwned) {
			err := borrow(ctx, tx, []string{name}, func() error {
				_, err := tx.Exec(ctx, "REASSIGN OWNED BY "+quoted+" TO CURRENT_USER; DROP OWNED BY "+quoted)
				return err
			})
			if err != nil {
				return err
			}
		}
		if value(req.State.SkipDropRole) {
			return nil
		}
		_, err = tx.Exec(ctx, "DROP ROLE "+quoted)
		return err
	})
	if err != nil {
		return infer.DeleteResponse{}, fmt.Errorf("dropping role %s: %w", name, err)
	}
	return infer.DeleteResponse{}, nil
}

// options are the clauses of CREATE ROLE and ALTER ROLE, always as many and in the same order.
func (a RoleArgs) options() []string {
	flag := func(input *bool, otherwise bool, name string) string {
		if or(input, otherwise) {
			return name
		}
		return "NO" + name
	}
	return []string{
		a.passwordOption(),
		"VALID UNTIL " + postgres.QuoteLiteral(or(a.ValidUntil, forever)),
		"CONNECTION LIMIT " + strconv.Itoa(or(a.ConnectionLimit, -1)),
		flag(a.Superuser, false, "SUPERUSER"), flag(a.CreateDatabase, false, "CREATEDB"),
		flag(a.CreateRole, false, "CREATEROLE"), flag(a.Inherit, true, "INHERIT"), flag(a.Login, false, "LOGIN"),
		flag(a.BypassRowLevelSecurity, false, "BYPASSRLS"), flag(a.Replication, false, "REPLICATION"),
	}
}

// passwordOption leaves the password alone when none is given.
func (a RoleArgs) passwordOption() string {
	switch password := value(a.Password); {
	case password == "":
		return ""
	case strings.EqualFold(password, "NULL"):
		return "PASSWORD NULL"
	default:
		return "PASSWORD " + postgres.QuoteLiteral(password)
	}
}

// changed are the clauses that differ from those before. Only these are sent: some are for superusers, even unchanged.
func (a RoleArgs) changed(before RoleArgs) []string {
	var changed []string
	olds := before.options()
	for i, option := range a.options() {
		if option != olds[i] && option != "" {
			changed = append(changed, option)
		}
	}
	return changed
}

// settle makes memberships and settings of the role what they should be.
func (a RoleArgs) settle(ctx context.Context, tx pgx.Tx) error {
	if err := a.settleMemberships(ctx, tx); err != nil {
		return err
	}
	quoted := make([]string, len(a.SearchPaths))
	for i, path := range a.SearchPaths {
		quoted[i] = postgres.QuoteIdentifier(path)
	}
	role := ""
	if value(a.AssumeRole) != "" {
		role = postgres.QuoteIdentifier(*a.AssumeRole)
	}
	for _, setting := range []struct{ name, value string }{
		{"search_path", strings.Join(quoted, ", ")},
		{"statement_timeout", milliseconds(a.StatementTimeout)},
		{"idle_in_transaction_session_timeout", milliseconds(a.IdleInTransactionSessionTimeout)},
		{"role", role},
	} {
		statement := "ALTER ROLE " + postgres.QuoteIdentifier(*a.Name)
		if setting.value == "" {
			statement += " RESET " + setting.name
		} else {
			statement += " SET " + setting.name + " TO " + setting.value
		}
		if _, err := tx.Exec(ctx, statement); err != nil {
			return fmt.Errorf("setting %s: %w", setting.name, err)
		}
	}
	return nil
}

// settleMemberships revokes all memberships and grants those declared, as the
// published plugin does whenever it changes a role: options are the usual ones
// afterwards.
func (a RoleArgs) settleMemberships(ctx context.Context, tx pgx.Tx) error {
	actual, err := memberships(ctx, tx, *a.Name)
	if err != nil {
		return err
	}
	member := postgres.QuoteIdentifier(*a.Name)
	for _, role := range actual {
		if _, err := tx.Exec(ctx, "REVOKE "+postgres.QuoteIdentifier(role)+" FROM "+member); err != nil {
			return fmt.Errorf("leaving role %s: %w", role, err)
		}
	}
	for _, role := range a.Roles {
		if _, err := tx.Exec(ctx, "GRANT "+postgres.QuoteIdentifier(role)+" TO "+member); err != nil {
			return fmt.Errorf("joining role %s: %w", role, err)
		}
	}
	return nil
}

func memberships(ctx context.Context, tx pgx.Tx, name string) ([]string, error) {
	rows, err := tx.Query(ctx, `
		SELECT DISTINCT pg_get_userbyid(membership.roleid)::text
		FROM pg_catalog.pg_auth_members AS membership JOIN pg_catalog.pg_roles AS role ON membership.member = role.oid
		WHERE role.rolname = $1 ORDER BY 1`, name)
	if err != nil {
		return nil, fmt.Errorf("reading the memberships of role %s: %w", name, err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func milliseconds(time *int) string {
	if value(time) == 0 {
		return ""
	}
	return strconv.Itoa(*time)
}

// value returns what a pointer points to, or the zero value.
func value[T any](pointer *T) T {
	var zero T
	return or(pointer, zero)
}

// or returns what a pointer points to, or the default.
func or[T any](pointer *T, otherwise T) T {
	if pointer == nil {
		return otherwise
	}
	return *pointer
}
