package postgres_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/postgres"
)

// The exchange of RFC 7677, section 3: password pencil, and what client and server sent.
const (
	rfcSalt        = "W22ZaJ0SNY7soEsUEjb6gQ=="
	rfcAuthMessage = "n=user,r=rOprNGfwEbeRWgbNEkqO," +
		"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096," +
		"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	rfcClientProof     = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
	rfcServerSignature = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
)

func decode(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	require.NoError(t, err)
	return b
}

// The verifier's keys must accept the client's proof and give the server's signature of RFC 7677.
func TestScramVerifierRFC7677(t *testing.T) {
	verifier := postgres.ScramVerifier("pencil", decode(t, rfcSalt), 4096)
	prefix := "SCRAM-SHA-256$4096:" + rfcSalt + "$"
	require.True(t, strings.HasPrefix(verifier, prefix), verifier)
	storedText, serverText, found := strings.Cut(strings.TrimPrefix(verifier, prefix), ":")
	require.True(t, found)
	stored, server := decode(t, storedText), decode(t, serverText)

	sign := func(key []byte) []byte {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(rfcAuthMessage))
		return mac.Sum(nil)
	}
	assert.Equal(t, decode(t, rfcServerSignature), sign(server))

	clientKey := decode(t, rfcClientProof)
	for i, b := range sign(stored) {
		clientKey[i] ^= b
	}
	proven := sha256.Sum256(clientKey)
	assert.Equal(t, stored, proven[:])
}

func TestScramVerifierIsStable(t *testing.T) {
	salt := []byte("0123456789abcdef")
	assert.Equal(t, postgres.ScramVerifier("x", salt, 4096), postgres.ScramVerifier("x", salt, 4096))
	assert.NotEqual(t, postgres.ScramVerifier("x", salt, 4096), postgres.ScramVerifier("y", salt, 4096))
	assert.NotEqual(t, postgres.ScramVerifier("x", salt, 4096), postgres.ScramVerifier("x", salt[1:], 4096))
	assert.NotEqual(t, postgres.ScramVerifier("x", salt, 4096), postgres.ScramVerifier("x", salt, 4097))
}

func TestCheckScram(t *testing.T) {
	salt := []byte("salt")
	verifier := postgres.ScramVerifier("correct horse", salt, 10)
	ok, err := postgres.CheckScram("correct horse", verifier)
	require.NoError(t, err)
	assert.True(t, ok)
	ok, err = postgres.CheckScram("wrong horse", verifier)
	require.NoError(t, err)
	assert.False(t, ok)
}

// SASLprep maps what looks the same to the same password; what it refuses is taken as it is.
func TestScramNormalization(t *testing.T) {
	salt := []byte("salt")
	for a, b := range map[string]string{
		"I\u00adX": "IX",     // soft hyphen: mapped to nothing
		"\u2168":   "IX",     // Roman numeral nine: compatibility form
		"a\u00a0b": "a b",    // no-break space
		"e\u0301":  "\u00e9", // combining accent
	} {
		assert.Equal(t, postgres.ScramVerifier(b, salt, 1), postgres.ScramVerifier(a, salt, 1), "%q", a)
	}
	assert.NotEqual(t, postgres.ScramVerifier("a\x07", salt, 1), postgres.ScramVerifier("a", salt, 1))
	assert.NotEqual(t, postgres.ScramVerifier("a\xff", salt, 1), postgres.ScramVerifier("a", salt, 1))
}

func TestCheckScramRefusesOtherNotations(t *testing.T) {
	good := postgres.ScramVerifier("canary-password", []byte("salt"), 1)
	assert.True(t, postgres.IsScramVerifier(good))
	for _, bad := range []string{
		"", "secret", "md5d41d8cd98f00b204e9800998ecf8427e", "SCRAM-SHA-256$", "SCRAM-SHA-256$4096:c2FsdA==$x",
		strings.Replace(good, "$1:", "$0:", 1), strings.Replace(good, "$1:", "$-1:", 1), strings.Replace(good, "$1:", "$x:", 1),
		good + "A", good[:len(good)-4], good + ":", strings.ReplaceAll(good, "=", "!"), strings.ToLower(good),
	} {
		assert.False(t, postgres.IsScramVerifier(bad), bad)
		_, err := postgres.CheckScram("canary-password", bad)
		require.ErrorContains(t, err, "not a SCRAM-SHA-256 verifier", bad)
		assert.NotContains(t, err.Error(), "canary")
	}
}

func FuzzScramVerifier(f *testing.F) {
	f.Add("pencil", []byte("salt"), uint8(1))
	f.Add("", []byte(nil), uint8(3))
	f.Add("\x00\xff é", []byte{0, 36, 58}, uint8(2))
	f.Fuzz(func(t *testing.T, password string, salt []byte, rounds uint8) {
		verifier := postgres.ScramVerifier(password, salt, int(rounds)+1)
		ok, err := postgres.CheckScram(password, verifier)
		require.NoError(t, err)
		require.True(t, ok)
	})
}
