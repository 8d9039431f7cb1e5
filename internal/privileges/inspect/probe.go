package inspect

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/privileges"
)

// Migrator is a login that creates objects as another role.
type Migrator struct{ Login, As string }

// probePrefix begins the names of what is created to be looked at.
const probePrefix = "wcrdb_probe_"

func isProbe(object privileges.Object) bool { return strings.HasPrefix(object.Name, probePrefix) }

// describe names an object, and a probe by what it stands for.
func describe(object privileges.Object) string {
	kind, is := strings.CutPrefix(object.Name, probePrefix)
	if !is {
		return object.String()
	}
	kind, _, _ = strings.Cut(strings.ReplaceAll(kind, "_", " "), "(")
	if object.Schema == "" {
		return "a new " + kind
	}
	return fmt.Sprintf("a new %s in %s", kind, object.Schema)
}

// probes are what a migration creates, in a schema.
var probes = []string{
	"CREATE TABLE %s.wcrdb_probe_table (id int)",
	"CREATE TABLE %s.wcrdb_probe_partitioned_table (id int) PARTITION BY RANGE (id)",
	"CREATE TABLE %[1]s.wcrdb_probe_partition PARTITION OF %[1]s.wcrdb_probe_partitioned_table DEFAULT",
	"CREATE VIEW %s.wcrdb_probe_view AS SELECT 1 AS id",
	"CREATE MATERIALIZED VIEW %s.wcrdb_probe_materialized_view AS SELECT 1 AS id",
	"CREATE SEQUENCE %s.wcrdb_probe_sequence",
	"CREATE FUNCTION %s.wcrdb_probe_function() RETURNS int LANGUAGE sql AS 'SELECT 1'",
	"CREATE TYPE %s.wcrdb_probe_type AS ENUM ('a')",
	"CREATE TABLE wcrdb_probe_schema.wcrdb_probe_moved_table (id int); ALTER TABLE wcrdb_probe_schema.wcrdb_probe_moved_table SET SCHEMA %s",
}

// beginsAs is the role that sessions of a login begin as, as those of a
// database, and then those of a login in all, come before what is for everybody.
const beginsAs = `SELECT coalesce((
	SELECT substr(setting, strpos(setting, '=') + 1) FROM pg_db_role_setting, unnest(setconfig) AS setting
	WHERE setrole IN (0, to_regrole($1)) AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) AND setting LIKE 'role=%'
	ORDER BY setrole <> 0 DESC, setdatabase <> 0 DESC LIMIT 1), '')`

// probe creates objects as the migrator's sessions do, asks about them, and
// leaves nothing to the next.
func (v *verifier) probe(ctx context.Context, migrator Migrator) error {
	if err := v.exec(ctx, "SAVEPOINT wcrdb_probes"); err != nil {
		return err
	}
	if err := v.probeAs(ctx, migrator); err != nil {
		return err
	}
	return v.exec(ctx, "ROLLBACK TO SAVEPOINT wcrdb_probes; RELEASE SAVEPOINT wcrdb_probes")
}

func (v *verifier) probeAs(ctx context.Context, migrator Migrator) error {
	begins, err := collect[struct{ Role string }](ctx, v.tx, beginsAs, quote(migrator.Login))
	if err != nil {
		return fmt.Errorf("asking what sessions of %s begin as: %w", migrator.Login, err)
	}
	become := "SET LOCAL SESSION AUTHORIZATION " + quote(migrator.Login)
	as := begins[0].Role
	if as != migrator.As {
		v.fail(migrator.Login, privileges.Set, "role "+migrator.As, false, fmt.Sprintf("its sessions begin as %s, who then owns what they create", cmp.Or(as, migrator.Login)))
	}
	if as != "" && as != "none" {
		become += "; SET LOCAL ROLE " + quote(as)
	}
	if err := v.attempt(ctx, become); err != nil {
		v.fail(migrator.Login, privileges.Set, "role "+migrator.As, false, err.Error())
		return nil
	}
	create := func(statement, in string) {
		v.result.Probes++
		if err := v.attempt(ctx, statement); err != nil {
			v.fail(migrator.Login, privileges.Create, in, false, err.Error())
		}
	}
	create("CREATE SCHEMA wcrdb_probe_schema", "database "+v.declared.Database)
	for _, object := range v.declared.Objects {
		if object.Class != privileges.Schema || object.New {
			continue
		}
		for _, statement := range probes {
			create(fmt.Sprintf(statement, quote(object.Name)), object.String())
		}
	}
	for _, statement := range probes[:len(probes)-1] {
		create(fmt.Sprintf(statement, "wcrdb_probe_schema"), "new schemas")
	}
	if err := v.exec(ctx, "RESET SESSION AUTHORIZATION"); err != nil {
		return err
	}
	found, err := Read(ctx, v.tx)
	if err != nil {
		return err
	}
	before := v.found
	defer func() { v.found = before }()
	v.found = found
	return v.compare(ctx, isProbe)
}

// attempt leaves no trace of what fails.
func (v *verifier) attempt(ctx context.Context, statements string) error {
	if err := v.exec(ctx, "SAVEPOINT wcrdb_probe"); err != nil {
		return err
	}
	if err := v.exec(ctx, statements); err != nil {
		if back := v.exec(ctx, "ROLLBACK TO SAVEPOINT wcrdb_probe"); back != nil {
			return back
		}
		return err
	}
	return v.exec(ctx, "RELEASE SAVEPOINT wcrdb_probe")
}

// exec runs statements that have no parameters.
func (v *verifier) exec(ctx context.Context, statements string) error {
	_, err := v.tx.Conn().PgConn().Exec(ctx, statements).ReadAll()
	return err
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }
