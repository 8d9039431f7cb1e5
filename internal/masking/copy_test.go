package masking_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/masking"
	"github.com/witchcityrope/database/internal/masking/maskingtest"
	"github.com/witchcityrope/database/internal/pgtest"
)

// layouts are the application's tables: first with Identity in a schema of its own.
var layouts = []struct {
	name, file string
	steps      int
	tables     int
}{
	{"of the design", "wcr-schema-auth.sql", 1, 9}, {"since 2025-09-10", "wcr-schema-auth.sql", 2, 9}, {"of today", "wcr-schema.sql", 2, 24},
}

// database makes one with the application's tables after some steps.
func database(t *testing.T, server *pgtest.Server, name, schema string, steps int) *pgx.Conn {
	t.Helper()
	_, err := server.Connect(t).Exec(t.Context(), "CREATE DATABASE "+name)
	require.NoError(t, err)
	session := server.ConnectAs(t, pgtest.Superuser, pgtest.Password, name)
	content, err := os.ReadFile(filepath.Join(configtest.Root(t), "tests", "e2e", "testdata", "schema", schema))
	require.NoError(t, err)
	parts := strings.Split(string(content), "\n-- @step ")
	_, err = session.Exec(t.Context(), strings.Join(parts[:steps+1], "\n-- "))
	require.NoError(t, err)
	return session
}

// ours is the plan of the application's tables.
func ours(t *testing.T) *masking.Plan {
	t.Helper()
	plan, err := masking.ReadPlan(filepath.Join(configtest.Root(t), "masking.yaml"))
	require.NoError(t, err)
	return plan
}

// migrations counts those that a database's history has.
func migrations(t *testing.T, session *pgx.Conn) (count int) {
	t.Helper()
	require.NoError(t, session.QueryRow(t.Context(), `SELECT count(*) FROM "__EFMigrationsHistory" WHERE "MigrationId" ~ '^[0-9]{14}_'`).Scan(&count))
	return count
}

// copyAll copies the tables of a database into another.
func copyAll(t *testing.T, plan *masking.Plan, source, target *pgx.Conn, columns []masking.Column) []masking.Table {
	t.Helper()
	var copied []masking.Table
	require.NoError(t, pgx.BeginTxFunc(t.Context(), source, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(from pgx.Tx) error {
		return pgx.BeginFunc(t.Context(), target, func(to pgx.Tx) error {
			_, err := to.Exec(t.Context(), "SET LOCAL session_replication_role = replica")
			require.NoError(t, err)
			copied, err = plan.Copy(t.Context(), from, to, columns, func(string) {})
			return err
		})
	}))
	return copied
}

// onDisk says whether a text is anywhere in a server's data directory.
func onDisk(t *testing.T, server *pgtest.Server, text string) (files []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(server.DataDir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(bytes.ToLower(content), []byte(strings.ToLower(text))) {
			files = append(files, path)
		}
		return err
	}))
	return files
}

// TestNoCanaryComesThrough copies the application's tables, with a canary in
// every text, and looks for it in the target's tables, files and write-ahead log.
func TestNoCanaryComesThrough(t *testing.T) {
	const rows = 50
	for _, layout := range layouts {
		t.Run(layout.name, func(t *testing.T) {
			from, to := pgtest.Start(t), pgtest.Start(t)
			source, target := database(t, from, "source", layout.file, layout.steps), database(t, to, "target", layout.file, layout.steps)
			_, err := source.Exec(t.Context(), `INSERT INTO "__EFMigrationsHistory" VALUES ('20260101000000_Next', '10.0.0-rc.1.25451.107'), ('20260202000000_Odd', '10.0.0-' || lower($1))`, maskingtest.Canary)
			require.NoError(t, err)
			columns, applied := maskingtest.Columns(t, source), migrations(t, source)
			maskingtest.Fill(t, source, columns, rows)
			require.Greater(t, strings.Count(maskingtest.Contents(t, source, columns), maskingtest.Canary), rows*20)
			_, err = target.Exec(t.Context(), `TRUNCATE "__EFMigrationsHistory"`)
			require.NoError(t, err)
			copied := copyAll(t, ours(t), source, target, columns)
			assert.Len(t, copied, layout.tables)
			for _, table := range copied {
				want := rows
				if table.Name == "public.__EFMigrationsHistory" {
					want += applied
				}
				assert.EqualValues(t, want, table.Rows, table.Name)
			}
			assert.Equal(t, applied, migrations(t, target), "which are kept")
			text := maskingtest.Contents(t, target, columns)
			assert.Zero(t, maskingtest.Count(text))
			assert.Contains(t, text, "@example.com")
			assert.Contains(t, text, "20260101000000_Next\t10.0.0-rc.1.25451.107\n")
			_, err = target.Exec(t.Context(), "CHECKPOINT")
			require.NoError(t, err)
			require.NoError(t, to.Kill())
			assert.Empty(t, onDisk(t, to, maskingtest.Canary), "nothing of the source's texts ever was on the target")
			assert.NotEmpty(t, onDisk(t, from, maskingtest.Canary))
			assert.NotContains(t, to.Log(t), maskingtest.Canary)
		})
	}
}

// TestAnyPlanHoldsWhatItPromises: whatever rules are chosen among those that
// Check lets pass, nothing comes through that is not kept, and rows that were
// different or referred to each other still are and do.
func TestAnyPlanHoldsWhatItPromises(t *testing.T) {
	server := pgtest.Start(t)
	source := database(t, server, "source", "wcr-schema.sql", 2)
	columns := maskingtest.Columns(t, source)
	maskingtest.Fill(t, source, columns, 20)
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 5))
			plan := anyPlan(random, columns, ours(t))
			target := database(t, server, fmt.Sprintf("target%d", seed), "wcr-schema.sql", 2)
			_, err := target.Exec(t.Context(), `TRUNCATE "__EFMigrationsHistory"`)
			require.NoError(t, err)
			copyAll(t, plan, source, target, columns) // unique indexes and checks hold while it copies
			assert.Zero(t, maskingtest.Count(maskingtest.Contents(t, target, columns)))
			var orphans int
			require.NoError(t, target.QueryRow(t.Context(), `SELECT count(*) FROM "UserRoles" r LEFT JOIN "Users" u ON u."Id" = r."UserId" WHERE u."Id" IS NULL`).Scan(&orphans))
			assert.Zero(t, orphans)
		})
	}
}

// can says whether a rule by itself can be a column's.
func can(rule masking.Rule, column masking.Column) bool {
	faults, _ := (&masking.Plan{Tables: map[string]map[string]masking.Rule{column.Of(): {column.Name: rule}}}).Check([]masking.Column{column})
	return len(faults) == 0
}

// anyPlan draws a rule that loses the text for every column that needs one; what
// the tables check keeps the rule of the application's plan.
func anyPlan(random *rand.Rand, columns []masking.Column, given *masking.Plan) *masking.Plan {
	plan := &masking.Plan{Tables: map[string]map[string]masking.Rule{}}
	for _, column := range columns {
		if !column.Required() {
			continue
		}
		if plan.Tables[column.Of()] == nil {
			plan.Tables[column.Of()] = map[string]masking.Rule{}
		}
		candidates := []masking.Rule{{Action: masking.Null}, {Action: masking.Hash}, {Action: masking.Name}, {Action: masking.Email}, {Action: masking.Constant, Value: "x y z"}, {Action: masking.Keep, Values: []string{"a"}, Matching: "^b"}}
		random.Shuffle(len(candidates), func(i, j int) { candidates[i], candidates[j] = candidates[j], candidates[i] })
		rule, _ := given.Rule(column)
		for _, candidate := range candidates {
			if column.Kind == masking.Text && can(candidate, column) && column.Name != "ActionType" && column.Name != "Slug" {
				rule = candidate
				break
			}
		}
		plan.Tables[column.Of()][column.Name] = rule
	}
	return plan
}

// TestTablesOfAllKinds copies what the application does not have yet.
func TestTablesOfAllKinds(t *testing.T) {
	server := pgtest.Start(t)
	const tables = `
		CREATE SCHEMA "Odd.Schema"; CREATE EXTENSION citext; CREATE EXTENSION hstore;
		CREATE TYPE mood AS ENUM ('calm', 'keen'); CREATE TYPE pair AS (a text, b int); CREATE DOMAIN code AS varchar(30); CREATE DOMAIN tags AS text[];
		CREATE TABLE "Odd.Schema"."Odd""Table" ("Odd Column" text, "x.y" text, n serial, ALWAYS int GENERATED ALWAYS AS IDENTITY);
		CREATE TABLE kinds (id int, a text[], b pair, c code, d tags, e citext, f hstore, g inet, h xml, i mood, j numeric[], k tsvector, l "char", m char(40), o bit(4), p point, q tstzrange,
			r text GENERATED ALWAYS AS (upper(c)) STORED, s date, t interval, u float8, v bytea, w name, gone text);
		ALTER TABLE kinds DROP gone;
		CREATE TABLE parted (id int, region text, note text) PARTITION BY RANGE (id);
		CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100); CREATE TABLE parted_2 PARTITION OF parted DEFAULT;
		CREATE TABLE parent (id int, note text); CREATE TABLE child (more text) INHERITS (parent);
		CREATE TEMPORARY TABLE passing (note text);
		CREATE VIEW seen AS SELECT note FROM parent;`
	var sessions []*pgx.Conn
	for _, name := range []string{"source", "target"} {
		_, err := server.Connect(t).Exec(t.Context(), "CREATE DATABASE "+name)
		require.NoError(t, err)
		session := server.ConnectAs(t, pgtest.Superuser, pgtest.Password, name)
		_, err = session.Exec(t.Context(), tables)
		require.NoError(t, err)
		sessions = append(sessions, session)
	}
	source, target := sessions[0], sessions[1]
	_, err := source.Exec(t.Context(), strings.ReplaceAll(`
		INSERT INTO "Odd.Schema"."Odd""Table" ("Odd Column", "x.y") SELECT 'CANARY' || i, E'CANARY\t\n\\\\' || i FROM generate_series(1, 9) AS i;
		INSERT INTO kinds (id, a, b, c, d, e, f, g, h, i, j, k, l, m, o, p, q, s, t, u, v, w) VALUES (1, '{CANARY}', '(CANARY,1)', 'CANARY', '{CANARY}', 'CANARY', 'CANARY=>CANARY', '10.1.2.3', '<CANARY/>', 'keen', '{1.5}', 'CANARY', 'C', 'CANARY', '1010', '(1,2)',
			'[2026-01-01,2026-02-01)', '0044-03-15 BC', '1 mon 2 days', 0.1::float8 + 0.2, 'CANARY', 'CANARY'), (2, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, 'NaN', null, null);
		INSERT INTO parted SELECT i, 'CANARY', 'CANARY' FROM generate_series(1, 200) AS i;
		INSERT INTO parent VALUES (1, 'CANARY'); INSERT INTO child VALUES (2, 'CANARY', 'CANARY')`, "CANARY", maskingtest.Canary))
	require.NoError(t, err)

	columns := maskingtest.Columns(t, source)
	var required []string
	for _, column := range columns {
		if column.Required() {
			required = append(required, column.String())
		}
	}
	want := []string{"Odd.Schema.Odd\"Table.Odd Column", "Odd.Schema.Odd\"Table.x.y", "public.child.note", "public.child.more"}
	for _, name := range strings.Split("abcdefghklmopqvw", "") {
		if name != "q" && name != "j" { // a range of times
			want = append(want, "public.kinds."+name)
		}
	}
	assert.ElementsMatch(t, append(want, "public.parent.note", "public.parted.region", "public.parted.note"), required)

	faults, _ := (&masking.Plan{}).Check(columns)
	plan, err := masking.ParsePlan(strings.NewReader(faults.Proposal()))
	require.NoError(t, err, faults.Proposal())
	_, err = target.Exec(t.Context(), "SET datestyle = 'German'; SET intervalstyle = 'iso_8601'; SET extra_float_digits = -3")
	require.NoError(t, err)
	copied := copyAll(t, plan, source, target, columns)
	assert.Equal(t, []masking.Table{{Name: `Odd.Schema.Odd"Table`, Rows: 9}, {Name: "public.child", Rows: 1}, {Name: "public.kinds", Rows: 2}, {Name: "public.parent", Rows: 1}, {Name: "public.parted", Rows: 200}}, copied)
	assert.Zero(t, maskingtest.Count(maskingtest.Contents(t, target, columns)))
	for _, query := range []string{
		"SELECT count(*)::text FROM parted_1", "SELECT count(*)::text FROM ONLY parent", `SELECT nextval('"Odd.Schema"."Odd""Table_n_seq"')::text`, `SELECT max(always)::text FROM "Odd.Schema"."Odd""Table"`,
		"SELECT string_agg(concat_ws('|', id, i, j, extract(epoch FROM lower(q)), s - date '2026-01-01', t = '1 mon 2 days', u = 0.1::float8 + 0.2), ' ' ORDER BY id) FROM kinds",
	} {
		var there, here string
		require.NoError(t, source.QueryRow(t.Context(), query).Scan(&there))
		require.NoError(t, target.QueryRow(t.Context(), query).Scan(&here))
		assert.Equal(t, there, here, query)
	}
}
