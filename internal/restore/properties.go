package restore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/postgres"
)

// properties are what belongs to a database and stands outside of it: a dump of
// its contents does not have them.
type properties struct {
	owner      string
	limit      int
	privileges []privilege
	settings   []setting
	comment    *string
}

type privilege struct {
	Grantee   string // quoted, or PUBLIC
	Privilege string
	Grantable bool
}

type setting struct {
	Role string // quoted; "" for all
	Line string // name=value
}

func readProperties(ctx context.Context, tx pgx.Tx, database string) (properties, error) {
	var found properties
	err := tx.QueryRow(ctx, `SELECT pg_get_userbyid(datdba), datconnlimit, shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1`, database).
		Scan(&found.owner, &found.limit, &found.comment)
	if err != nil {
		return found, fmt.Errorf("database %s: %w", database, err)
	}
	rows, err := tx.Query(ctx, `
		SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END, privilege_type, is_grantable
		FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) WHERE datname = $1 AND grantee <> datdba ORDER BY 1, 2`, database)
	if err == nil {
		found.privileges, err = pgx.CollectRows(rows, pgx.RowToStructByPos[privilege])
	}
	if err != nil {
		return found, fmt.Errorf("privileges of database %s: %w", database, err)
	}
	rows, err = tx.Query(ctx, `
		SELECT CASE setrole WHEN 0 THEN '' ELSE quote_ident(pg_get_userbyid(setrole)) END, line
		FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase, unnest(setconfig) WITH ORDINALITY AS lines (line, n) WHERE datname = $1 ORDER BY 1, n`, database)
	if err == nil {
		found.settings, err = pgx.CollectRows(rows, pgx.RowToStructByPos[setting])
	}
	if err != nil {
		return found, fmt.Errorf("settings of database %s: %w", database, err)
	}
	return found, nil
}

// grantees are whom something is granted to, but everybody.
func (p properties) grantees() []string {
	var names []string
	for _, privilege := range p.privileges {
		if privilege.Grantee != "PUBLIC" && !slices.Contains(names, privilege.Grantee) {
			names = append(names, privilege.Grantee)
		}
	}
	return names
}

// statements give a database, whose name is quoted, the properties.
func (p properties) statements(name string) []string {
	statements := []string{
		fmt.Sprintf("ALTER DATABASE %s OWNER TO %s", name, postgres.QuoteIdentifier(p.owner)),
		fmt.Sprintf("ALTER DATABASE %s CONNECTION LIMIT %d", name, p.limit),
		fmt.Sprintf("REVOKE ALL ON DATABASE %s FROM PUBLIC", name),
	}
	if p.comment != nil {
		statements = append(statements, fmt.Sprintf("COMMENT ON DATABASE %s IS %s", name, postgres.QuoteLiteral(*p.comment)))
	}
	for _, privilege := range p.privileges {
		option := ""
		if privilege.Grantable {
			option = " WITH GRANT OPTION"
		}
		statements = append(statements, fmt.Sprintf("GRANT %s ON DATABASE %s TO %s%s", privilege.Privilege, name, privilege.Grantee, option))
	}
	for _, setting := range p.settings {
		of := "DATABASE " + name
		if setting.Role != "" {
			of = fmt.Sprintf("ROLE %s IN DATABASE %s", setting.Role, name)
		}
		key, value, _ := strings.Cut(setting.Line, "=")
		statements = append(statements, fmt.Sprintf("ALTER %s SET %s = %s", of, quoteName(key), postgres.QuoteSetting(key, value)))
	}
	return statements
}

// quoteName quotes the name of a setting, each part of a custom one by itself.
func quoteName(name string) string {
	parts := strings.Split(name, ".")
	for i, part := range parts {
		parts[i] = postgres.QuoteIdentifier(part)
	}
	return strings.Join(parts, ".")
}
