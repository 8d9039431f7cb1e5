package password

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const secret = "an example of a root secret, not used anywhere"

func derivation(t *testing.T, secret, stack string) *Derivation {
	t.Helper()
	d, err := NewDerivation(secret, stack)
	require.NoError(t, err)
	return d
}

func TestPasswordsDifferByEveryInput(t *testing.T) {
	seen := map[string]string{}
	for _, root := range []string{secret, secret + "2"} {
		for _, stack := range []string{"dev", "prod"} {
			for _, role := range []string{"app", "migrator"} {
				for generation := range 3 {
					p := derivation(t, root, stack).Password(role, generation)
					assert.NotContains(t, seen, p)
					assert.Regexp(t, regexp.MustCompile(`^[0-9A-Za-z]{43}$`), p)
					seen[p] = role
				}
			}
		}
	}
}

func TestDerivationIsStable(t *testing.T) {
	// These are what living databases have: a change of the derivation locks everybody out.
	d := derivation(t, secret, "dev")
	assert.Equal(t, d.Password("app", 1), d.Password("app", 1))
	assert.Equal(t, wantPassword, d.Password("app", 1))
	assert.Equal(t, wantVerifier, d.Verifier("app", 1))
}

func TestGenerationOfAVerifier(t *testing.T) {
	d := derivation(t, secret, "dev")
	for _, generation := range []int{0, 1, 2, 7, 20261} {
		for _, near := range []int{0, 1, 20270} {
			found, ours := d.GenerationOf("app", d.Verifier("app", generation), near)
			assert.True(t, ours, "%d near %d", generation, near)
			assert.Equal(t, generation, found)
		}
	}
	for _, foreign := range []string{"", d.Verifier("migrator", 1), derivation(t, secret+"2", "dev").Verifier("app", 1),
		d.Verifier("app", 1)[:60] + d.Verifier("app", 2)[60:]} {
		_, ours := d.GenerationOf("app", foreign, 1)
		assert.False(t, ours, foreign)
	}
}

func TestShortSecretIsRefusedWithoutShowingIt(t *testing.T) {
	_, err := NewDerivation("short-canary", "dev")
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "canary")
}

func TestNewRootSecretIsLongEnoughAndNew(t *testing.T) {
	a, b := NewRootSecret(), NewRootSecret()
	assert.NotEqual(t, a, b)
	assert.GreaterOrEqual(t, len(a), MinRootSecretLength)
}

const (
	wantPassword = "1qhdptwLrsYZbpdOxKcNfOTwgpGDWxzbEwHEXgBzghy"
	wantVerifier = "SCRAM-SHA-256$4096:dJMRrHcGj/+7wQ/toDXZpA==$htsNda1svea99cbGNUGJtZaSxk5Bdxlq5o6I0BGomqY=:e509Wx9kogIRTrwMQxuGDvNBqgXwBlw7opQAFNQVzsQ="
)
