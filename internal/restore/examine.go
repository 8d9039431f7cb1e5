package restore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/backup"
)

// Intact reads all of a backup, and finds what is wrong with it wherever it is
// restored: truncated or damaged files, no key that fits.
func Intact(ctx context.Context, from *backup.Backup, identities []age.Identity) error {
	if err := from.Verify(ctx); err != nil {
		return OfBackup(err)
	}
	content, err := from.Dump(identities...)
	if err != nil {
		return OfBackup(err)
	}
	return content.Close()
}

// Fits says whether a server can take a backup: its version, and what it has of
// extensions. A newer server takes the dump of an older one.
func Fits(ctx context.Context, session *pgx.Conn, manifest backup.Manifest) error {
	var major int
	if err := session.QueryRow(ctx, "SELECT current_setting('server_version_num')::int / 10000").Scan(&major); err != nil {
		return err
	}
	if manifest.ServerMajor > major {
		return fault(WrongMajor, "backup %s is of PostgreSQL %d, and this server is %d: an older server cannot take it; set server.image to one of %[2]d",
			manifest.ID, manifest.ServerMajor, major)
	}
	names := []string{}
	for _, extension := range manifest.Extensions {
		names = append(names, extension.Name)
	}
	lacking, err := missing(ctx, session, names, "SELECT name::text FROM pg_available_extensions")
	if err == nil && len(lacking) > 0 {
		err = fault(MissingExtension, "backup %s needs %s, which the server's image does not have: take an image that has it", manifest.ID, strings.Join(lacking, ", "))
	}
	return err
}

// RolesThere says whether a server has the roles that a backup's objects and privileges name.
func RolesThere(ctx context.Context, session *pgx.Conn, manifest backup.Manifest) error {
	lacking, err := missing(ctx, session, manifest.Roles, "SELECT rolname::text FROM pg_roles")
	if err == nil && len(lacking) > 0 {
		err = fault(MissingRole, "backup %s has objects or privileges of %s, and the server has no such role: declare it in access.roles and bring the stack up",
			manifest.ID, strings.Join(lacking, ", "))
	}
	return err
}

// missing are the names that a query does not have.
func missing(ctx context.Context, session *pgx.Conn, names []string, query string) (lacking []string, err error) {
	err = session.QueryRow(ctx, fmt.Sprintf("SELECT coalesce(array_agg(name ORDER BY name), '{}') FROM unnest($1::text[]) AS name WHERE name NOT IN (%s)", query), names).Scan(&lacking)
	return lacking, err
}

// Same compares a restored database with what the manifest says of the one that
// was dumped: its tables, the rows of each, its extensions, the last migration.
// Another image may have other versions of extensions.
func Same(ctx context.Context, session *pgx.Conn, manifest backup.Manifest, sameImage bool) (rows int64, err error) {
	rows, wrong, err := sameRows(ctx, session, manifest.Tables)
	if err != nil {
		return rows, err
	}
	added, err := newTables(ctx, session, manifest.Tables)
	if err != nil {
		return rows, err
	}
	different, err := sameExtensions(ctx, session, manifest.Extensions, sameImage)
	if err != nil {
		return rows, err
	}
	wrong = slices.Concat(wrong, added, different)
	last, err := backup.LastMigration(ctx, session)
	if err != nil {
		return rows, err
	}
	if last != manifest.LastMigration {
		wrong = append(wrong, fmt.Sprintf("the last migration is %q, and was %q when it was dumped", last, manifest.LastMigration))
	}
	return rows, differing(manifest, wrong)
}

func differing(manifest backup.Manifest, wrong []string) error {
	if len(wrong) == 0 {
		return nil
	}
	return fault(WrongContent, "what was restored is not what backup %s says: %s", manifest.ID, strings.Join(wrong, "; "))
}

// sameRows counts the rows of tables, and says where there are others than were dumped.
func sameRows(ctx context.Context, session *pgx.Conn, tables []backup.Table) (rows int64, wrong []string, err error) {
	for _, table := range tables {
		name := pgx.Identifier{table.Schema, table.Name}.Sanitize()
		var there bool
		if err := session.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", name).Scan(&there); err != nil {
			return rows, wrong, err
		}
		if !there {
			wrong = append(wrong, fmt.Sprintf("table %s is missing", name))
			continue
		}
		var found int64
		if err := session.QueryRow(ctx, "SELECT count(*) FROM ONLY "+name).Scan(&found); err != nil {
			return rows, wrong, fmt.Errorf("counting the rows of %s: %w", name, err)
		}
		if rows += found; found != table.Rows {
			wrong = append(wrong, fmt.Sprintf("table %s has %d rows, and had %d when it was dumped", name, found, table.Rows))
		}
	}
	return rows, wrong, nil
}

// newTables says which tables are there that were not dumped.
func newTables(ctx context.Context, session *pgx.Conn, tables []backup.Table) (wrong []string, err error) {
	there, err := backup.Tables(ctx, session)
	for _, name := range there {
		if !slices.ContainsFunc(tables, func(table backup.Table) bool { return table.Schema == name[0] && table.Name == name[1] }) {
			wrong = append(wrong, fmt.Sprintf("table %s is there, and was not when it was dumped", name.Sanitize()))
		}
	}
	return wrong, err
}

// sameExtensions says which extensions are missing, in another schema or, where
// that is compared, of another version.
func sameExtensions(ctx context.Context, session *pgx.Conn, dumped []backup.Extension, versions bool) (wrong []string, err error) {
	there, err := backup.Extensions(ctx, session)
	if err != nil {
		return nil, err
	}
	for _, was := range dumped {
		at := slices.IndexFunc(there, func(is backup.Extension) bool { return is.Name == was.Name })
		switch {
		case at < 0:
			wrong = append(wrong, fmt.Sprintf("extension %s is missing", was.Name))
		case there[at].Schema != was.Schema:
			wrong = append(wrong, fmt.Sprintf("extension %s is in schema %s, and was in %s", was.Name, there[at].Schema, was.Schema))
		case versions && there[at].Version != was.Version:
			wrong = append(wrong, fmt.Sprintf("extension %s is %s, and was %s: a restore makes that which the image has; ALTER EXTENSION %[4]s UPDATE, and make another backup",
				was.Name, there[at].Version, was.Version, pgx.Identifier{was.Name}.Sanitize()))
		}
	}
	return wrong, nil
}
