//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/operation"
)

// TestEndToEndRotationKilled kills rotations, of all passwords, of the root
// secret and of single logins; the next up finishes each.
func TestEndToEndRotationKilled(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		kinds := []string{"", operation.RootSecret, "", "app", config.Superuser, "migrator"} // a new root secret wants all rotated before the next
		rounds := 2 * len(kinds)
		if plugins == operation.Published {
			rounds = len(kinds)
			t.Run("more", func(t *testing.T) {
				t.Skipf("NOT RUN: %d of the %d moments, with the published plugins: they take minutes", len(kinds), 2*len(kinds))
			})
		}
		p := newProject(t, "dev", plugins).initialize()
		p.up()
		lines := map[string]int{}
		for _, login := range []string{"", "app", config.Superuser, "migrator"} {
			lines[login] = progress(p.must(rotation(login)...).stdout)
		}
		lines[operation.RootSecret] = lines[""]
		for _, m := range moments(rounds, "dev") {
			login := kinds[m.number%len(kinds)]
			line := m.line(rounds, lines[login])
			p.round(fmt.Sprintf("rotate %s: %s at line %d of %d", login, m.victim, line, lines[login]), func(t *testing.T) {
				p.rotationKilled(t, login, func() { p.killed(t, line, m.victim, rotation(login)...) })
			})
		}
		for _, victim := range []string{everything, alone} {
			p.round("rotate: "+victim+" when the stack file has the new number", func(t *testing.T) {
				before := p.stackFile(t)
				p.rotationKilled(t, "", func() {
					said := p.killedWhen(t, "new number", func(int) error {
						if p.stackFile(t) == before {
							return errors.New("the stack file is as it was")
						}
						return nil
					}, victim, rotation("")...)
					assert.Zero(t, progress(said), "the engine has not begun")
				})
			})
		}
	})
}

// TestEndToEndRotationKilledAtItsEnd kills the rotation after which no password
// comes from the previous root secret, before and after that is taken out.
func TestEndToEndRotationKilledAtItsEnd(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "prod", plugins).initialize()
		p.up()
		hasPrevious := func(t *testing.T) bool { return strings.Contains(p.stackFile(t), config.PreviousRootSecretKey) }
		p.round("a new root secret", func(t *testing.T) {
			p.must(rotation(operation.RootSecret)...)
			require.True(t, hasPrevious(t))
		})
		p.round("before the previous one is taken out", func(t *testing.T) {
			p.rotationKilled(t, "", func() {
				p.killedAt(t, everything, func(line, _ string) bool {
					return strings.Contains(line, "no password comes from the previous root secret any more")
				}, rotation("")...)
			})
		})
		p.round("an up says that it is left", func(t *testing.T) {
			require.True(t, hasPrevious(t))
			assert.Contains(t, p.must("up").stdout, "the next one (wcrdb rotate -s prod) takes it out")
		})
		p.round("the next rotation takes it out", func(t *testing.T) {
			p.must(rotation("")...)
			assert.False(t, hasPrevious(t))
		})
		p.round("after the previous one is taken out", func(t *testing.T) {
			p.must(rotation(operation.RootSecret)...)
			require.True(t, hasPrevious(t))
			p.rotationKilled(t, "", func() {
				p.killedWhen(t, "no previous root secret", func(int) error {
					if hasPrevious(t) {
						return errors.New("it is still there")
					}
					return nil
				}, everything, rotation("")...)
			})
			assert.False(t, hasPrevious(t))
		})
	})
}

// rotation is the command that rotates a login, or all.
func rotation(login string) []string { return strings.Fields("rotate --yes " + login) }

// rotationKilled demands that a rotation that is killed leaves the clients that
// may go on with a login that works, and that the next up finishes it.
func (p *project) rotationKilled(t *testing.T, login string, kill func()) {
	t.Helper()
	before := p.connections()
	kill()
	goOn := func() {
		for _, client := range []string{"app", "migrator"} {
			p.canLogIn(t, before[client]) // whatever was done: the one before works
		}
	}
	goOn()
	p.converges(t)
	goOn()
	after := p.connections()
	for client := range before {
		rotated := login == "" || login == operation.RootSecret || login == client
		assert.Equal(t, rotated, before[client].Password != after[client].Password, client)
		p.canLogIn(t, after[client])
	}
	superuser := p.config().Target.Username
	assert.Equal(t, p.derivation().Verifier(superuser, p.config().Access.GenerationOf(config.Superuser)),
		ask[string](t, p.superuser(t, "postgres"), "SELECT rolpassword FROM pg_authid WHERE rolname = $1", superuser), "the superuser's password")
}
