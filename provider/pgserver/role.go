package pgserver

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/postgres"
)

// role is all that makes a role what it is, apart from what it owns and what was granted to it.
type role struct {
	name                                         string
	login, superuser, createDB, createRole       bool
	inherit, replication, bypassRowLevelSecurity bool
	connectionLimit                              int
	validUntil, password                         *string
	settings                                     []roleSetting
}

// roleSetting is a setting that a role has in one database, or in all of them.
type roleSetting struct{ database, name, value string }

type roleList []role

func (roles roleList) names() []string {
	names := make([]string, len(roles))
	for i, role := range roles {
		names[i] = role.name
	}
	return names
}

// inspect returns those of the named roles that exist.
func inspect(ctx context.Context, tx pgx.Tx, names []string) (roleList, error) {
	rows, err := tx.Query(ctx, `SELECT rolname, rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolinherit, rolreplication,
			rolbypassrls, rolconnlimit, rolvaliduntil::text, rolpassword
		FROM pg_authid WHERE rolname = ANY($1::text[]) ORDER BY rolname`, names)
	if err != nil {
		return nil, fmt.Errorf("reading roles: %w", err)
	}
	roles, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r role, err error) {
		return r, row.Scan(&r.name, &r.login, &r.superuser, &r.createDB, &r.createRole, &r.inherit, &r.replication,
			&r.bypassRowLevelSecurity, &r.connectionLimit, &r.validUntil, &r.password)
	})
	if err != nil {
		return nil, fmt.Errorf("reading roles: %w", err)
	}
	for i := range roles {
		if roles[i].settings, err = settingsOf(ctx, tx, roles[i].name); err != nil {
			return nil, err
		}
	}
	return roles, nil
}

func settingsOf(ctx context.Context, tx pgx.Tx, name string) ([]roleSetting, error) {
	rows, err := tx.Query(ctx, `SELECT coalesce(d.datname, ''), s.assignment
		FROM pg_db_role_setting AS c
		JOIN pg_roles AS r ON r.oid = c.setrole
		LEFT JOIN pg_database AS d ON d.oid = c.setdatabase
		CROSS JOIN LATERAL unnest(c.setconfig) AS s (assignment)
		WHERE r.rolname = $1 ORDER BY 1, 2`, name)
	if err != nil {
		return nil, fmt.Errorf("reading the settings of role %q: %w", name, err)
	}
	settings, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s roleSetting, err error) {
		var assignment string
		err = row.Scan(&s.database, &assignment)
		s.name, s.value, _ = strings.Cut(assignment, "=")
		return s, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the settings of role %q: %w", name, err)
	}
	return settings, nil
}

// impose gives the role that now has this name all the attributes and settings that r describes.
func (r role) impose(ctx context.Context, tx pgx.Tx) error {
	statements := []string{r.attributes()}
	old, err := settingsOf(ctx, tx, r.name)
	if err != nil {
		return err
	}
	for _, setting := range old {
		statements = append(statements, r.alter(setting.database)+" RESET ALL")
	}
	for _, setting := range r.settings {
		statements = append(statements, r.alter(setting.database)+" SET "+postgres.QuoteIdentifier(setting.name)+
			" = "+postgres.QuoteSetting(setting.name, setting.value))
	}
	for _, statement := range slices.Compact(statements) {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return fmt.Errorf("giving role %q what the one created in its place has: %w", r.name, err)
		}
	}
	return nil
}

func (r role) alter(database string) string {
	statement := "ALTER ROLE " + postgres.QuoteIdentifier(r.name)
	if database != "" {
		statement += " IN DATABASE " + postgres.QuoteIdentifier(database)
	}
	return statement
}

// attributes is the statement that sets every attribute. Validity for ever is written as infinity.
func (r role) attributes() string {
	word := func(has bool, name string) string {
		if has {
			return name
		}
		return "NO" + name
	}
	validUntil, password := "infinity", "PASSWORD NULL"
	if r.login {
		password = "" // a login that nobody gave a password keeps the one that it had
	}
	if r.validUntil != nil {
		validUntil = *r.validUntil
	}
	if r.password != nil {
		password = "PASSWORD " + postgres.QuoteLiteral(*r.password)
	}
	return strings.Join([]string{
		r.alter(""), "WITH",
		word(r.login, "LOGIN"), word(r.superuser, "SUPERUSER"), word(r.createDB, "CREATEDB"), word(r.createRole, "CREATEROLE"),
		word(r.inherit, "INHERIT"), word(r.replication, "REPLICATION"), word(r.bypassRowLevelSecurity, "BYPASSRLS"),
		fmt.Sprintf("CONNECTION LIMIT %d", r.connectionLimit),
		"VALID UNTIL " + postgres.QuoteLiteral(validUntil),
		password,
	}, " ")
}
