package postgres_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/pgtest"
	"github.com/witchcityrope/database/internal/postgres"
)

func TestCheckHBA(t *testing.T) {
	for _, line := range []string{
		"", "# a remark", "local all all peer", "host all all all scram-sha-256 # remark", `host "a b","c""d" +x 10.0.0.0/8 reject`,
		"host all all 10.0.0.1 255.255.255.255 md5", "host all all ::1/128 scram-sha-256", "host all all .example.com scram-sha-256",
		"hostssl all all samenet cert map=x", "hostssl all all all scram-sha-256 clientcert=verify-full", "include other.conf",
		"host all all 10.0.0.1/8 trust", "host all , all 10.0.0.0/8 trust", "host all \\\nall all \\\ntrust", "local all all ident", "host\tall\tall\tall\ttrust\r",
	} {
		assert.NoError(t, postgres.CheckHBA(line), line)
	}
	for line, want := range map[string]string{
		"hots all all all trust":                                    `line 1: invalid connection type "hots"`,
		"\n\nhost":                                                  "line 3: end-of-line before database specification",
		"host all":                                                  "end-of-line before role specification",
		"host all all":                                              "end-of-line before IP address specification",
		"local all all":                                             "end-of-line before authentication method",
		"host all all all":                                          "end-of-line before authentication method",
		"host all all all scramble":                                 `invalid authentication method "scramble"`,
		"host all all all trust,md5":                                "multiple values specified for authentication type",
		"host,local all all all trust":                              "multiple values specified for connection type",
		"host all all 1.1.1.1,2.2.2.2 trust":                        "multiple values specified for host address",
		"host all all 10.0.0.1 trust":                               `invalid IP mask "trust"`,
		"host all all 10.0.0.1":                                     "end-of-line before netmask specification",
		"host all all 10.0.0.1/33 trust":                            "invalid CIDR mask",
		"host all all example.com/8 trust":                          "specifying both host name and CIDR mask",
		"host all all ::1 255.255.255.255 trust":                    "IP address and mask do not match",
		"host all all all peer":                                     "only supported on local sockets",
		"local all all gss":                                         "not supported on local sockets",
		"host all all all cert":                                     "only supported on hostssl connections",
		"host all all all scram-sha-256 clientcert=verify-full":     `only be configured for "hostssl" rows`,
		"hostssl all all all scram-sha-256 clientcert=1":            "invalid value for clientcert",
		"host all all all trust map=x":                              `"map" is not valid for method trust`,
		"host all all all trust lose=1":                             `unrecognized authentication option name: "lose"`,
		"host all all all trust loose":                              "not in name=value format",
		"# first\nhost all all \\\nall nothing\nhots all all all x": `line 2: invalid authentication method "nothing"`,
	} {
		assert.ErrorContains(t, postgres.CheckHBA(line), want, line)
	}
}

// What CheckHBA refuses, the server refuses; and of faulty lines that are made from good ones it misses few.
func TestServerRefusesWhatCheckHBADoes(t *testing.T) {
	const count = 4000
	random := rand.New(rand.NewPCG(16, 14)) //nolint:gosec // a test's lines
	lines := make([]string, count)
	for i := range lines {
		lines[i] = randomLine(random)
	}
	server := pgtest.Start(t)
	conn := server.Connect(t)
	require.NoError(t, os.WriteFile(filepath.Join(server.DataDir, "pg_hba.conf"), []byte(strings.Join(lines, "\n")), 0o600))
	rows, err := conn.Query(t.Context(), "SELECT line_number, error FROM pg_hba_file_rules WHERE error IS NOT NULL AND type IS NULL")
	require.NoError(t, err)
	refused := map[int]string{}
	for rows.Next() {
		var number int
		var reason string
		require.NoError(t, rows.Scan(&number, &reason))
		refused[number] = reason
	}
	require.NoError(t, rows.Err())

	missed := map[string]string{}
	for i, line := range lines {
		ours, theirs := postgres.CheckHBA(line), refused[i+1]
		if ours != nil {
			assert.NotEmpty(t, theirs, "%s: %v", line, ours)
		} else if theirs != "" {
			missed[line] = theirs
		}
	}
	t.Logf("%d lines: the server refuses %d, of which CheckHBA lets %d pass: %v", count, len(refused), len(missed), missed)
	assert.Greater(t, len(refused), count/4)
	assert.Less(t, len(missed), len(refused)/10)
}

// randomLine is a rule in which nothing or something is wrong.
func randomLine(random *rand.Rand) string {
	pick := func(words ...string) string { return words[random.IntN(len(words))] }
	fields := []string{
		pick("local", "host", "hostssl", "hostnossl", "host", "hots", `"host"`, "HOST", "host,local"),
		pick("all", "sameuser", `"all"`, "a,b", `"a b"`, `a""b`, "a, b", "a ,b", `""`),
		pick("all", "+group", "a,+b", `"x#y"`, `"all"`),
	}
	if fields[0] != "local" || random.IntN(8) == 0 {
		fields = append(fields, pick("all", "samehost", "samenet", `"all"`, "10.0.0.0/8", "10.0.0.1/8", "10.0.0.1/33", "10.0.0.1/-1", "10.0.0.1/+8",
			"10.0.0.1/08", "10.0.0.1/x", "10.0.0.1/", "::1/128", "::/0", "::1/129", "::ffff:1.2.3.4/96", "host.example.com", "host.example.com/8", ".example.com",
			"1.2.3.4 255.255.255.255", "1.2.3.4 255.0.255.0", "::1 ffff::", "::1 255.255.255.0", "1.2.3.4 ::", "1.2.3.4 mask", "1.2.3.4",
			"1.2.3", "10.1/16", "1.2.3.256/8", "fe80::1%lo/64", "0x7f.1/8", "1.2.3.4,5.6.7.8", "a_b", "face", "-", "/8"))
	}
	fields = append(fields, pick("trust", "reject", "md5", "scram-sha-256", "password", "peer", "ident", "cert", "gss", `"trust"`, "Trust", "scram", "trust,md5", ""))
	if random.IntN(3) == 0 {
		fields = append(fields, pick("map=x", `map="x y"`, `"map=x"`, "clientcert=verify-ca", "clientcert=verify-full", "clientcert=1", "loose", "# remark", "other=1", "="))
	}
	switch random.IntN(10) {
	case 0:
		fields = fields[:random.IntN(len(fields))]
	case 1:
		fields = append([]string{""}, fields...)
	case 2:
		at := random.IntN(len(fields))
		fields[at] = "#" + fields[at]
	}
	return strings.Join(fields, pick(" ", "\t", "  "))
}
