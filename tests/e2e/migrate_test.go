package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/health"
	scripts "github.com/witchcityrope/database/internal/migration"
	"github.com/witchcityrope/database/internal/operation"
)

// file is one of the test's own, beside the stack file.
func (p *project) file(name, content string) string {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	require.NoError(p.t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// told runs a command and reads what it writes for machines.
func told[T any](p *project, args ...string) (value T) {
	p.t.Helper()
	done := p.must(append(args, "--json")...)
	require.NoError(p.t, json.Unmarshal([]byte(done.stdout), &value), "%s", done)
	return value
}

func TestEndToEndMigrate(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "dev", plugins).initialize()
		p.up()
		const schema = "testdata/schema/wcr-schema.sql"
		p.step("nothing is applied yet", func(t *testing.T) {
			assert.Empty(t, told[operation.Migrations](p, "migrations").Applied)
			assert.Len(t, told[operation.Migrations](p, "migrations", "--sql", absolute(t, schema)).Plan.Pending, 9)
		})
		p.step("production asks", func(t *testing.T) {
			p.configure(values{"rank": 100})
			p.fails(2, []string{"pending        20251024232104_InitialMigration", "Nobody is there to confirm it"}, "migrate", "--sql", absolute(t, schema))
			p.fails(1, []string{"rank 100", "nothing was done"}, "seed", "--sql", p.file("seed.sql", "SELECT 1"))
			p.configure(values{"rank": nil})
			p.fails(1, []string{"no rank", "nothing was done"}, "seed", "--sql", p.file("seed.sql", "SELECT 1"))
			p.configure(values{"rank": 20})
			assert.Empty(t, told[operation.Migrations](p, "migrations").Applied)
		})
		p.step("the application's tables", func(t *testing.T) {
			idempotent := p.file("idempotent.sql", guardedForm(t, schema))
			result := told[operation.Migrated](p, "migrate", "--sql", idempotent)
			assert.Len(t, result.Applied, 9)
			assert.Empty(t, result.Pending)
			assert.Positive(t, result.Access.Cells)
			assert.Empty(t, result.Access.Failing)
			assert.Equal(t, "20251028041828_MoveCmsToPublicSchema", told[operation.Migrations](p, "migrations").Applied[8].ID)
		})
		p.step("health knows what must be applied", func(t *testing.T) {
			found, _ := p.health()
			assert.Equal(t, health.Healthy, finding(t, found, "migrations").Status)
			assert.Contains(t, finding(t, found, "migrations").Threshold, "20251028041828_MoveCmsToPublicSchema, by idempotent.sql, which wcrdb migrate was given")
		})
		p.step("a second run does nothing", func(t *testing.T) {
			result := told[operation.Migrated](p, "migrate", "--sql", absolute(t, schema))
			assert.Zero(t, result.Statements)
			assert.Len(t, result.Before.Applied, 9)
		})
		p.step("a script that does not know what the server has", func(t *testing.T) {
			p.fails(1, []string{"9 migrations that the script does not know"}, "migrate", "--sql", p.file("squashed.sql",
				`INSERT INTO "__EFMigrationsHistory" ("MigrationId", "ProductVersion") VALUES ('20270101000000_Squashed', '10.0.0');`))
		})
		p.step("killed", func(t *testing.T) {
			history, err := os.ReadFile(schema)
			require.NoError(t, err)
			before, _, _ := strings.Cut(string(history), "-- @step baseline")
			var known strings.Builder
			for _, applied := range told[operation.Migrations](p, "migrations").Applied {
				fmt.Fprintf(&known, guarded, applied.ID, "PERFORM 1")
			}
			script := before + known.String() + fmt.Sprintf(guarded, "20270101000000_Slow", `CREATE TABLE "Slow" (x int); PERFORM pg_sleep(%s)`)
			slow, quick := p.file("slow.sql", strings.Replace(script, "%s", "3600", 1)), p.file("quick.sql", strings.Replace(script, "%s", "0", 1))
			killed := p.command(t.Context(), "migrate", "--sql", slow)
			require.NoError(t, killed.Start())
			session := p.superuser(t, p.config().Database.Name)
			await(t, 20*time.Second, "a migration at work", func() error {
				if ask[int](t, session, `SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'`) == 0 {
					return errors.New("there is none")
				}
				return nil
			})
			require.NoError(t, killed.Process.Kill())
			require.Error(t, killed.Wait())
			assert.Len(t, told[operation.Migrations](p, "migrations").Applied, 9)
			assert.Equal(t, []string{"20270101000000_Slow"}, told[operation.Migrated](p, "migrate", "--sql", quick).Applied)
			p.sudo(t, `DROP TABLE "Slow"`)
		})
		p.step("half of it", func(t *testing.T) {
			script := "-- of which the second fails\n"
			for _, applied := range told[operation.Migrations](p, "migrations").Applied {
				script += fmt.Sprintf(guarded, applied.ID, "PERFORM 1")
			}
			grant := `GRANT INSERT ON public."Settings" TO ` + p.names().ReadOnly
			script += fmt.Sprintf(guarded, "20270201000000_Granting", grant)
			script = "START TRANSACTION;\n" + script + "COMMIT;\nSTART TRANSACTION;\n" + fmt.Sprintf(guarded, "20270202000000_Failing", "PERFORM 1 / 0") + "COMMIT;\n"
			done := p.fails(1, []string{"division by zero", "applied by this run: 20270201000000_Granting"}, "migrate", "--json", "--sql", p.file("half.sql", script))
			var result operation.Migrated
			require.NoError(t, json.Unmarshal([]byte(done.stdout), &result), "%s", done)
			assert.Equal(t, []string{"20270201000000_Granting"}, result.Applied)
			assert.Equal(t, []string{"20270202000000_Failing"}, result.Pending)
			assert.Contains(t, result.Failure, "division by zero")
			require.NotNil(t, result.Access, "what was applied is looked at")
			assert.NotEmpty(t, result.Access.Failing)
			assert.Contains(t, done.stderr, "cells of the access contract are not as declared")
			found, code := p.health()
			assert.Equal(t, 2, code)
			assert.Contains(t, finding(t, found, "migrations").Value, "20270202000000_Failing is pending")
			p.sudo(t, `REVOKE INSERT ON public."Settings" FROM `+p.names().ReadOnly, `DELETE FROM "__EFMigrationsHistory" WHERE "MigrationId" ~ '_Granting'`)
			p.must("migrate", "--sql", p.file("whole.sql", strings.NewReplacer("1 / 0", "1", grant, "PERFORM 1").Replace(script)))
		})
		p.step("on another machine", func(t *testing.T) {
			ca, err := os.ReadFile(p.local("ca.crt"))
			require.NoError(t, err)
			require.NoError(t, os.Remove(p.local("ca.crt")))
			p.must("seed", "--sql", p.file("nothing.sql", "SELECT 1;"))
			require.NoError(t, os.WriteFile(p.local("ca.crt"), ca, 0o600))
		})
		p.step("one that breaks the contract", func(t *testing.T) {
			p.fails(1, []string{"cells of the access contract are not as declared", "INSERT on table"}, "migrate", "--sql",
				p.file("grant.sql", `GRANT INSERT ON public."Settings" TO `+p.names().ReadOnly))
			p.sudo(t, `REVOKE INSERT ON public."Settings" FROM `+p.names().ReadOnly)
		})
		p.step("seed data", func(t *testing.T) {
			seed := p.file("seed.sql", `INSERT INTO "Settings" VALUES (gen_random_uuid(), 'a', 'b', null, now(), now());`)
			assert.Equal(t, 1, told[operation.Seeded](p, "seed", "--sql", seed).Statements)
			p.fails(1, []string{"line 1", "permission denied"}, "seed", "--sql", p.file("ddl.sql", `CREATE TABLE public.mine (x int)`))
			p.fails(2, []string{"--sql"}, "seed")
		})
		p.step("no drift", func(*testing.T) { p.unchanged() })
	})
}

// historyRow is one of an insertion into the history.
var historyRow = regexp.MustCompile(`\('(\d{14}_\w+)', *'[^']*'\)`)

// guardedForm is a script as dotnet ef migrations script --idempotent writes it:
// each statement, and each row of the history, where its migration is not applied yet.
func guardedForm(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	script, err := scripts.Parse(string(content))
	require.NoError(t, err)
	var text strings.Builder
	var waiting []string
	for _, statement := range script.Statements {
		rows := historyRow.FindAllStringSubmatch(statement.Text, -1)
		switch {
		case strings.HasPrefix(statement.Text, `create table if not exists "__EFMigrationsHistory"`):
			text.WriteString(statement.Text + ";\n\n")
		case rows == nil:
			waiting = append(waiting, strings.TrimSuffix(statement.Text, ";"))
		default:
			text.WriteString("START TRANSACTION;\n")
			for _, each := range waiting {
				fmt.Fprintf(&text, guardedStatement, rows[len(rows)-1][1], each)
			}
			for _, row := range rows {
				fmt.Fprintf(&text, guarded, row[1], "PERFORM 1")
			}
			text.WriteString("COMMIT;\n\n")
			waiting = nil
		}
	}
	require.Empty(t, waiting)
	return text.String()
}

// guardedStatement is a part of such a migration.
const guardedStatement = `DO $EF$
BEGIN
    IF NOT EXISTS(SELECT 1 FROM "__EFMigrationsHistory" WHERE "MigrationId" = '%s') THEN
%s;
    END IF;
END $EF$;
`

// guarded is a migration as an idempotent script has it.
const guarded = `DO $EF$
BEGIN
    IF NOT EXISTS(SELECT 1 FROM "__EFMigrationsHistory" WHERE "MigrationId" = '%[1]s') THEN
        %[2]s;
        INSERT INTO "__EFMigrationsHistory" ("MigrationId", "ProductVersion") VALUES ('%[1]s', '9.0.10');
    END IF;
END $EF$;
`

func absolute(t testing.TB, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	require.NoError(t, err)
	return path
}
