package postgres

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"strings"

	"github.com/xdg-go/stringprep"
)

// ScramIterations is how many rounds PostgreSQL itself uses when it hashes a password.
const ScramIterations = 4096

const scramPrefix = "SCRAM-SHA-256$"

var errScramFormat = errors.New("not a SCRAM-SHA-256 verifier: " +
	"it should look like SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>")

// ScramVerifier derives what PostgreSQL stores for a password (RFC 5802 with SHA-256, RFC 7677), in
// the notation of pg_authid.rolpassword. The server keeps such a value byte for byte and never learns
// the password. The same password, salt and iterations always give the same verifier.
func ScramVerifier(password string, salt []byte, iterations int) string {
	stored, server := scramKeys(password, salt, iterations)
	encode := base64.StdEncoding.EncodeToString
	return scramPrefix + strconv.Itoa(iterations) + ":" + encode(salt) + "$" + encode(stored) + ":" + encode(server)
}

// CheckScram reports whether password is the one that verifier was made from. An error means that
// verifier is not written as a SCRAM-SHA-256 verifier.
func CheckScram(password, verifier string) (bool, error) {
	v, err := parseScram(verifier)
	if err != nil {
		return false, err
	}
	stored, server := scramKeys(password, v.salt, v.iterations)
	return hmac.Equal(stored, v.stored) && hmac.Equal(server, v.server), nil
}

// IsScramVerifier reports whether s is written as a SCRAM-SHA-256 verifier, as PostgreSQL decides
// whether a value given as a password is one to be stored as it is.
func IsScramVerifier(s string) bool {
	_, err := parseScram(s)
	return err == nil
}

type scram struct {
	iterations           int
	salt, stored, server []byte
}

// parseScram takes a verifier apart. Its errors do not repeat the verifier: it is a secret.
func parseScram(verifier string) (scram, error) {
	rest, ok := strings.CutPrefix(verifier, scramPrefix)
	parameters, keys, ok2 := strings.Cut(rest, "$")
	rounds, salt, ok3 := strings.Cut(parameters, ":")
	stored, server, ok4 := strings.Cut(keys, ":")
	if !ok || !ok2 || !ok3 || !ok4 {
		return scram{}, errScramFormat
	}
	iterations, err := strconv.Atoi(rounds)
	if err != nil || iterations < 1 {
		return scram{}, fmt.Errorf("%w; the iterations are not a positive number", errScramFormat)
	}
	v := scram{iterations: iterations}
	for _, part := range []struct {
		into   *[]byte
		text   string
		length int
	}{{&v.salt, salt, -1}, {&v.stored, stored, sha256.Size}, {&v.server, server, sha256.Size}} {
		*part.into, err = base64.StdEncoding.Strict().DecodeString(part.text)
		if err != nil || part.length >= 0 && len(*part.into) != part.length {
			return scram{}, fmt.Errorf("%w; a part is not base64 of the right length", errScramFormat)
		}
	}
	return v, nil
}

// scramKeys computes StoredKey and ServerKey of RFC 5802, section 3, with
// SHA-256 (RFC 7677).
func scramKeys(password string, salt []byte, iterations int) (stored, server []byte) {
	return scramKeysWith(sha256.New, password, salt, iterations)
}

func scramKeysWith(function func() hash.Hash, password string, salt []byte, iterations int) (stored, server []byte) {
	sign := func(key []byte, text string) []byte {
		mac := hmac.New(function, key)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
	salted := saltPassword(function, normalize(password), salt, iterations)
	client := function()
	client.Write(sign(salted, "Client Key"))
	return client.Sum(nil), sign(salted, "Server Key")
}

// saltPassword is Hi() of RFC 5802: PBKDF2 with an output of one block.
func saltPassword(function func() hash.Hash, password string, salt []byte, iterations int) []byte {
	mac := hmac.New(function, []byte(password))
	mac.Write(salt)
	mac.Write([]byte{0, 0, 0, 1})
	block := mac.Sum(nil)
	result := bytes.Clone(block)
	for range iterations - 1 {
		mac.Reset()
		mac.Write(block)
		block = mac.Sum(block[:0])
		for i := range result {
			result[i] ^= block[i]
		}
	}
	return result
}

// normalize applies SASLprep. Like PostgreSQL and its clients it takes a password that SASLprep
// refuses as it is.
func normalize(password string) string {
	prepared, err := stringprep.SASLprep.Prepare(password)
	if err != nil || prepared == "" {
		return password
	}
	return prepared
}
