package pgserver

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/postgres"
)

// asideSuffix marks the name under which a new file is prepared.
const asideSuffix = ".new"

// writeFile replaces a file of the data directory as a whole: it is written aside, readable by the
// server alone, flushed to disk and renamed.
//
// The content is a bound parameter, kept in a setting of this transaction alone; so it is in no
// statement, in no table and not on the program's command line. As base64 it survives COPY byte for byte.
func (s *session) writeFile(ctx context.Context, path, content string) error {
	script := fmt.Sprintf(`umask 077 && test ! -d ./%[1]s && base64 -d > ./%[2]s && `+
		`dd if=/dev/null of=./%[2]s conv=notrunc,fsync status=none && mv -f ./%[2]s ./%[1]s || { rm -f ./%[2]s; exit 1; }`,
		path, path+asideSuffix)
	err := s.inTransaction(ctx, func(tx pgx.Tx) error {
		encoded := base64.StdEncoding.EncodeToString([]byte(content))
		if _, err := tx.Exec(ctx, "SELECT set_config('pgserver.content', $1, true)", encoded); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "COPY (SELECT current_setting('pgserver.content')) TO PROGRAM "+postgres.QuoteLiteral(script))
		return err
	})
	if err != nil {
		return fmt.Errorf("writing %s into the data directory: %w; is there space, and are sh, base64 and dd in the server's image?", path, err)
	}
	return nil
}

// writeSteadfastly writes a file although nobody may wait for it any more, unless that was so before.
func (s *session) writeSteadfastly(ctx context.Context, path, content string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := steadfast(ctx)
	defer cancel()
	return s.writeFile(ctx, path, content)
}

// readFile returns what a file of the data directory holds, and whether it is there.
func (s *session) readFile(ctx context.Context, path string) (content string, exists bool, err error) {
	var bytes []byte
	if err := s.QueryRow(ctx, "SELECT pg_read_binary_file($1, true)", path).Scan(&bytes); err != nil {
		return "", false, fmt.Errorf("reading %s in the data directory: %w", path, explain(err))
	}
	return string(bytes), bytes != nil, nil
}

// removeFile deletes a file of the data directory, if it is there.
func (s *session) removeFile(ctx context.Context, path string) error {
	_, err := s.Exec(ctx, "COPY (SELECT NULL WHERE false) TO PROGRAM "+postgres.QuoteLiteral("rm -f ./"+path))
	if err != nil {
		return fmt.Errorf("deleting %s in the data directory: %w", path, explain(err))
	}
	return nil
}

// isFileOf reports whether a setting names this file of the data directory, and what it names.
func (s *session) isFileOf(ctx context.Context, setting, path string) (used bool, value string, err error) {
	err = s.QueryRow(ctx, "SELECT value, value IN ($2, current_setting('data_directory') || '/' || $2) FROM current_setting($1) AS value",
		setting, path).Scan(&value, &used)
	if err != nil {
		return false, "", fmt.Errorf("asking for %s: %w", setting, explain(err))
	}
	return used, value, nil
}
