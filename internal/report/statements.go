package report

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// statements is the extension pg_stat_statements as it is in a database.
type statements struct {
	schema string
	minor  int // of its version 1.x, which an update of the server leaves behind
}

func findStatements(ctx context.Context, tx pgx.Tx) (found statements, err error) {
	var version, libraries string
	err = tx.QueryRow(ctx, "SELECT n.nspname::text, e.extversion, current_setting('shared_preload_libraries') "+
		"FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'").Scan(&found.schema, &version, &libraries)
	if errors.Is(err, pgx.ErrNoRows) {
		return found, errors.New("extension pg_stat_statements is not in the database; add it to database.extensions and to settings.shared_preload_libraries, and bring the stack up")
	}
	if err != nil {
		return found, err
	}
	if !strings.Contains(libraries, "pg_stat_statements") {
		return found, fmt.Errorf("pg_stat_statements is not loaded (shared_preload_libraries is %q); add it to settings.shared_preload_libraries, and bring the stack up", libraries)
	}
	_, minor, _ := strings.Cut(version, ".")
	if found.minor, err = strconv.Atoi(minor); err != nil {
		return found, fmt.Errorf("version of pg_stat_statements: %w", err)
	}
	if found.minor < 8 {
		return found, fmt.Errorf("pg_stat_statements %s counts planning and execution together; ALTER EXTENSION pg_stat_statements UPDATE", version)
	}
	return found, nil
}
