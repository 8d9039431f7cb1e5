package postgres

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestExchangeOfRFC5802 is that of its section 5, with SHA-1: the keys must
// accept the client's proof and give the server's signature.
func TestExchangeOfRFC5802(t *testing.T) {
	const authMessage = "n=user,r=fyko+d2lbbFgONRv9qkxdawL," +
		"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096," +
		"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j"
	decoded := func(text string) []byte {
		content, err := base64.StdEncoding.DecodeString(text)
		require.NoError(t, err)
		return content
	}
	sign := func(key []byte) []byte {
		mac := hmac.New(sha1.New, key)
		mac.Write([]byte(authMessage))
		return mac.Sum(nil)
	}
	stored, server := scramKeysWith(sha1.New, "pencil", decoded("QSXCR+Q6sek8bf92"), 4096)
	assert.Equal(t, decoded("rmF9pqV8S7suAoZWja4dJRkFsKQ="), sign(server))
	clientKey := decoded("v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=")
	for i, b := range sign(stored) {
		clientKey[i] ^= b
	}
	proven := sha1.Sum(clientKey)
	assert.Equal(t, stored, proven[:])
}
