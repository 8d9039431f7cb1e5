// Package password derives every password of a stack from its one root
// secret, so that none has to be stored: HKDF-SHA256 (RFC 5869) over the
// secret, with the stack, the role and the generation as context.
package password

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"

	"github.com/witchcityrope/database/internal/postgres"
)

// MinRootSecretLength is the least length of a root secret in characters; 32
// random characters of a 62-letter alphabet carry 190 bits.
const MinRootSecretLength = 32

// scramIterations is PostgreSQL's own default (scram_iterations, section 20.3).
const scramIterations = 4096

// alphabet needs no quoting in shells, YAML, URIs, pgpass files or Npgsql strings.
const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// length is that of a derived password in characters: 43 letters of 62 carry 256 bits.
const length = 43

// Derivation makes the passwords of one stack.
type Derivation struct {
	rootSecret []byte
	stack      string

	previous *Derivation    // of the root secret before; nil for none
	since    map[string]int // first generation of a role that is not from previous
}

// NewDerivation binds a root secret to a stack: two stacks that share a
// secret by mistake still have different passwords.
func NewDerivation(rootSecret, stack string) (*Derivation, error) {
	if len(rootSecret) < MinRootSecretLength {
		return nil, fmt.Errorf("the root secret has %d characters, at least %d are needed", len(rootSecret), MinRootSecretLength)
	}
	return &Derivation{rootSecret: []byte(rootSecret), stack: stack}, nil
}

// After derives the generations of a role before since from the previous root
// secret: a new root secret changes no password that clients still use.
func (d *Derivation) After(previous string, since map[string]int) (*Derivation, error) {
	before, err := NewDerivation(previous, d.stack)
	if err != nil {
		return nil, fmt.Errorf("previous root secret: %w", err)
	}
	return &Derivation{rootSecret: d.rootSecret, stack: d.stack, previous: before, since: since}, nil
}

// Password is the password of a role at a generation (0, 1, 2, …).
func (d *Derivation) Password(role string, generation int) string {
	// 62^43 is just over 2^256; 48 bytes leave a bias below 2^-128.
	n := new(big.Int).SetBytes(d.expand("password", role, generation, 48))
	base := big.NewInt(int64(len(alphabet)))
	digit := new(big.Int)
	text := make([]byte, length)
	for i := range text {
		n.DivMod(n, base, digit)
		text[i] = alphabet[digit.Int64()]
	}
	return string(text)
}

// Verifier is the SCRAM-SHA-256 verifier of that password, as PostgreSQL
// stores it (section 53.8, pg_authid). Its salt is derived as well: the same
// password has the same verifier at every run.
func (d *Derivation) Verifier(role string, generation int) string {
	return postgres.ScramVerifier(d.Password(role, generation), d.expand("scram salt", role, generation, 16), scramIterations)
}

// farthest is how far from the generation that it should have GenerationOf looks for a verifier.
const farthest = 100_000

// GenerationOf finds the generation of a verifier that a role has, if it is one
// of this stack's at all: looked for by its salt, which costs microseconds.
func (d *Derivation) GenerationOf(role, verifier string, near int) (generation int, ours bool) {
	for distance := range farthest {
		for _, generation := range []int{near - distance, near + distance} {
			if generation < 0 {
				continue
			}
			salt := base64.StdEncoding.EncodeToString(d.expand("scram salt", role, generation, 16))
			if strings.HasPrefix(verifier, fmt.Sprintf("SCRAM-SHA-256$%d:%s$", scramIterations, salt)) {
				return generation, verifier == d.Verifier(role, generation)
			}
		}
	}
	return 0, false
}

func (d *Derivation) expand(purpose, role string, generation, size int) []byte {
	if d.previous != nil && generation < d.since[role] && generation != BootstrapGeneration {
		return d.previous.expand(purpose, role, generation, size)
	}
	info := fmt.Sprintf("wcrdb %s\x00%s\x00%s\x00%d", purpose, d.stack, role, generation)
	key, err := hkdf.Key(sha256.New, d.rootSecret, nil, info, size)
	if err != nil {
		panic(err) // only for more than 255 hashes of output: a programming error
	}
	return key
}

// BootstrapGeneration is the generation of the password that a new cluster is
// made with. It never changes, so that a rotation does not change the
// container; the superuser's real password is set over SQL.
const BootstrapGeneration = -1

// NewRootSecret makes a root secret of 256 random bits.
func NewRootSecret() string {
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		panic(err) // never returned since Go 1.24
	}
	return base64.RawURLEncoding.EncodeToString(secret)
}
