// Package restore puts a database back from a backup: into a new one beside it,
// which takes its name once it is proven, or single tables into the running one.
package restore

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/postgres"
)

// Open opens a session as the superuser in a database of the server.
type Open func(ctx context.Context, database string) (*pgx.Conn, error)

// Maintenance is the database that sessions are in that create, rename and drop others.
const Maintenance = "postgres"

// Kind is what a database beside another one is there for.
type Kind string

// The kinds of databases beside another one.
const (
	// Restoring is being filled. It is of no use unless its run comes to its end.
	Restoring Kind = "restoring"
	// Before is what had the name until another database took it.
	Before Kind = "before"
)

const stamp = "20060102t150405"

// Beside is the name of a database beside another one: shop_before_20261124t021500.
func Beside(database string, kind Kind, at time.Time) (string, error) {
	name := fmt.Sprintf("%s_%s_%s", database, kind, at.UTC().Format(stamp))
	return name, postgres.ValidateIdentifier(name)
}

// Neighbour is a database beside another one.
type Neighbour struct {
	Name  string    `json:"name"`
	Kind  Kind      `json:"kind"`
	Since time.Time `json:"since"`
	Bytes int64     `json:"bytes"`
}

// Neighbours lists the databases beside one, the oldest first.
func Neighbours(ctx context.Context, session *pgx.Conn, database string) ([]Neighbour, error) {
	rows, err := session.Query(ctx, "SELECT datname, pg_database_size(oid) FROM pg_database WHERE starts_with(datname, $1) ORDER BY right(datname, 15), datname", database+"_")
	if err != nil {
		return nil, fmt.Errorf("listing databases beside %s: %w", database, err)
	}
	found := []Neighbour{}
	var name string
	var size int64
	_, err = pgx.ForEachRow(rows, []any{&name, &size}, func() error {
		if kind, since, is := parse(database, name); is {
			found = append(found, Neighbour{name, kind, since, size})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing databases beside %s: %w", database, err)
	}
	return found, nil
}

var suffix = regexp.MustCompile(`^_(restoring|before)_(\d{8}t\d{6})$`)

func parse(database, name string) (Kind, time.Time, bool) {
	if len(name) <= len(database) || name[:len(database)] != database {
		return "", time.Time{}, false
	}
	parts := suffix.FindStringSubmatch(name[len(database):])
	if parts == nil {
		return "", time.Time{}, false
	}
	since, err := time.Parse(stamp, parts[2])
	return Kind(parts[1]), since, err == nil
}

// Drop drops a database beside another one; no other can be dropped.
func Drop(ctx context.Context, session *pgx.Conn, database, name string) error {
	if _, _, is := parse(database, name); !is {
		return fmt.Errorf("%q is none of the databases that restores have left beside %s (%[2]s_%[3]s_… or %[2]s_%[4]s_…): "+
			"only those are dropped here; wcrdb databases lists them", name, database, Before, Restoring)
	}
	var there bool
	if err := session.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&there); err != nil {
		return err
	}
	if !there {
		return fmt.Errorf("there is no database %s; wcrdb databases lists those that are beside %s", name, database)
	}
	return drop(ctx, session, name)
}

// Remove drops a database that was made to be filled, even where ctx is done.
func Remove(ctx context.Context, session *pgx.Conn, name string) error {
	return drop(context.WithoutCancel(ctx), session, name)
}

func drop(ctx context.Context, session *pgx.Conn, name string) error {
	if _, err := session.Exec(ctx, "DROP DATABASE IF EXISTS "+postgres.QuoteIdentifier(name)+" WITH (FORCE)"); err != nil {
		return fmt.Errorf("dropping database %s: %w", name, err)
	}
	return nil
}

// ErrBusy says that somebody else restores the same database.
var ErrBusy = errors.New("another restore or refresh of this database is under way: let it come to its end, or end it")

// Exclusively runs do while nobody else restores the database, having dropped
// what killed runs have left. It returns the names of those.
func Exclusively(ctx context.Context, open Open, database string, report func(format string, args ...any), do func(session *pgx.Conn) error) (err error) {
	session, err := open(ctx, Maintenance)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, session.Close(context.WithoutCancel(ctx))) }() // which frees the lock
	if _, err := session.Exec(ctx, "SET idle_session_timeout = 0"); err != nil {         // it waits while others work
		return err
	}
	var free bool
	if err := session.QueryRow(ctx, "SELECT pg_try_advisory_lock(hashtextextended('wcrdb restore ' || $1, 0))", database).Scan(&free); err != nil {
		return err
	}
	if !free {
		return fmt.Errorf("database %s: %w", database, ErrBusy)
	}
	neighbours, err := Neighbours(ctx, session, database)
	if err != nil {
		return err
	}
	for _, neighbour := range neighbours {
		if neighbour.Kind != Restoring {
			continue
		}
		report("database %s is what a restore that was killed has left: it is dropped", neighbour.Name)
		if err := drop(ctx, session, neighbour.Name); err != nil {
			return err
		}
	}
	return do(session)
}

// localeOf writes encoding and locale of a database as CREATE DATABASE has them.
// What names the provider and its locale has changed with 15 and 17.
const localeOf = `SELECT format('ENCODING %L LC_COLLATE %L LC_CTYPE %L', pg_encoding_to_char(encoding), datcollate, datctype) ||
	CASE d ->> 'datlocprovider' WHEN 'i' THEN format(' LOCALE_PROVIDER icu ICU_LOCALE %L', coalesce(d ->> 'datlocale', d ->> 'daticulocale'))
	WHEN 'b' THEN format(' LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', d ->> 'datlocale') ELSE '' END
	FROM pg_database, to_jsonb(pg_database) AS d WHERE datname = $1`

// Create makes an empty database for do to fill, which nobody but superusers gets
// into; it has encoding and locale of another one. If do fails it is dropped.
func Create(ctx context.Context, session *pgx.Conn, like, name string, do func() error) (err error) {
	var locale string
	err = session.QueryRow(ctx, localeOf, like).Scan(&locale)
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("there is no database %s, which the new one is to be like: bring the stack up first, which makes it, if only empty", like)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, Remove(ctx, session, name))
		}
	}()
	for _, statement := range []string{
		fmt.Sprintf("CREATE DATABASE %s TEMPLATE template0 %s", postgres.QuoteIdentifier(name), locale),
		fmt.Sprintf("REVOKE ALL ON DATABASE %s FROM PUBLIC", postgres.QuoteIdentifier(name)),
	} {
		if _, err := session.Exec(ctx, statement); err != nil {
			return fmt.Errorf("creating database %s: %w", name, err)
		}
	}
	return do()
}
