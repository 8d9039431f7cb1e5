package connections

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/password"
)

func clients(t *testing.T, stack *config.Stack) map[string]Client {
	t.Helper()
	derivation, err := password.NewDerivation("a root secret of the tests, long enough", stack.Name)
	require.NoError(t, err)
	found := map[string]Client{}
	for _, client := range NewPlan(stack, derivation) {
		found[client.Name] = client
	}
	return found
}

// withoutPassword shows a connection string as people may see it.
func withoutPassword(c Connection) string { return strings.Replace(c.Npgsql, c.Password, "…", 1) }

func TestNpgsqlStringsOfTheStacks(t *testing.T) {
	const container = ";SSL Mode=VerifyFull;Root Certificate=/etc/ssl/certs/witchcityrope-database-ca.crt"
	for name, want := range map[string]struct{ app, migrator, external string }{
		"dev": {
			app:      "Host=db;Port=5432;Database=witchcityrope_dev;Username=witchcityrope_app_1;Password=…" + container + ";Pooling=true;Minimum Pool Size=2;Maximum Pool Size=20;Connection Lifetime=0",
			migrator: "Host=db;Port=5432;Database=witchcityrope_dev;Username=witchcityrope_migrator;Password=…" + container + ";Pooling=true;Minimum Pool Size=0;Maximum Pool Size=5;Connection Lifetime=0",
			external: "Host=127.0.0.1;Port=5433;Database=witchcityrope_dev;Username=witchcityrope_app_1;Password=…;SSL Mode=VerifyFull;Root Certificate=.wcrdb/dev/ca.crt;Pooling=true;Minimum Pool Size=2;Maximum Pool Size=20;Connection Lifetime=0",
		},
		"test": {
			app:      "Host=db;Port=5432;Database=witchcityrope_test;Username=witchcityrope_app_1;Password=…;SSL Mode=Disable;Pooling=true;Minimum Pool Size=0;Maximum Pool Size=50;Connection Lifetime=60",
			migrator: "Host=db;Port=5432;Database=witchcityrope_test;Username=witchcityrope_migrator;Password=…;SSL Mode=Disable;Pooling=true;Minimum Pool Size=0;Maximum Pool Size=5;Connection Lifetime=0",
			external: "Host=127.0.0.1;Port=5434;Database=witchcityrope_test;Username=witchcityrope_app_1;Password=…;SSL Mode=Disable;Pooling=true;Minimum Pool Size=0;Maximum Pool Size=50;Connection Lifetime=60",
		},
		"prod": {
			app:      "Host=db;Port=5432;Database=witchcityrope;Username=witchcityrope_app_1;Password=…" + container + ";Pooling=true;Minimum Pool Size=10;Maximum Pool Size=150;Connection Lifetime=300",
			migrator: "Host=db;Port=5432;Database=witchcityrope;Username=witchcityrope_migrator;Password=…" + container + ";Pooling=true;Minimum Pool Size=0;Maximum Pool Size=5;Connection Lifetime=0",
			external: "Host=127.0.0.1;Port=5435;Database=witchcityrope;Username=witchcityrope_app_1;Password=…;SSL Mode=VerifyFull;Root Certificate=.wcrdb/prod/ca.crt;Pooling=true;Minimum Pool Size=10;Maximum Pool Size=150;Connection Lifetime=300",
		},
	} {
		found := clients(t, configtest.Stack(t, name, nil))
		assert.Equal(t, want.app, withoutPassword(found["app"].Internal))
		assert.Equal(t, want.migrator, withoutPassword(found["migrator"].Internal))
		assert.Equal(t, want.external, withoutPassword(found["app"].External))
	}
}

func TestWithoutAPool(t *testing.T) {
	stack := configtest.Stack(t, "dev", map[string]string{"clients": `{"app": {"pooling": false, "maxPoolSize": 20}}`})
	assert.True(t, strings.HasSuffix(clients(t, stack)["app"].Internal.Npgsql, ";Pooling=false"))
}

// fields takes a string of key=value pairs apart as Npgsql does where nothing is quoted.
func fields(t *testing.T, text string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for pair := range strings.SplitSeq(text, ";") {
		key, value, is := strings.Cut(pair, "=")
		require.True(t, is, pair)
		require.NotContains(t, found, key)
		found[key] = value
	}
	return found
}

func TestEachFormSaysTheSame(t *testing.T) {
	plain := regexp.MustCompile(`^[0-9A-Za-z]+$`)
	for _, name := range configtest.Stacks() {
		for client, both := range clients(t, configtest.Stack(t, name, nil)) {
			for _, c := range []Connection{both.Internal, both.External} {
				assert.Regexp(t, plain, c.Password, "%s %s: a password that needs quoting somewhere", name, client)

				pairs := fields(t, c.Npgsql)
				assert.Equal(t, []string{c.Host, strconv.Itoa(c.Port), c.Database, c.Username, c.Password},
					[]string{pairs["Host"], pairs["Port"], pairs["Database"], pairs["Username"], pairs["Password"]})

				parsed, err := pgx.ParseConfig(c.URI)
				require.NoError(t, err)
				again := Connection{
					Npgsql: c.Npgsql, URI: c.URI, Host: parsed.Host, Port: int(parsed.Port),
					Database: parsed.Database, Username: parsed.User, Password: parsed.Password,
				}
				assert.Equal(t, c, again, "%s %s", name, client)
				assert.Equal(t, name == "test", parsed.TLSConfig == nil)
				if parsed.TLSConfig != nil {
					assert.Equal(t, c.Host, parsed.TLSConfig.ServerName)
					assert.False(t, parsed.TLSConfig.InsecureSkipVerify)
				}
				assert.NotContains(t, c.URI, "sslrootcert", "the client says where the CA is")

				environment := c.Environment()
				assert.Equal(t, map[string]string{
					"ConnectionStrings__DefaultConnection": c.Npgsql, "DB_HOST": c.Host, "DB_PORT": strconv.Itoa(c.Port),
					"DB_NAME": c.Database, "DB_USER": c.Username, "DB_PASSWORD": c.Password,
				}, environment)
			}
		}
	}
}

func TestEveryClientHasItsOwnLogin(t *testing.T) {
	logins, passwords := map[string]bool{}, map[string]bool{}
	found := clients(t, configtest.Stack(t, "prod", nil))
	require.Len(t, found, 5)
	for _, client := range found {
		assert.Equal(t, client.Internal.Username, client.External.Username)
		logins[client.Internal.Username], passwords[client.Internal.Password] = true, true
	}
	assert.Len(t, logins, 5)
	assert.Len(t, passwords, 5)
}

// TestDeclaredLogins are handed out as clients are, and background jobs with the
// application's login.
func TestDeclaredLogins(t *testing.T) {
	stack := configtest.Stack(t, "dev", map[string]string{
		"access": `{"generation": 1, "generations": {"partner": 2}, "roles": [{"name": "auditors"}, {"name": "vendor", "login": true, "password": "kept", "connectionLimit": 1},
			{"name": "partner", "login": true, "connectionLimit": 4}, {"name": "A \"b\"; C", "login": true}]}`,
		"clients": `{"app": {"maxPoolSize": 20}, "jobs": {"maxPoolSize": 3}}`,
	})
	found := clients(t, stack)
	require.Len(t, found, 8)
	assert.Contains(t, found["partner"].Internal.Npgsql, ";Username=partner;")
	assert.True(t, strings.HasSuffix(found["partner"].Internal.Npgsql, ";Pooling=true;Minimum Pool Size=0;Maximum Pool Size=4;Connection Lifetime=0"))
	derivation, err := password.NewDerivation("a root secret of the tests, long enough", "dev")
	require.NoError(t, err)
	assert.Equal(t, derivation.Password("partner", 3), found["partner"].External.Password)
	odd := found[`A "b"; C`].Internal
	assert.Contains(t, odd.Npgsql, `;Username="A ""b""; C";`)
	assert.True(t, strings.HasSuffix(odd.Npgsql, ";Pooling=true"))
	parsed, err := pgx.ParseConfig(odd.URI)
	require.NoError(t, err)
	assert.Equal(t, `A "b"; C`, parsed.User)
	assert.Equal(t, found["app"].Internal.Password, found["jobs"].Internal.Password)
	assert.Equal(t, found["app"].Internal.URI, found["jobs"].Internal.URI)
	assert.Contains(t, found["jobs"].Internal.Npgsql, "Maximum Pool Size=3;")
}

func TestExternalServer(t *testing.T) {
	stack := configtest.Stack(t, "dev", map[string]string{
		"target":   `{"type": "external", "host": "db.example.org", "port": 25060, "caFile": "/etc/ssl/provider.pem"}`,
		"settings": "{}",
	})
	app := clients(t, stack)["app"]
	assert.Equal(t, app.External, app.Internal, "there is one way in")
	assert.Equal(t, "Host=db.example.org;Port=25060;Database=witchcityrope_dev;Username=witchcityrope_app_1;Password=…;SSL Mode=VerifyFull;Root Certificate=/etc/ssl/provider.pem;"+
		"Pooling=true;Minimum Pool Size=2;Maximum Pool Size=20;Connection Lifetime=0", withoutPassword(app.Internal))
	assert.True(t, strings.HasSuffix(app.Internal.URI, "@db.example.org:25060/witchcityrope_dev?sslmode=verify-full"), app.Internal.Host)
}
