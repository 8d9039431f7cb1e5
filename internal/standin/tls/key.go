package tls

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // an identifier, not a protection
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/pulumi/pulumi-go-provider/infer"
)

const (
	defaultCurve   = "P224"
	defaultRSABits = 2048
)

// PrivateKey makes a private key, once.
type PrivateKey struct{}

// PrivateKeyArgs are the inputs of a PrivateKey.
type PrivateKeyArgs struct {
	Algorithm  string  `pulumi:"algorithm"`
	EcdsaCurve *string `pulumi:"ecdsaCurve,optional"`
	RsaBits    *int    `pulumi:"rsaBits,optional"`
}

// PrivateKeyState is a PrivateKey as it is kept.
type PrivateKeyState struct {
	PrivateKeyArgs
	PrivateKeyPem      string `pulumi:"privateKeyPem"`
	PrivateKeyPemPkcs8 string `pulumi:"privateKeyPemPkcs8"`
	PublicKeyPem       string `pulumi:"publicKeyPem"`
}

// Annotate gives the published token.
func (k *PrivateKey) Annotate(a infer.Annotator) { a.SetToken("index/privateKey", "PrivateKey") }

// Create makes the key.
func (k *PrivateKey) Create(
	_ context.Context, req infer.CreateRequest[PrivateKeyArgs],
) (infer.CreateResponse[PrivateKeyState], error) {
	state := PrivateKeyState{PrivateKeyArgs: req.Inputs}
	if req.DryRun {
		return infer.CreateResponse[PrivateKeyState]{Output: state}, nil
	}
	key, err := generate(req.Inputs)
	if err != nil {
		return infer.CreateResponse[PrivateKeyState]{}, err
	}
	id, err := state.encode(key)
	if err != nil {
		return infer.CreateResponse[PrivateKeyState]{}, fmt.Errorf("encoding a new private key: %w", err)
	}
	return infer.CreateResponse[PrivateKeyState]{ID: id, Output: state}, nil
}

// Read finds no drift: a key is nowhere but in the state.
func (k *PrivateKey) Read(
	_ context.Context, req infer.ReadRequest[PrivateKeyArgs, PrivateKeyState],
) (infer.ReadResponse[PrivateKeyArgs, PrivateKeyState], error) {
	return infer.ReadResponse[PrivateKeyArgs, PrivateKeyState](req), nil
}

func generate(args PrivateKeyArgs) (crypto.Signer, error) {
	switch args.Algorithm {
	case "RSA":
		bits := defaultRSABits
		if args.RsaBits != nil {
			bits = *args.RsaBits
		}
		return rsa.GenerateKey(rand.Reader, bits)
	case "ED25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	case "ECDSA":
		name := defaultCurve
		if args.EcdsaCurve != nil {
			name = *args.EcdsaCurve
		}
		curve, known := map[string]elliptic.Curve{
			"P224": elliptic.P224(), "P256": elliptic.P256(), "P384": elliptic.P384(), "P521": elliptic.P521(),
		}[name]
		if !known {
			return nil, fmt.Errorf("ecdsaCurve: %q is not a known curve; use P224, P256, P384 or P521", name)
		}
		return ecdsa.GenerateKey(curve, rand.Reader)
	default:
		return nil, fmt.Errorf("algorithm: %q is not a known algorithm; use ECDSA, ED25519 or RSA", args.Algorithm)
	}
}

// encode writes the key into the state, in the forms that the published provider uses, and returns its id.
func (s *PrivateKeyState) encode(key crypto.Signer) (id string, err error) {
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", err
	}
	s.PrivateKeyPemPkcs8 = armour("PRIVATE KEY", pkcs8)
	s.PublicKeyPem = armour("PUBLIC KEY", public)
	switch key := key.(type) {
	case *rsa.PrivateKey:
		s.PrivateKeyPem = armour("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
	case *ecdsa.PrivateKey:
		sec1, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			return "", err
		}
		s.PrivateKeyPem = armour("EC PRIVATE KEY", sec1)
	default:
		s.PrivateKeyPem = s.PrivateKeyPemPkcs8
	}
	return fingerprint(public), nil
}

// parseKey reads a private key in any of the forms that PrivateKey gives out. Its errors never quote the key.
func parseKey(input, text string) (key crypto.Signer, algorithm string, err error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, "", fmt.Errorf("%s: not in PEM form; give the privateKeyPem of a private key", input)
	}
	var parsed any
	switch block.Type {
	case "RSA PRIVATE KEY":
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		parsed, err = x509.ParseECPrivateKey(block.Bytes)
	case "PRIVATE KEY":
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	default:
		err = fmt.Errorf("a PEM block of type %q is not a private key", block.Type)
	}
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", input, err)
	}
	switch key := parsed.(type) {
	case *rsa.PrivateKey:
		return key, "RSA", nil
	case *ecdsa.PrivateKey:
		return key, "ECDSA", nil
	case ed25519.PrivateKey:
		return key, "ED25519", nil
	default:
		return nil, "", errors.New(input + ": unsupported kind of key; use ECDSA, ED25519 or RSA")
	}
}

func armour(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func fingerprint(der []byte) string {
	sum := sha1.Sum(der) //nolint:gosec // an identifier, not a protection
	return hex.EncodeToString(sum[:])
}
