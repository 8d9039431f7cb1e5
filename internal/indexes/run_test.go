package indexes_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/indexes"
	"github.com/witchcityrope/database/internal/pgtest"
)

// database is a server with an owner of tables.
type database struct {
	*pgtest.Server
	t     *testing.T
	admin *pgx.Conn
}

func newDatabase(t *testing.T, server *pgtest.Server) database {
	t.Helper()
	d := database{Server: server, t: t, admin: server.Connect(t)}
	d.exec("CREATE ROLE shop_owner; CREATE ROLE writer LOGIN PASSWORD 'writer'; GRANT CREATE ON DATABASE postgres TO shop_owner")
	d.exec("ALTER SCHEMA public OWNER TO shop_owner; CREATE SCHEMA auth AUTHORIZATION shop_owner")
	return d
}

func (d database) exec(statements string) {
	d.t.Helper()
	_, err := d.admin.Exec(d.t.Context(), statements)
	require.NoError(d.t, err)
}

// asOwner runs statements that make objects.
func (d database) asOwner(statements string) {
	d.t.Helper()
	d.exec("SET ROLE shop_owner")
	d.exec(statements)
	d.exec("RESET ROLE")
}

func (d database) options(declared ...config.Index) indexes.Options {
	for i := range declared {
		if declared[i].Method == "" {
			declared[i].Method = "btree"
		}
	}
	return indexes.Options{
		Declared: declared, Schemas: []string{"auth", "public"},
		Open: func(ctx context.Context) (*pgx.Conn, error) {
			return d.Login(ctx, pgtest.Superuser, pgtest.Password, "postgres")
		},
	}
}

func (d database) run(options indexes.Options) indexes.Report {
	d.t.Helper()
	report, err := indexes.Run(d.t.Context(), options)
	require.NoError(d.t, err)
	return report
}

// ask asks for one value.
func ask[T any](d database, query string, args ...any) (value T) {
	d.t.Helper()
	require.NoError(d.t, d.admin.QueryRow(d.t.Context(), query, args...).Scan(&value), query)
	return value
}

func columns(names ...string) (list []config.IndexColumn) {
	for _, name := range names {
		list = append(list, config.IndexColumn{Name: name})
	}
	return list
}

// outcomes by name.
func outcomes(report indexes.Report) map[string]indexes.Outcome {
	found := map[string]indexes.Outcome{}
	for _, result := range report.Indexes {
		found[result.Name] = result.Outcome
	}
	return found
}

// TestDeliveredIndexes: those of the stack files, on both layouts of the application's tables.
func TestDeliveredIndexes(t *testing.T) {
	for file, schema := range map[string]string{"wcr-schema.sql": "public", "wcr-schema-auth.sql": "auth"} {
		t.Run(file, func(t *testing.T) {
			d := newDatabase(t, pgtest.Start(t))
			content, err := os.ReadFile(filepath.Join(configtest.Root(t), "tests", "e2e", "testdata", "schema", file))
			require.NoError(t, err)
			baseline, _, found := strings.Cut(string(content), "\n-- @step later")
			require.True(t, found)
			d.asOwner(baseline)
			options := d.options(configtest.Stack(t, "prod", nil).Indexes...)
			require.Len(t, options.Declared, 8)

			report := d.run(options)
			assert.Equal(t, map[string]indexes.Outcome{
				"idx_users_email": indexes.Built, "idx_users_last_login": indexes.Built,
				"idx_events_start_date": indexes.Built, "idx_events_published": indexes.Built,
				"idx_users_normalized_email": indexes.IsCovered, "idx_users_scene_name": indexes.IsCovered,
				"idx_user_roles_user_id": indexes.IsCovered, "idx_user_roles_role_id": indexes.IsCovered,
			}, outcomes(report))
			var reasons []string
			for _, result := range report.Indexes {
				assert.True(t, result.Outcome == indexes.IsCovered || result.Bytes > 0, result.Name)
				if result.Reason != "" {
					reasons = append(reasons, result.Name+": "+result.Reason)
				}
			}
			assert.Equal(t, []string{
				`idx_users_normalized_email: "EmailIndex" is the same under another name`,
				`idx_users_scene_name: "IX_Users_SceneName" is on the same columns, and unique`,
				`idx_user_roles_user_id: "PK_UserRoles" begins with the same columns`,
				`idx_user_roles_role_id: "IX_UserRoles_RoleId" is the same under another name`,
			}, reasons)
			assert.Equal(t, []string{fmt.Sprintf(`"%s"."Users"`, schema), fmt.Sprintf(`"%s"."UserRoles"`, schema), `"public"."Events"`}, report.Analyzed)
			assert.Equal(t, "shop_owner", ask[string](d, "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relname ~ '^idx_'"))
			assert.Equal(t, 4, ask[int](d, "SELECT count(*) FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE indisvalid AND relname ~ '^idx_'"))

			before := ask[string](d, "SELECT string_agg(oid || ' ' || relname || ' ' || relfilenode, ', ' ORDER BY oid) FROM pg_class WHERE relname !~ '^pg_'")
			again := d.run(options)
			assert.Empty(t, again.Analyzed)
			for _, result := range again.Indexes {
				assert.Contains(t, []indexes.Outcome{indexes.IsPresent, indexes.IsCovered}, result.Outcome, result.Name)
			}
			assert.Equal(t, before, ask[string](d, "SELECT string_agg(oid || ' ' || relname || ' ' || relfilenode, ', ' ORDER BY oid) FROM pg_class WHERE relname !~ '^pg_'"))
			var unused []string
			for _, index := range again.Unused {
				unused = append(unused, index.Name)
			}
			assert.Contains(t, unused, "IX_UserRoles_RoleId")
			assert.Contains(t, unused, "idx_users_email")
			assert.NotContains(t, unused, "IX_Users_SceneName", "it keeps names unique")
		})
	}
}

// hold is the key of what holds a build up.
const hold = 7

// TestBuildsWhileWritersRun: no write fails, and none waits for the build, which
// one of the expressions holds up until there were enough of them.
func TestBuildsWhileWritersRun(t *testing.T) {
	d := newDatabase(t, pgtest.Start(t))
	d.asOwner(`CREATE TABLE items (id int PRIMARY KEY, owner int, note text); GRANT ALL ON items TO writer; GRANT USAGE ON SCHEMA public TO writer;
		INSERT INTO items SELECT n, n % 1000, repeat('x', 100) FROM generate_series(1, 300000) n;
		INSERT INTO items VALUES (0, 20, 'holds a build up');
		CREATE FUNCTION held(id int, note text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
		BEGIN
			IF id = 0 THEN
				PERFORM pg_advisory_lock_shared(7);
				PERFORM pg_advisory_unlock_shared(7);
			END IF;
			RETURN lower(note);
		END $$`)
	holder := d.Connect(t)
	_, err := holder.Exec(t.Context(), "SELECT pg_advisory_lock($1)", hold)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	var writes, slowest atomic.Int64
	failed := make(chan error, 4)
	for writer := range 4 {
		session, err := d.Login(t.Context(), "writer", "writer", "postgres")
		require.NoError(t, err)
		go func() {
			defer session.Close(context.Background())
			for n := 1000000 * (writer + 1); ctx.Err() == nil; n++ {
				start := time.Now()
				_, err := session.Exec(context.Background(), "INSERT INTO items VALUES ($1, $1, 'new')", n)
				if err == nil {
					_, err = session.Exec(context.Background(), "UPDATE items SET owner = owner + 1, note = 'changed' WHERE id = $1", n-1000000*(writer+1)+1)
				}
				if err != nil {
					failed <- err
					return
				}
				writes.Add(2)
				slowest.Store(max(slowest.Load(), int64(time.Since(start))))
			}
			failed <- nil
		}()
	}
	options := d.options(
		config.Index{Name: "items_owner", Table: "items", Columns: columns("owner", "id")},
		config.Index{Name: "items_note", Table: "items", Columns: []config.IndexColumn{{Expression: "held(id, note)"}}, Where: "owner > 10"},
	)
	var phases []string
	during := int64(-1)
	options.Watch = func(progress indexes.Progress) {
		if progress.Index == "items_note" && strings.HasPrefix(progress.Phase, "building index") && during < 0 {
			before := writes.Load()
			assert.Eventually(t, func() bool { return writes.Load() >= before+100 }, 20*time.Second, 5*time.Millisecond, "writers wait for the build")
			during = writes.Load() - before
			_, err := holder.Exec(context.Background(), "SELECT pg_advisory_unlock($1)", hold)
			assert.NoError(t, err)
		}
		if !slices.Contains(phases, progress.Phase) {
			phases = append(phases, progress.Phase)
		}
	}
	report := d.run(options)
	stop()
	for range 4 {
		assert.NoError(t, <-failed)
	}
	assert.Equal(t, map[string]indexes.Outcome{"items_owner": indexes.Built, "items_note": indexes.Built}, outcomes(report))
	assert.GreaterOrEqual(t, during, int64(100), "the build was seen while it was held up")
	t.Logf("%d writes while a build was held up; two indexes were built in %.1f s and %.1f s, none failed, the slowest pair took %s; phases: %s",
		during, report.Indexes[0].Seconds, report.Indexes[1].Seconds, time.Duration(slowest.Load()), strings.Join(phases, ", "))
	assert.Greater(t, len(phases), 1, "%v", phases)
	d.exec("SET enable_seqscan = off")
	assert.Equal(t, ask[int](d, "SELECT count(*) FROM items WHERE owner + 0 = 7"), ask[int](d, "SELECT count(*) FROM items WHERE owner = 7"), "the index has all rows")
}

// TestUnusedSinceACrash: the server forgets then what was used before, and stays the same process.
func TestUnusedSinceACrash(t *testing.T) {
	d := newDatabase(t, pgtest.Start(t))
	d.asOwner("CREATE TABLE items (id int)")
	options := d.options(config.Index{Name: "items_id", Table: "items", Columns: columns("id")})
	started := ask[time.Time](d, "SELECT pg_postmaster_start_time()")
	d.run(options)
	victim := d.Connect(t)
	process, err := os.FindProcess(int(victim.PgConn().PID()))
	require.NoError(t, err)
	crashed := time.Now()
	require.NoError(t, process.Kill())
	require.Eventually(t, func() bool { return d.admin.Ping(t.Context()) != nil }, 30*time.Second, 20*time.Millisecond, "everybody's session ends")
	require.Eventually(t, func() bool {
		d.admin, err = d.Login(t.Context(), pgtest.Superuser, pgtest.Password, "postgres")
		return err == nil
	}, 30*time.Second, 50*time.Millisecond)
	defer d.admin.Close(context.Background())
	assert.True(t, started.Equal(ask[time.Time](d, "SELECT pg_postmaster_start_time()")))
	assert.False(t, d.run(options).Since.Before(crashed), "what was used before the crash is not known")
}

// TestInterruptedBuilds: what they leave is never used, and goes.
func TestInterruptedBuilds(t *testing.T) {
	d := newDatabase(t, pgtest.Start(t))
	d.asOwner("CREATE TABLE items (id int); INSERT INTO items VALUES (1), (2)")
	invalid := func() int { return ask[int](d, "SELECT count(*) FROM pg_index WHERE NOT indisvalid") }
	options := d.options(config.Index{Name: "items_id", Table: "items", Columns: columns("id")})

	// A transaction that is older than the build makes it wait: it is ended then.
	holding := func() func() {
		holder := d.Connect(t)
		tx, err := holder.Begin(t.Context())
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), "INSERT INTO items VALUES (3)")
		require.NoError(t, err)
		return func() { require.NoError(t, tx.Rollback(context.Background())) }
	}
	waits := func(progress indexes.Progress) bool { return progress.WaitsFor != 0 }

	t.Run("cancelled", func(t *testing.T) {
		release := holding()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		interrupted := options
		interrupted.Watch = func(progress indexes.Progress) {
			if waits(progress) {
				assert.Equal(t, 1, invalid(), "%+v", progress)
				cancel()
			}
		}
		time.AfterFunc(time.Second, release) // DROP INDEX CONCURRENTLY waits for it as well
		_, err := indexes.Run(ctx, interrupted)
		require.ErrorIs(t, err, context.Canceled)
		assert.Equal(t, 0, invalid(), "the leftover is gone")
	})
	t.Run("the server ended it, and nothing could be done", func(t *testing.T) {
		release := holding()
		interrupted := options
		session := 0
		interrupted.Open = func(ctx context.Context) (*pgx.Conn, error) {
			if session++; session > 2 {
				return nil, errors.New("no more sessions")
			}
			return options.Open(ctx)
		}
		interrupted.Watch = func(progress indexes.Progress) {
			if waits(progress) {
				d.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_progress_create_index")
			}
		}
		_, err := indexes.Run(t.Context(), interrupted)
		require.ErrorContains(t, err, "no more sessions")
		release()
		assert.Equal(t, 1, invalid())

		dry := options
		dry.DryRun = true
		report := d.run(dry)
		assert.Equal(t, indexes.WouldBuild, report.Indexes[0].Outcome)
		assert.Equal(t, "an interrupted build has left items_id, which queries do not use", report.Indexes[0].Reason)
		assert.Equal(t, 1, invalid(), "nothing was changed")

		report = d.run(options)
		assert.Equal(t, indexes.Built, report.Indexes[0].Outcome)
		assert.Equal(t, 0, invalid())
	})
	t.Run("of a REINDEX CONCURRENTLY", func(t *testing.T) {
		d.asOwner("CREATE INDEX items_id_ccnew ON items (id)")
		d.exec("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'items_id_ccnew'::regclass")
		report := d.run(options)
		assert.Equal(t, indexes.IsPresent, report.Indexes[0].Outcome)
		assert.Equal(t, 1, ask[int](d, "SELECT count(*) FROM pg_index WHERE indrelid = 'items'::regclass"))
	})
	t.Run("while another is at work", func(t *testing.T) {
		release := holding()
		waiting := make(chan struct{})
		first := d.options(config.Index{Name: "items_id_too", Table: "items", Columns: []config.IndexColumn{{Expression: "id + 1"}}})
		var once atomic.Bool
		first.Watch = func(progress indexes.Progress) {
			if waits(progress) && once.CompareAndSwap(false, true) {
				close(waiting)
			}
		}
		done := make(chan error, 1)
		go func() {
			_, err := indexes.Run(t.Context(), first)
			done <- err
		}()
		<-waiting
		_, err := indexes.Run(t.Context(), options)
		require.ErrorContains(t, err, "another run is building indexes in this database (session ")
		release()
		require.NoError(t, <-done)
	})
}

// TestLimitsOfTheStackDoNotEndABuild that waits for an old transaction.
func TestLimitsOfTheStackDoNotEndABuild(t *testing.T) {
	d := newDatabase(t, pgtest.Start(t, "idle_session_timeout=300ms"))
	d.exec("ALTER DATABASE postgres SET statement_timeout = '300ms'; ALTER DATABASE postgres SET lock_timeout = '300ms'; SET idle_session_timeout = 0")
	d.asOwner("CREATE TABLE items (id int)")
	d.exec("BEGIN; INSERT INTO items VALUES (1)")
	time.AfterFunc(time.Second, func() { d.exec("COMMIT") })
	report := d.run(d.options(config.Index{Name: "items_id", Table: "items", Columns: columns("id")}))
	assert.Equal(t, indexes.Built, report.Indexes[0].Outcome, report.Indexes[0].Reason)
	assert.Greater(t, report.Indexes[0].Seconds, 0.5)
}

// TestWhatCannotBeBuilt is told, and leaves nothing.
func TestWhatCannotBeBuilt(t *testing.T) {
	d := newDatabase(t, pgtest.Start(t))
	d.asOwner(`CREATE TABLE items (id int, name text); INSERT INTO items VALUES (1, 'a'), (1, 'b');
		CREATE TABLE parts (id int) PARTITION BY RANGE (id);
		CREATE INDEX items_name ON items (name text_pattern_ops)`)
	report := d.run(d.options(
		config.Index{Name: "items_unique", Table: "items", Unique: true, Columns: columns("id")},
		config.Index{Name: "items_nowhere", Table: "items", Columns: columns("nowhere")},
		config.Index{Name: "items_volatile", Table: "items", Columns: []config.IndexColumn{{Expression: "random()"}}},
		config.Index{Name: "items_two", Table: "items", Columns: columns("id"), Where: "true); DROP TABLE items; --"},
		config.Index{Name: "items_name", Table: "items", Columns: columns("name")},
		config.Index{Name: "parts_id", Table: "parts", Columns: columns("id")},
		config.Index{Name: "others_id", Table: "others", Columns: columns("id")},
		config.Index{Name: "items_name_plain", Table: "items", Columns: columns("name")},
	))
	var told []string
	for _, result := range report.Indexes {
		told = append(told, fmt.Sprintf("%s: %s: %s", result.Name, result.Outcome, result.Reason))
	}
	assert.Equal(t, []string{
		`items_unique: failed: could not create unique index "items_unique" (23505): Key (id)=(1) is duplicated. Remove what is there twice, or do not declare it unique`,
		`items_nowhere: failed: PostgreSQL would not build it: column "nowhere" does not exist (42703)`,
		`items_volatile: failed: PostgreSQL would not build it: functions in index expression must be marked IMMUTABLE (42P17)`,
		`items_two: failed: PostgreSQL would not build it: cannot insert multiple commands into a prepared statement (42601)`,
		`items_name: failed: there is an index of this name that is not as declared: declare what it is, choose another name, or drop it`,
		`parts_id: failed: "public"."parts" is partitioned, and PostgreSQL cannot build an index on it without keeping writers out: have a migration make it`,
		`others_id: no table: there is no table others in auth or public: run the migrations that make it first`,
		`items_name_plain: built: `,
	}, told)
	assert.Equal(t, 7, report.Unfinished())
	assert.Equal(t, 0, ask[int](d, "SELECT count(*) FROM pg_index WHERE NOT indisvalid"))
	assert.Equal(t, 2, ask[int](d, "SELECT count(*) FROM pg_class WHERE relname ~ '^items_'"))
}

// TestWaitsForTables that a migration is about to make.
func TestWaitsForTables(t *testing.T) {
	d := newDatabase(t, pgtest.Start(t))
	options := d.options(config.Index{Name: "items_id", Table: "items", Columns: columns("id")})
	options.Wait = time.Minute
	options.Watch = func(progress indexes.Progress) {
		if progress.Phase == "waiting for its table" {
			d.asOwner("CREATE TABLE auth.items (id int)")
		}
	}
	report := d.run(options)
	assert.Equal(t, indexes.Built, report.Indexes[0].Outcome)
	assert.Equal(t, `"auth"."items"`, report.Indexes[0].Table)
}

// TestEveryMajor: the same definitions are recognised by each server.
func TestEveryMajor(t *testing.T) {
	for major, release := range pgtest.Releases {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			server := pgtest.New(t, release)
			require.NoError(t, server.Start(t.Context()))
			d := newDatabase(t, server)
			d.asOwner(`CREATE TABLE items (gone int, id int, name text, data jsonb, at timestamptz); ALTER TABLE items DROP COLUMN gone;
				CREATE INDEX a ON items (lower(name) COLLATE "C" text_pattern_ops DESC NULLS LAST) WHERE at IS NOT NULL AND name <> 'x';
				CREATE INDEX b ON items USING gin (data jsonb_path_ops);
				CREATE INDEX c ON items (id, at DESC) INCLUDE (name)`)
			declared := []config.Index{
				{Name: "aa", Table: "items", Where: `("at" is not null) and name!='x'`, Columns: []config.IndexColumn{
					{Expression: "LOWER( name )", Collation: "C", OperatorClass: "text_pattern_ops", Descending: true, Nulls: "last"}}},
				{Name: "bb", Table: "items", Method: "gin", Columns: []config.IndexColumn{{Name: "data", OperatorClass: "jsonb_path_ops"}}},
				{Name: "cc", Table: "items", Columns: []config.IndexColumn{{Name: "id", Descending: true}, {Name: "at"}}, Include: []string{"name"}},
				{Name: "dd", Table: "items", Columns: columns("name"), Include: []string{"id"}},
			}
			report := d.run(d.options(declared...))
			assert.Equal(t, map[string]indexes.Outcome{
				"aa": indexes.IsCovered, "bb": indexes.IsCovered, "cc": indexes.IsCovered, "dd": indexes.Built,
			}, outcomes(report), "%+v", report.Indexes)
			assert.Equal(t, indexes.IsPresent, outcomes(d.run(d.options(declared...)))["dd"])
		})
	}
}
