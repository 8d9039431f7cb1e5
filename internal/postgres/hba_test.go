package postgres_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/postgres"
)

func TestRenderHBA(t *testing.T) {
	text, err := postgres.RenderHBA([]postgres.HBARule{
		{Type: "local", Databases: []string{"all"}, Roles: []string{"postgres"}, Method: "peer"},
		{Type: "hostssl", Databases: []string{"witchcityrope", "Odd Name"}, Roles: []string{"+readers", `+a "b"`, "app"},
			Address: "172.20.0.0/16", Method: "scram-sha-256"},
		{Type: "hostssl", Databases: []string{"sameuser"}, Roles: []string{"all"}, Address: "::1", Method: "cert",
			Options: map[string]string{"map": "my map", "clientcert": "verify-full"}},
		{Type: "host", Databases: []string{"all"}, Roles: []string{"sameuser"}, Address: "db.example.org", Method: "reject"},
	})
	require.NoError(t, err)
	assert.Equal(t, `# TYPE   DATABASE                  USER                     ADDRESS         METHOD
local    all                       postgres                                 peer
hostssl  witchcityrope,"Odd Name"  +readers,+"a ""b""",app  172.20.0.0/16   scram-sha-256
hostssl  sameuser                  all                      ::1/128         cert  clientcert=verify-full  map="my map"
host     all                       "sameuser"               db.example.org  reject
`, text)
}

func TestRenderHBAFaults(t *testing.T) {
	good := postgres.HBARule{Type: "hostssl", Databases: []string{"all"}, Roles: []string{"all"}, Address: "all", Method: "scram-sha-256"}
	tests := map[string]struct {
		change func(*postgres.HBARule)
		want   string
	}{
		"type":               {func(r *postgres.HBARule) { r.Type = "tcp" }, `type: "tcp" is unknown`},
		"method":             {func(r *postgres.HBARule) { r.Method = "scram" }, `method: "scram" is unknown`},
		"no database":        {func(r *postgres.HBARule) { r.Databases = nil }, "databases: none is given"},
		"empty database":     {func(r *postgres.HBARule) { r.Databases = []string{""} }, "databases: name is empty"},
		"regular expression": {func(r *postgres.HBARule) { r.Databases = []string{"/.*"} }, "starts with a slash"},
		"line break":         {func(r *postgres.HBARule) { r.Roles = []string{"a\nhost all all all trust"} }, "control character"},
		"no role":            {func(r *postgres.HBARule) { r.Roles = nil }, "roles: none is given"},
		"empty group":        {func(r *postgres.HBARule) { r.Roles = []string{"+"} }, "roles: name is empty"},
		"no address":         {func(r *postgres.HBARule) { r.Address = "" }, "address: none is given"},
		"bits beyond":        {func(r *postgres.HBARule) { r.Address = "10.1.2.3/8" }, "write 10.0.0.0/8"},
		"bad mask":           {func(r *postgres.HBARule) { r.Address = "10.0.0.0/33" }, "neither a CIDR range"},
		"bad number":         {func(r *postgres.HBARule) { r.Address = "300.1.2.3" }, "neither a CIDR range"},
		"zone":               {func(r *postgres.HBARule) { r.Address = "fe80::1%eth0" }, "neither a CIDR range"},
		"injected address":   {func(r *postgres.HBARule) { r.Address = "all trust" }, "neither a CIDR range"},
		"local with address": {func(r *postgres.HBARule) { r.Type = "local" }, "a local rule is for the Unix socket"},
		"peer over TCP":      {func(r *postgres.HBARule) { r.Method = "peer" }, "method: peer"},
		"ident on socket":    {func(r *postgres.HBARule) { r.Type, r.Address, r.Method = "local", "", "ident" }, "method: ident"},
		"cert without TLS":   {func(r *postgres.HBARule) { r.Type, r.Method = "host", "cert" }, "method: cert needs TLS"},
		"option name":        {func(r *postgres.HBARule) { r.Options = map[string]string{"a b": "c"} }, "not the name of an option"},
		"option value":       {func(r *postgres.HBARule) { r.Options = map[string]string{"map": "a\n"} }, "the value of map"},
		"clientcert value":   {func(r *postgres.HBARule) { r.Options = map[string]string{"clientcert": "1"} }, "use verify-ca or verify-full"},
		"clientcert type": {func(r *postgres.HBARule) {
			r.Type, r.Options = "host", map[string]string{"clientcert": "verify-ca"}
		}, "clientcert needs TLS"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			bad := good
			test.change(&bad)
			text, err := postgres.RenderHBA([]postgres.HBARule{good, bad})
			require.ErrorContains(t, err, test.want)
			assert.ErrorContains(t, err, "rule 2: ")
			assert.Empty(t, text)
			assert.ErrorContains(t, bad.Validate(), test.want)
		})
	}
	require.NoError(t, good.Validate())
}

func TestRenderHBAReportsAllFaults(t *testing.T) {
	_, err := postgres.RenderHBA([]postgres.HBARule{{}, {Type: "x", Method: "y"}})
	require.Error(t, err)
	for _, want := range []string{"rule 1: type", "rule 1: databases", "rule 1: roles", "rule 1: address", "rule 2: type", "rule 2: method"} {
		assert.ErrorContains(t, err, want)
	}
	_, err = postgres.RenderHBA(nil)
	assert.ErrorContains(t, err, "there is no rule")
}

// Whatever the names: either the rule is refused, or the line says exactly what the rule says and
// nothing more. The line is read back by the rules of PostgreSQL's tokenizer.
func FuzzRenderHBA(f *testing.F) {
	for _, seed := range []string{"app", "all", "+all", "+a b", `a"b`, `"`, `""`, "a,b", "a#b", "@file", "/x", "a\\", "x\ny", "replication", "a\tb", " "} {
		f.Add(seed, seed, "10.0.0.0/8", seed)
	}
	f.Fuzz(func(t *testing.T, database, role, address, option string) {
		rule := postgres.HBARule{
			Type: "hostssl", Databases: []string{database, "other"}, Roles: []string{role, "other"},
			Address: address, Method: "scram-sha-256", Options: map[string]string{"map": option},
		}
		text, err := postgres.RenderHBA([]postgres.HBARule{rule})
		if err != nil {
			return
		}
		lines := strings.Split(text, "\n")
		require.Len(t, lines, 3, text)
		require.Empty(t, lines[2])
		fields := tokenize(lines[1])
		require.Len(t, fields, 6, text)
		require.Equal(t, []token{{"hostssl", false}}, fields[0])
		requireName(t, database, fields[1], "all", "sameuser", "samerole", "replication")
		requireName(t, role, fields[2], "all")
		require.Len(t, fields[3], 1)
		require.False(t, fields[3][0].quoted)
		require.Equal(t, []token{{"scram-sha-256", false}}, fields[4])
		require.Equal(t, []token{{"map=" + option, false}}, fields[5])
	})
}

func requireName(t *testing.T, name string, field []token, words ...string) {
	t.Helper()
	require.Len(t, field, 2)
	require.Equal(t, "other", field[1].text)
	require.Equal(t, name, field[0].text)
	isWord := false
	for _, word := range words {
		isWord = isWord || name == word
	}
	if isWord {
		require.False(t, field[0].quoted)
	}
	require.False(t, !field[0].quoted && strings.HasPrefix(field[0].text, "@"))
}

type token struct {
	text   string
	quoted bool
}

// tokenize splits a line into fields of comma-separated tokens as PostgreSQL's hba.c does.
func tokenize(line string) [][]token {
	var fields [][]token
	var field []token
	var text strings.Builder
	var inQuote, wasQuote, startsQuoted, any bool
	endToken := func() {
		if any {
			field = append(field, token{text.String(), startsQuoted})
		}
		text.Reset()
		startsQuoted, any = false, false
	}
	endField := func() {
		endToken()
		if len(field) > 0 {
			fields = append(fields, field)
		}
		field = nil
	}
	for _, c := range []byte(line) {
		switch {
		case (c == ' ' || c == '\t' || c == '\r') && !inQuote:
			endField()
			continue
		case c == ',' && !inQuote:
			endToken()
			continue
		case c == '#' && !inQuote:
			endField()
			return fields
		}
		if c != '"' || wasQuote {
			text.WriteByte(c)
		}
		wasQuote = inQuote && c == '"' && !wasQuote
		if c == '"' {
			inQuote = !inQuote
			if !any {
				startsQuoted = true
			}
		}
		any = true
	}
	endField()
	return fields
}
