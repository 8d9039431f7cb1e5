package staging

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/witchcityrope/database/internal/postgres"
)

// Surroundings are what a database has around its tables.
type Surroundings struct {
	// Schemas that its stack declares.
	Schemas []string
	// statements make them in another database.
	statements []string
}

//go:embed surroundings.sql
var surroundingsQuery string

// Survey reads what a database has around its tables: the schemas given with
// owners and privileges, extensions, and default privileges.
func Survey(ctx context.Context, session *pgx.Conn, schemas []string) (Surroundings, error) {
	rows, err := session.Query(ctx, surroundingsQuery, schemas)
	if err != nil {
		return Surroundings{}, fmt.Errorf("what is around the tables: %w", err)
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return Surroundings{}, fmt.Errorf("what is around the tables: %w", err)
	}
	return Surroundings{Schemas: schemas, statements: statements}, nil
}

// Make makes them in the session's database, as a superuser.
func (s Surroundings) Make(ctx context.Context, session *pgx.Conn) error {
	return runAll(ctx, session, s.statements)
}

// Admit gives those who may do something with the session's own database the
// same in a transaction of another one, whose database has not got its name yet.
func Admit(ctx context.Context, from *pgx.Conn, tx pgx.Tx) error {
	rows, err := from.Query(ctx, `SELECT format('GRANT %s ON DATABASE %I TO %s', privilege_type, $1::text, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
		FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) WHERE datname = current_database()`, tx.Conn().Config().Database)
	if err != nil {
		return err
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	return runAll(ctx, tx, statements)
}

// executor is a session, or a transaction in one.
type executor interface {
	Exec(ctx context.Context, sql string, arguments ...any) (pgconn.CommandTag, error)
}

// runAll runs statements one after another; an error says which failed.
func runAll(ctx context.Context, in executor, statements []string) error {
	for _, statement := range statements {
		if _, err := in.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// As runs do in a session that acts as a role, which may meanwhile create schemas in its database.
func As(ctx context.Context, session *pgx.Conn, role string, do func() error) error {
	database, owner := postgres.QuoteIdentifier(session.Config().Database), postgres.QuoteIdentifier(role)
	for _, statement := range []string{fmt.Sprintf("GRANT CREATE ON DATABASE %s TO %s", database, owner), "SET ROLE " + owner} {
		if _, err := session.Exec(ctx, statement); err != nil {
			return err
		}
	}
	if err := do(); err != nil {
		return err
	}
	// What pg_restore set in the session goes with the role.
	for _, statement := range []string{"RESET ALL", "RESET ROLE", fmt.Sprintf("REVOKE CREATE ON DATABASE %s FROM %s", database, owner)} {
		if _, err := session.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

//go:embed privileges.sql
var privilegesQuery string

// Privileges gives the objects of one database those that objects of the same
// name have in another; what is only there has what default privileges gave it.
func Privileges(ctx context.Context, from, to *pgx.Conn) error {
	given, err := privileges(ctx, from)
	if err != nil {
		return err
	}
	present, err := privileges(ctx, to)
	if err != nil {
		return err
	}
	for object, acl := range given {
		now, there := present[object]
		if !there || now.text == acl.text {
			continue
		}
		if err := runAll(ctx, to, append(now.revoke(object), acl.statements...)); err != nil {
			return err
		}
	}
	return nil
}

// acl is who may do what with an object.
type acl struct {
	text       string // for comparison
	grantees   []string
	statements []string // that grant it
}

func (a acl) revoke(object string) (statements []string) {
	for _, grantee := range a.grantees {
		statements = append(statements, fmt.Sprintf("REVOKE ALL ON %s FROM %s", object, grantee))
	}
	return statements
}

func privileges(ctx context.Context, session *pgx.Conn) (map[string]acl, error) {
	rows, err := session.Query(ctx, privilegesQuery)
	if err != nil {
		return nil, fmt.Errorf("privileges: %w", err)
	}
	found := map[string]acl{}
	var object, grantee, privilege string
	var grantable bool
	_, err = pgx.ForEachRow(rows, []any{&object, &grantee, &privilege, &grantable}, func() error {
		of := found[object]
		if grantee != "" {
			option := ""
			if grantable {
				option = " WITH GRANT OPTION"
			}
			statement := fmt.Sprintf("GRANT %s ON %s TO %s%s", privilege, object, grantee, option)
			of.text += statement + "\n"
			of.grantees, of.statements = append(of.grantees, grantee), append(of.statements, statement)
		}
		found[object] = of
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("privileges: %w", err)
	}
	return found, nil
}

// Refresh fills the materialized views, those that others are made of first.
func Refresh(ctx context.Context, session *pgx.Conn) error {
	rows, err := session.Query(ctx, "SELECT c.oid::regclass::text FROM pg_class c WHERE relkind = 'm' AND NOT relispopulated ORDER BY c.oid")
	if err != nil {
		return err
	}
	views, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for len(views) > 0 {
		var left, faults []string
		for _, view := range views {
			if _, err := session.Exec(ctx, "REFRESH MATERIALIZED VIEW "+view); err != nil {
				left, faults = append(left, view), append(faults, fmt.Sprintf("%s: %v", view, err))
			}
		}
		if len(left) == len(views) {
			return fmt.Errorf("materialized views: %s", strings.Join(faults, "; "))
		}
		views = left
	}
	return nil
}
