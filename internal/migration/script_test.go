package migration

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func parse(t *testing.T, text string) *Script {
	t.Helper()
	script, err := Parse(text)
	require.NoError(t, err)
	return script
}

func idempotent(t *testing.T) *Script {
	t.Helper()
	content, err := os.ReadFile("testdata/idempotent.sql")
	require.NoError(t, err)
	return parse(t, "\ufeff"+string(content))
}

func TestScriptOfMigrations(t *testing.T) {
	script := idempotent(t)
	assert.Equal(t, []Migration{{"20260101000000_First", "9.0.10", true}, {"20260202000000_Second", "9.0.10", true}}, script.Migrations)
	assert.True(t, script.OwnTransactions)
	assert.False(t, script.atomic())
	require.Len(t, script.Statements, 9)
	assert.Equal(t, 7, script.Statements[1].Line)
	assert.Equal(t, "START TRANSACTION", script.Statements[1].Text)
}

func TestMigrationsOfOneInsert(t *testing.T) {
	script := parse(t, `insert into public."__EFMigrationsHistory" ("MigrationId", "ProductVersion") values
		('1_A', '9.0'), ('2_B', '9.0');`)
	assert.Equal(t, []Migration{{"1_A", "9.0", false}, {"2_B", "9.0", false}}, script.Migrations)
	assert.True(t, script.atomic())
}

func TestStatements(t *testing.T) {
	for _, each := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{";;\n-- nothing; here\n/* nor; /* here; */ ; */;", nil},
		{"SELECT 1; SELECT 2", []string{"SELECT 1", "SELECT 2"}},
		{`SELECT 'a;''b', "c;""d", E'e\';f', 'g\'; SELECT 3;`, []string{`SELECT 'a;''b', "c;""d", E'e\';f', 'g\'`, "SELECT 3"}},
		{"SELECT $$;$a$;$$, $a$;$$;$a$, a$b$c; SELECT $1;", []string{"SELECT $$;$a$;$$, $a$;$$;$a$, a$b$c", "SELECT $1"}},
		{"CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3", []string{"CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)", "SELECT 3"}},
		{"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END; SELECT 3", []string{"CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END", "SELECT 3"}},
		{"SELECT 1 -- one;\n + 2; -- end", []string{"SELECT 1 -- one;\n + 2"}},
		{"BEGIN; SELECT 1; END;", []string{"BEGIN", "SELECT 1", "END"}},
	} {
		statements, err := split(each.text)
		require.NoError(t, err, each.text)
		var found []string
		for _, statement := range statements {
			found = append(found, statement.Text)
		}
		assert.Equal(t, each.want, found, each.text)
	}
}

func TestWhatIsNoScript(t *testing.T) {
	for text, says := range map[string]string{
		"SELECT 1;\n\\connect prod":            `line 2: \connect is a command of psql`,
		"SELECT 'open":                         "line 1: a quote (') is not closed",
		"\nSELECT $x$ open":                    "line 2: $x$ is not closed",
		"/* open":                              "line 1: a comment is not closed",
		"SELECT 1;\nCOPY public.t FROM STDIN;": "line 2: COPY … FROM stdin",
	} {
		_, err := Parse(text)
		assert.ErrorContains(t, err, says)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("SELECT 'a;'; DO $$BEGIN; END$$;")
	f.Add("/* ; */ -- ;\n$a$ ; $a$;(;);")
	f.Fuzz(func(t *testing.T, text string) {
		statements, err := split(text)
		if err != nil {
			return
		}
		line := 0
		for _, statement := range statements {
			assert.NotEmpty(t, statement.Text)
			assert.GreaterOrEqual(t, statement.Line, line)
			line = statement.Line
		}
	})
}

func TestPlan(t *testing.T) {
	script := idempotent(t)
	plan := NewPlan(script, []Applied{{ID: "20260101000000_First"}})
	assert.Equal(t, Plan{Applied: []string{"20260101000000_First"}, Pending: []string{"20260202000000_Second"}, Unknown: []string{}}, plan)
	assert.NoError(t, plan.Refuse(script))
	plan = NewPlan(script, []Applied{{ID: "20250101000000_Squashed"}})
	assert.ErrorContains(t, plan.Refuse(script), "1 migrations that the script does not know, the last is 20250101000000_Squashed")

	bare := parse(t, `INSERT INTO "__EFMigrationsHistory" ("MigrationId", "ProductVersion") VALUES ('1_A', '9.0'), ('2_B', '9.0')`)
	assert.NoError(t, NewPlan(bare, nil).Refuse(bare))
	assert.ErrorContains(t, NewPlan(bare, []Applied{{ID: "1_A"}}).Refuse(bare), "would do 1_A again")
	assert.NoError(t, NewPlan(bare, []Applied{{ID: "1_A"}, {ID: "2_B"}, {ID: "3_C"}}).Refuse(bare), "there is nothing to do")
}
