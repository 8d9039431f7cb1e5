package e2e

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/masking"
	"github.com/witchcityrope/database/internal/masking/maskingtest"
	"github.com/witchcityrope/database/internal/operation"
)

// twoStacks are prod and dev of one project, with the application's tables.
func twoStacks(t *testing.T, plugins operation.PluginChoice) (prod, dev *project) {
	prod, dev = newProject(t, "prod", plugins), newProject(t, "dev", plugins)
	content, err := os.ReadFile(filepath.Join(dev.dir, "Pulumi.dev.yaml"))
	require.NoError(t, err)
	dev.dir = prod.dir
	prod.file("Pulumi.dev.yaml", string(content))
	plan, err := os.ReadFile(filepath.Join("..", "..", operation.MaskingFile))
	require.NoError(t, err)
	prod.file(operation.MaskingFile, string(plan))
	prod.initialize()
	dev.env = prod.env
	dev.initialize()
	for _, p := range []*project{prod, dev} {
		p.up()
		p.must("migrate", "--yes", "--sql", absolute(t, "testdata/schema/wcr-schema.sql"))
		// Each has a role of its own that reads one table.
		reader := p.stack + "_reporter"
		p.configure(values{
			"access": values{
				"roles":  []values{{"name": reader, "login": true, "memberOf": []string{}}},
				"grants": []values{{"role": reader, "on": "schema", "schema": "public", "privileges": []string{"USAGE"}}, {"role": reader, "on": "table", "schema": "public", "objects": []string{"Events"}, "privileges": []string{"SELECT"}}},
			},
			"settings": values{"statement_timeout": "2s"},
		})
		p.up()
	}
	return prod, dev
}

func TestEndToEndRefreshData(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		prod, dev := twoStacks(t, plugins)
		const rows = 100
		var columns []masking.Column
		var original string
		dev.step("canaries", func(t *testing.T) {
			source := prod.superuser(t, prod.config().Database.Name)
			columns = maskingtest.Columns(t, source)
			maskingtest.Fill(t, source, columns, rows)
			prod.sudo(t, fmt.Sprintf(`SELECT setval(pg_get_serial_sequence('"RoleClaims"', 'Id'), %d)`, rows))
			original = maskingtest.Contents(t, source, columns)
			require.Greater(t, strings.Count(original, maskingtest.Canary), rows*20)
			dev.must("seed", "--sql", dev.file("seed.sql", `INSERT INTO "Settings" VALUES (gen_random_uuid(), 'mine', 'dev''s own', null, now(), now());`))
		})
		dev.step("upward", func(t *testing.T) {
			prod.fails(1, []string{"stack dev has rank 20 and stack prod has rank 100", "nothing was touched"}, "refresh-data", "--from", "dev", "--to", "prod", "--yes")
			prod.fails(1, []string{"from itself"}, "refresh-data", "--from", "prod", "--to", "prod", "--yes")
			dev.configure(values{"rank": 100})
			dev.fails(1, []string{"rank 100: data only flows"}, "refresh-data", "--from", "prod", "--yes")
			dev.configure(values{"rank": 20})
			assert.NoDirExists(t, dev.local("backups"))
		})
		dev.step("into another stack's container", func(t *testing.T) {
			name := dev.config().Server.Name
			dev.configure(values{"server": values{"name": prod.config().Server.Name}})
			dev.fails(1, []string{`is one of stack "prod"`, "othing was touched"}, "refresh-data", "--from", "prod", "--yes")
			dev.configure(values{"server": values{"name": name}})
		})
		dev.step("by way of a backup", func(t *testing.T) {
			prod.must("backup", "--out", filepath.Join(prod.dir, "of-prod"))
			made, err := filepath.Glob(filepath.Join(prod.dir, "of-prod", "2*"))
			require.NoError(t, err)
			require.Len(t, made, 1)
			dev.fails(1, []string{"of stack prod (rank 100), and stack dev has rank 20", "nothing was touched"}, "restore", "--from", made[0], "--yes")
		})
		dev.step("a text without a rule", func(t *testing.T) {
			prod.sudo(t, `ALTER TABLE "Users" ADD "SafeWord" text`)
			dev.fails(1, []string{"public.Users.SafeWord (text): no rule", "SafeWord: null", "nothing was touched"}, "refresh-data", "--from", "prod", "--yes")
			prod.sudo(t, `ALTER TABLE "Users" DROP "SafeWord"`)
			dev.fails(2, []string{"Nobody is there to confirm it"}, "refresh-data", "--from", "prod")
			assert.NoDirExists(t, dev.local("backups"))
		})
		dev.step("down", func(t *testing.T) {
			report := told[operation.RefreshedData](dev, "refresh-data", "--from", "prod", "--yes")
			assert.Len(t, report.Tables, 24)
			assert.EqualValues(t, 24*rows+9, report.Rows)
			assert.NotEmpty(t, report.Backup)
			assert.Empty(t, report.Access.Failing)
			assert.Positive(t, report.Access.Cells)
			session := dev.superuser(t, dev.config().Database.Name)
			assert.Equal(t, rows, ask[int](t, session, `SELECT count(DISTINCT "Email") FROM "Users"`))
			assert.Equal(t, dev.names().Owner, ask[string](t, session, `SELECT tableowner::text FROM pg_tables WHERE tablename = 'Users'`))
			assert.Equal(t, rows+1, ask[int](t, dev.session(t, dev.connections()["migrator"]), `INSERT INTO "RoleClaims" ("RoleId") SELECT "Id" FROM "Roles" LIMIT 1 RETURNING "Id"`))
			assert.True(t, ask[bool](t, session, `SELECT has_table_privilege('dev_reporter', '"Events"', 'SELECT') AND NOT has_table_privilege('dev_reporter', '"Users"', 'SELECT')`))
			assert.Zero(t, ask[int](t, session, `SELECT count(*) FROM pg_roles WHERE rolname = 'prod_reporter'`))
			dev.as(t, "app", func(session *pgx.Conn) {
				_, err := session.Exec(t.Context(), `UPDATE "Users" SET "IsActive" = true`)
				assert.NoError(t, err)
			})
			dump, code := dev.exec("postgres", "pg_dump", "--username=postgres", dev.config().Database.Name)
			require.Zero(t, code, dump)
			assert.Zero(t, maskingtest.Count(dump))
			assert.Contains(t, dump, "@example.com")
			// PostgreSQL writes a check that was read from its own writing a little differently: their names do.
			structure := func(p *project) string {
				return ask[string](t, p.superuser(t, p.config().Database.Name), `SELECT string_agg(line, E'\n' ORDER BY line) FROM (
					SELECT format('%s %s %s %s', attrelid::regclass, attname, format_type(atttypid, atttypmod), attnotnull) AS line
						FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped
					UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
					UNION ALL SELECT format('%s %s %s', conrelid::regclass, conname, CASE contype WHEN 'c' THEN '' ELSE pg_get_constraintdef(oid) END) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
				) AS lines`)
			}
			assert.True(t, structure(prod) == structure(dev), "tables, keys, checks and indexes")
			assert.True(t, original == maskingtest.Contents(t, prod.superuser(t, prod.config().Database.Name), columns), "the source is as it was")
			require.NotEmpty(t, report.Kept)
			assert.Equal(t, 1, ask[int](t, dev.superuser(t, report.Kept), `SELECT count(*) FROM "Settings" WHERE "Key" = 'mine'`))
		})
		dev.step("killed", func(t *testing.T) { provesRefreshKilled(t, dev) })
		dev.step("interrupted", func(t *testing.T) {
			before := dev.whole(t)
			dev.stoppedAt(t, os.Interrupt, "public.Users", "refresh-data", "--from", "prod", "--yes")
			assert.True(t, before == dev.whole(t), "interrupted, the target is as it was")
			assert.Empty(t, dev.beside(t, "restoring"), "it cleans up behind itself")
		})
		dev.step("again", func(t *testing.T) {
			prod.sudo(t, `UPDATE "Users" SET "IsActive" = true`, `ALTER TABLE "Events" ADD "Rating" integer`, "SET ROLE "+prod.names().Owner,
				`CREATE MATERIALIZED VIEW public.busy AS SELECT "EventId", count(*) AS people FROM "EventParticipations" GROUP BY 1`)
			report := told[operation.RefreshedData](dev, "refresh-data", "--from", "prod", "--yes")
			session := dev.superuser(t, dev.config().Database.Name)
			assert.Equal(t, rows, ask[int](t, session, `SELECT count(*) FROM "Users" WHERE "IsActive"`))
			assert.Equal(t, rows, ask[int](t, session, `SELECT count(*) FROM public.busy`))
			assert.Len(t, dev.beside(t, "before"), 2)
			dev.must("databases", "drop", report.Kept, "--yes")
		})
		dev.step("no canary on the target's disk", func(t *testing.T) {
			dev.sudo(t, "CHECKPOINT")
			found, code := dev.exec("root", "grep", "-rlia", maskingtest.Canary, "/var/lib/postgresql/data")
			assert.Equal(t, 1, code, found)
			prod.sudo(t, "CHECKPOINT")
			found, _ = prod.exec("root", "grep", "-rlia", maskingtest.Canary, "/var/lib/postgresql/data")
			assert.NotEmpty(t, found)
		})
		dev.step("no drift", func(*testing.T) { dev.unchanged(); prod.unchanged() })
	})
}

// stoppedAt sends a run a signal when it says something.
func (p *project) stoppedAt(t *testing.T, signal os.Signal, says string, args ...string) {
	t.Helper()
	command := p.command(t.Context(), args...)
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	lines, seen := bufio.NewScanner(output), false
	var said strings.Builder
	for lines.Scan() {
		fmt.Fprintln(&said, lines.Text())
		if !seen && strings.Contains(lines.Text(), says) {
			seen = true
			require.NoError(t, command.Process.Signal(signal))
		}
	}
	err = command.Wait()
	p.record(said.String(), args...)
	require.True(t, seen, "it never said %q", says)
	require.Error(t, err)
}
