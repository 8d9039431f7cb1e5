package config_test

import (
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/postgres"
)

func lines(stack *config.Stack) []string {
	var texts []string
	for _, rule := range stack.HBARules() {
		texts = append(texts, rule.String())
	}
	return texts
}

func TestConfiguredRulesComeFirst(t *testing.T) {
	stack := configtest.Stack(t, "prod", map[string]string{"access": `{"rules": [
		{"type": "hostssl", "databases": ["witchcityrope"], "roles": ["readonly", "+witchcityrope_rw"], "address": "172.22.7.0/24", "method": "reject"},
		{"type": "local", "databases": ["postgres"], "roles": ["health"], "method": "scram-sha-256"}]}`})
	assert.Equal(t, []string{
		"hostssl witchcityrope witchcityrope_readonly,+witchcityrope_rw 172.22.7.0/24 reject",
		"local postgres witchcityrope_health scram-sha-256",
		"local all postgres peer",
	}, lines(stack)[:3])
}

func TestClientsComeFromWhereTheyMay(t *testing.T) {
	stack := configtest.Stack(t, "prod", map[string]string{"access": `{"from": {
		"monitor": ["internal", "external"], "app": ["172.22.1.0/24", "10.0.0.7"]}}`})
	assert.Equal(t, []string{
		"hostssl witchcityrope witchcityrope_app_0,witchcityrope_app_1 172.22.1.0/24 scram-sha-256",
		"hostssl witchcityrope witchcityrope_app_0,witchcityrope_app_1 10.0.0.7/32 scram-sha-256",
		"hostssl witchcityrope witchcityrope_monitor 172.22.0.0/16 scram-sha-256",
		"hostssl witchcityrope witchcityrope_monitor 10.220.22.1/32 scram-sha-256",
		"hostssl witchcityrope witchcityrope_migrator_0,witchcityrope_migrator,witchcityrope_readonly,witchcityrope_backup all scram-sha-256",
	}, lines(stack)[4:])
}

func TestRulesAboutDeclaredLogins(t *testing.T) {
	for name, rules := range map[string]string{
		"its own":              `{"type": "hostssl", "databases": ["witchcityrope"], "roles": ["partner"], "address": "10.1.0.0/16", "method": "reject"}`,
		"its group's":          `{"type": "hostssl", "databases": ["all"], "roles": ["+auditors"], "address": "10.1.0.0/16", "method": "reject"}`,
		"by way of others":     `{"type": "hostssl", "databases": ["all"], "roles": ["+everyone"], "address": "10.1.0.0/16", "method": "reject"}`,
		"a client's group":     `{"type": "hostssl", "databases": ["witchcityrope"], "roles": ["+reporters"], "address": "10.1.0.0/16", "method": "reject"}`,
		"from one place only":  `{"type": "hostssl", "databases": ["all"], "roles": ["partner"], "address": "10.1.0.0/16", "method": "scram-sha-256"}, {"type": "host", "databases": ["all"], "roles": ["partner"], "address": "all", "method": "reject"}`,
		"replication":          `{"type": "hostssl", "databases": ["replication"], "roles": ["standby"], "address": "10.2.0.0/16", "method": "scram-sha-256"}`,
		"nothing but that":     `{"type": "hostssl", "databases": ["replication"], "roles": ["standby"], "address": "10.2.0.0/16", "method": "scram-sha-256"}, {"type": "host", "databases": ["all"], "roles": ["standby"], "address": "all", "method": "reject"}`,
		"a database of a role": `{"type": "hostssl", "databases": ["samerole"], "roles": ["partner"], "address": "10.1.0.0/16", "method": "scram-sha-256"}`,
	} {
		stack := configtest.Stack(t, "prod", map[string]string{"access": `{"rules": [` + rules + `], "roles": [
			{"name": "everyone"}, {"name": "auditors", "memberOf": ["everyone"]}, {"name": "reporters"},
			{"name": "partner", "login": true, "memberOf": [{"role": "auditors", "inherit": false}]},
			{"name": "standby", "login": true, "replication": true}, {"name": "readonly", "memberOf": ["reporters"]}]}`})
		assert.Equal(t, "hostssl witchcityrope witchcityrope_migrator_0,witchcityrope_migrator,witchcityrope_readonly,witchcityrope_monitor,witchcityrope_backup,partner,standby all scram-sha-256",
			lines(stack)[len(lines(stack))-1], name)
	}
}

// Random rules that a stack accepts keep what every stack promises, from any address;
// declared logins get in from somewhere, their groups' rules considered.
func TestAcceptedRulesKeepThePromises(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	pick := func(words ...string) string { return words[random.IntN(len(words))] }
	values := configtest.Values(t, "prod")
	from := netip.MustParsePrefix("172.22.3.0/24")
	accepted := 0
	for range 400 {
		var rules []config.AccessRule
		for range 1 + random.IntN(3) {
			rules = append(rules, config.AccessRule{
				Type: pick("hostssl", "hostssl", "host"), Databases: []string{pick("all", "witchcityrope", "samerole", "postgres")},
				Roles:   []string{pick("all", "app", "monitor", "readonly", "postgres", "+witchcityrope_ro", "+pg_monitor", "partner", "standby", "+auditors", "+everyone")},
				Address: pick("all", "172.22.0.0/16", "172.22.3.0/25", "172.22.3.128/25", "172.22.3.4", "10.220.22.0/28", "::/0"),
				Method:  pick("scram-sha-256", "reject"),
			})
		}
		limit, generation := random.IntN(5), random.IntN(3)
		access, err := json.Marshal(map[string]any{"rules": rules, "from": map[string]any{"monitor": []string{from.String()}},
			"roles": []map[string]any{{"name": "everyone"}, {"name": "auditors", "memberOf": []string{"everyone"}},
				{"name": "partner", "login": true, "connectionLimit": limit, "memberOf": []any{map[string]any{"role": "auditors", "inherit": false}}},
				{"name": "standby", "login": true, "replication": true}},
			"generations": map[string]int{"partner": generation}})
		require.NoError(t, err)
		values["access"] = string(access)
		candidate, err := config.Decode(configtest.Project, "prod", values)
		if err != nil {
			continue
		}
		accepted++
		text, err := postgres.RenderHBA(candidate.HBARules())
		require.NoError(t, err)
		require.NoError(t, postgres.CheckHBA(text), text)
		names, made := candidate.Access.Names(), candidate.HBARules()
		groups := func(role string) []string {
			if role == "partner" {
				return []string{"auditors", "everyone"}
			}
			return names.MemberOf(role)
		}
		admits := func(connection postgres.HBAConnection) bool {
			index, found := postgres.MatchHBA(made, connection)
			return found && made[index].Admits()
		}
		attempt := func(role, address string, encrypted bool) bool {
			return admits(postgres.HBAConnection{Role: role, MemberOf: groups(role), Database: "witchcityrope", TLS: encrypted, Address: netip.MustParseAddr(address)})
		}
		anywhere := netip.AddrFrom4([4]byte{byte(random.IntN(256)), byte(random.IntN(256)), byte(random.IntN(256)), byte(random.IntN(256))}).String()
		near := netip.AddrFrom4([4]byte{172, 22, byte(random.IntN(6)), byte(random.IntN(256))})
		for _, role := range []string{"postgres", names.App(), names.Migrator, names.ReadOnly, names.Monitor, names.Backup, names.Health, "partner", "standby"} {
			require.False(t, attempt(role, anywhere, false) || attempt(role, near.String(), false), "%s without TLS: %v", role, rules)
		}
		require.False(t, attempt(names.Monitor, near.String(), true) && !from.Contains(near), "monitor from %s: %v", near, rules)
		require.True(t, attempt("postgres", "10.220.22.1", true), "administrator: %v", rules)
		require.True(t, attempt(names.Health, "127.0.0.1", true), "health check: %v", rules)
		require.True(t, slices.ContainsFunc([]string{"172.22.3.0", "172.22.3.4", "172.22.3.5", "172.22.3.128"}, func(address string) bool {
			return attempt(names.Monitor, address, true)
		}), "monitor: %v", rules)
		// Of every place that the rules can tell apart, one.
		places := []string{"0.0.0.0", "10.220.22.1", "172.22.0.0", "172.22.3.0", "172.22.3.4", "172.22.3.128", "::1"}
		partner := slices.ContainsFunc(places, func(address string) bool { return attempt("partner", address, true) })
		require.True(t, partner, "partner: %v", rules)
		require.True(t, slices.ContainsFunc(places, func(address string) bool {
			streaming := postgres.HBAConnection{Role: "standby", Replication: true, TLS: true, Address: netip.MustParseAddr(address)}
			return attempt("standby", address, true) || admits(streaming)
		}), "standby: %v", rules)
		require.Equal(t, candidate.Access.Generation+generation, names.Generation("partner"))
		require.Equal(t, limit > 0, slices.Contains(candidate.Budget().Holders, config.Holder{Client: "partner", Connections: limit}))
	}
	t.Logf("%d of 400 sets of rules accepted", accepted)
	require.Greater(t, accepted, 40)
}
