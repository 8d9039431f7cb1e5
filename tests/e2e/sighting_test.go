package e2e

import (
	"context"
	"encoding/json"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/consequence"
	"github.com/witchcityrope/database/internal/dockerengine"
)

// sighting is what can be seen of a server from outside and inside.
type sighting struct {
	container  string
	apart      string // what docker inspect says of it, apart from its arguments
	postmaster time.Time
	loaded     time.Time // when the server last read its configuration
	volume     string
	row        bool // the application finds what it has written
	settings   map[string]string
	logins     map[string]string // verifier, limit and defaults by role
	ca         bool              // clients with the CA of before get in
}

// witness holds a session open across a change.
type witness struct {
	p      *project
	before sighting
	logins map[string]connection // before
	held   *pgx.Conn
	ca     []byte
}

// watch writes a row, opens a session, and looks.
func watch(t *testing.T, p *project) *witness {
	t.Helper()
	w := &witness{p: p, logins: p.connections()}
	migrate(t, p.session(t, w.logins["migrator"]), "CREATE TABLE IF NOT EXISTS public.witness (x int); INSERT INTO public.witness VALUES (1)")
	w.held = p.session(t, w.logins["app"])
	if p.config().TLS.Enabled {
		var err error
		w.ca, err = os.ReadFile(p.local("ca.crt"))
		require.NoError(t, err)
	}
	w.before = w.look(t, w.logins["app"])
	return w
}

// look looks at the server as it is now.
func (w *witness) look(t *testing.T, login connection) sighting {
	t.Helper()
	found := w.p.container()
	seen := sighting{container: found.ID, settings: map[string]string{}, logins: map[string]string{}, ca: true}
	arguments := *found.Config
	arguments.Cmd = nil
	networks := map[string][]string{}
	for name, endpoint := range found.NetworkSettings.Networks {
		aliases := slices.DeleteFunc(slices.Clone(endpoint.Aliases), func(alias string) bool { return strings.HasPrefix(found.ID, alias) })
		networks[name] = append(aliases, endpoint.NetworkID)
	}
	apart, err := json.Marshal([]any{found.Name, arguments, found.HostConfig, found.Mounts, networks})
	require.NoError(t, err)
	seen.apart = string(apart)
	if storage := w.p.config().Storage; storage.Type != config.Tmpfs {
		volume, there, err := dockerengine.Volume(t.Context(), w.p.docker, storage.Volume)
		require.NoError(t, err)
		require.True(t, there)
		seen.volume = volume.Name + " " + volume.CreatedAt
	}
	administrator := w.p.superuser(t, w.p.config().Database.Name)
	require.NoError(t, administrator.QueryRow(t.Context(), "SELECT pg_postmaster_start_time(), pg_conf_load_time()").Scan(&seen.postmaster, &seen.loaded))
	pairs(t, administrator, seen.logins, `SELECT rolname::text, concat(rolpassword, rolconnlimit, (SELECT array_agg(s::text ORDER BY s::text) FROM pg_db_role_setting s WHERE setrole IN (r.oid, 0)))
		FROM pg_authid r WHERE rolcanlogin`)
	app := w.p.session(t, login)
	pairs(t, app, seen.settings, "SELECT name, setting FROM pg_settings")
	seen.row = ask[bool](t, app, "SELECT to_regclass('public.witness') IS NOT NULL")
	if seen.row {
		seen.row = ask[bool](t, app, "SELECT EXISTS (SELECT FROM public.witness)")
	}
	if len(w.ca) > 0 && w.p.config().TLS.Enabled {
		seen.ca = w.trusts(t, login)
	}
	return seen
}

func pairs(t *testing.T, session *pgx.Conn, into map[string]string, query string) {
	t.Helper()
	rows, err := session.Query(t.Context(), query)
	require.NoError(t, err)
	var name, value string
	_, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error { into[name] = value; return nil })
	require.NoError(t, err)
}

// trusts says whether a client with the CA of before still verifies the server.
func (w *witness) trusts(t *testing.T, login connection) bool {
	t.Helper()
	file := w.p.local("ca-before.crt")
	require.NoError(t, os.WriteFile(file, w.ca, 0o600))
	settings, err := pgx.ParseConfig(login.URI + "&sslrootcert=" + file)
	require.NoError(t, err)
	session, err := pgx.ConnectConfig(t.Context(), settings)
	if err != nil {
		return false
	}
	require.NoError(t, session.Close(t.Context()))
	return true
}

// alive says whether the session that was held open still is.
func (w *witness) alive() bool {
	var one int
	return w.held.QueryRow(context.Background(), "SELECT 1").Scan(&one) == nil
}

// classify says what happened, from what was seen alone.
func (w *witness) classify(after sighting) consequence.Class {
	before := w.before
	switch {
	case !after.row, after.volume != before.volume:
		return consequence.DataLoss
	case after.container != before.container && after.apart == before.apart:
		return consequence.Restart
	case after.container != before.container, !after.postmaster.Equal(before.postmaster), !w.alive():
		return consequence.Replaced
	case !after.ca, w.onlyNewSessions(after):
		return consequence.NewSessions
	case !after.loaded.Equal(before.loaded):
		return consequence.Reload
	default:
		return consequence.Online
	}
}

// onlyNewSessions says whether something differs for a session that begins now
// and not for the one that is open.
func (w *witness) onlyNewSessions(after sighting) bool {
	held := map[string]string{}
	rows, err := w.held.Query(context.Background(), "SELECT name, setting FROM pg_settings")
	if err != nil {
		return true
	}
	var name, value string
	if _, err := pgx.ForEachRow(rows, []any{&name, &value}, func() error { held[name] = value; return nil }); err != nil {
		return true
	}
	for name, value := range after.settings {
		if held[name] != value {
			return true
		}
	}
	for login, how := range w.before.logins {
		if after.logins[login] != how {
			return true
		}
	}
	return false
}

// ways are the URIs by which the application gets in: as before the change, or where the stack file
// now says that the server is, with TLS or without.
func (w *witness) ways(t *testing.T) []string {
	t.Helper()
	before := w.logins["app"].URI
	moved, err := url.Parse(before)
	require.NoError(t, err)
	stack := w.p.config()
	moved.Host = net.JoinHostPort(stack.Host(), strconv.Itoa(stack.Port()))
	query := moved.Query()
	query.Set("sslmode", "prefer")
	moved.RawQuery = query.Encode()
	return []string{before, moved.String()}
}

// poll logs in again and again until it is stopped; then it says for how long
// nobody could.
func (w *witness) poll(t *testing.T) (stop func() time.Duration) {
	t.Helper()
	ended, said, ways := make(chan struct{}), make(chan time.Duration), w.ways(t)
	go func() {
		var longest time.Duration
		last := time.Now()
		for {
			if slices.ContainsFunc(ways, w.getsIn) {
				now := time.Now()
				longest, last = max(longest, now.Sub(last)), now
			}
			select {
			case <-ended:
				said <- max(longest, time.Since(last))
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return func() time.Duration { close(ended); return <-said }
}

func (w *witness) getsIn(uri string) bool {
	session, err := w.p.open(uri)
	if err != nil {
		return false
	}
	_ = session.Close(context.Background()) // the server may have gone meanwhile
	return true
}
