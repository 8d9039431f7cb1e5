package postgresql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/pulumi/pulumi-go-provider/infer"
)

// Read finds a role that is gone or was changed, its password included.
func (r *Role) Read(
	ctx context.Context, req infer.ReadRequest[RoleArgs, RoleState],
) (infer.ReadResponse[RoleArgs, RoleState], error) {
	imported := req.Inputs.Name == nil && req.State.Name == nil
	name := or(req.State.Name, req.ID)
	there := false
	err := r.server.read(ctx, "", func(tx pgx.Tx) (err error) {
		there, err = req.Inputs.observe(ctx, tx, name, r.server.superuser())
		return err
	})
	if err != nil {
		return infer.ReadResponse[RoleArgs, RoleState]{}, fmt.Errorf("reading role %s: %w", name, err)
	}
	if !there {
		return infer.ReadResponse[RoleArgs, RoleState]{}, nil
	}
	if imported {
		req.Inputs.Name = &name
	}
	req.State.RoleArgs = req.Inputs
	req.State.Name = &name
	return infer.ReadResponse[RoleArgs, RoleState]{ID: name, Inputs: req.Inputs, State: req.State}, nil
}

// observe puts what really is into the inputs, wherever it differs from what they ask for.
func (a *RoleArgs) observe(ctx context.Context, tx pgx.Tx, name string, superuser bool) (there bool, err error) {
	var super, create, createRole, inherit, login, replication, bypass, sameValidity bool
	var limit int
	var validUntil string
	var config []string
	err = tx.QueryRow(ctx, `
		SELECT rolsuper, rolcreatedb, rolcreaterole, rolinherit, rolcanlogin, rolreplication, rolbypassrls, rolconnlimit,
			COALESCE(rolvaliduntil::text, 'infinity'), COALESCE(rolvaliduntil, 'infinity') = $2::text::timestamptz,
			COALESCE(rolconfig, '{}')
		FROM pg_catalog.pg_roles WHERE rolname = $1`, name, or(a.ValidUntil, forever)).
		Scan(&super, &create, &createRole, &inherit, &login, &replication, &bypass, &limit, &validUntil, &sameValidity, &config)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	drift(&a.Superuser, super, false)
	drift(&a.CreateDatabase, create, false)
	drift(&a.CreateRole, createRole, false)
	drift(&a.Inherit, inherit, true)
	drift(&a.Login, login, false)
	drift(&a.Replication, replication, false)
	drift(&a.BypassRowLevelSecurity, bypass, false)
	drift(&a.ConnectionLimit, limit, -1)
	if !sameValidity {
		a.ValidUntil = &validUntil
	}
	if err := a.observeConfig(config); err != nil {
		return true, err
	}
	actual, err := memberships(ctx, tx, name)
	if err != nil {
		return true, err
	}
	if !slices.Equal(slices.Sorted(slices.Values(a.Roles)), slices.Sorted(slices.Values(actual))) {
		a.Roles = actual
	}
	if superuser && login && isVerifier(value(a.Password)) {
		err = a.observePassword(ctx, tx, name)
	}
	return true, err
}

// observePassword compares verifiers byte for byte. Of a password in clear text, as the published provider, it knows nothing.
func (a *RoleArgs) observePassword(ctx context.Context, tx pgx.Tx, name string) error {
	var verifier string
	err := tx.QueryRow(ctx, "SELECT COALESCE(rolpassword, '') FROM pg_catalog.pg_authid WHERE rolname = $1", name).Scan(&verifier)
	if err != nil {
		return fmt.Errorf("reading the password verifier (set the provider's superuser to false if its user may not): %w", err)
	}
	drift(&a.Password, verifier, "")
	return nil
}

func isVerifier(password string) bool {
	return strings.HasPrefix(password, "SCRAM-SHA-256$") || strings.HasPrefix(password, "md5")
}

func (a *RoleArgs) observeConfig(config []string) error {
	actual := map[string]string{}
	for _, entry := range config {
		name, setting, _ := strings.Cut(entry, "=")
		actual[name] = setting
	}
	var paths []string
	if actual["search_path"] != "" {
		for path := range strings.SplitSeq(actual["search_path"], ", ") {
			paths = append(paths, strings.Trim(path, `"`))
		}
	}
	if !slices.Equal(paths, a.SearchPaths) {
		a.SearchPaths = paths
	}
	drift(&a.AssumeRole, strings.Trim(actual["role"], `"`), "")
	for name, input := range map[string]**int{
		"statement_timeout": &a.StatementTimeout, "idle_in_transaction_session_timeout": &a.IdleInTransactionSessionTimeout,
	} {
		timeout := 0
		if text := actual[name]; text != "" {
			var err error
			if timeout, err = strconv.Atoi(text); err != nil {
				return fmt.Errorf("%s of the role is %q, not a number of milliseconds; set it to one", name, text)
			}
		}
		drift(input, timeout, 0)
	}
	return nil
}

// drift replaces an input by what really is, when that differs from what the input, or its default, asks for.
func drift[T comparable](input **T, actual, otherwise T) {
	if or(*input, otherwise) != actual {
		*input = &actual
	}
}
