package e2e

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/witchcityrope/database/internal/operation"
)

// TestEndToEndExceptionOfAllTables: the application reads the history of migrations and does not
// write it, from the migration that makes it on; every other table it writes.
func TestEndToEndExceptionOfAllTables(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "dev", plugins).initialize()
		const insert = `INSERT INTO "__EFMigrationsHistory" VALUES ('1', '1')`
		writes := func(t *testing.T, answer string) {
			t.Helper()
			session := p.session(t, p.connections()["app"])
			assert.NoError(t, attempt(t, session, `SELECT * FROM "__EFMigrationsHistory"`))
			assert.Equal(t, answer, code(attempt(t, session, insert)))
			assert.NoError(t, attempt(t, session, `INSERT INTO "Later" VALUES (1)`))
		}
		excepted := values{"grants": []values{{"role": "rw", "on": "table", "schema": "public", "objects": []string{"__EFMigrationsHistory"}, "privileges": []string{"SELECT"}}}}
		p.step("before there is one", func(t *testing.T) {
			p.configure(values{"access": excepted})
			p.must("up")
			p.must("access", "verify")
		})
		p.step("a migration makes it", func(t *testing.T) {
			script := `CREATE TABLE IF NOT EXISTS "__EFMigrationsHistory" ("MigrationId" varchar(150) PRIMARY KEY, "ProductVersion" varchar(32) NOT NULL);
			` + fmt.Sprintf(guarded, "20270101000000_First", `CREATE TABLE "Later" (x int)`)
			result := told[operation.Migrated](p, "migrate", "--sql", p.file("first.sql", script))
			assert.Len(t, result.Applied, 1)
			assert.Empty(t, result.Access.Failing)
			writes(t, insufficientPrivilege)
			p.must("up")
			p.unchanged()
			writes(t, insufficientPrivilege)
		})
		p.step("by hand", func(t *testing.T) {
			p.sudo(t, `GRANT INSERT ON "__EFMigrationsHistory" TO `+p.names().ReadWrite)
			p.fails(1, []string{"INSERT on table public.__EFMigrationsHistory must not be allowed and is"}, "access", "verify")
			p.must("up")
			writes(t, insufficientPrivilege)
			p.sudo(t, `REVOKE INSERT ON "Later" FROM `+p.names().ReadWrite)
			p.must("up")
			writes(t, insufficientPrivilege)
			p.unchanged()
		})
		p.step("no exception any more, and one again", func(t *testing.T) {
			p.configure(values{"access": values{"grants": nil}})
			p.must("up")
			writes(t, "")
			p.unchanged()
			p.configure(values{"access": excepted})
			p.must("up")
			writes(t, insufficientPrivilege)
			p.unchanged()
			p.must("access", "verify")
		})
	})
}
