package tls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // RFC 5280 identifies keys with it
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// Validity says when and what for a certificate may be used.
type Validity struct {
	AllowedUses         []string `pulumi:"allowedUses,optional"`
	ValidityPeriodHours int      `pulumi:"validityPeriodHours"`
	EarlyRenewalHours   *int     `pulumi:"earlyRenewalHours,optional"`
	IsCaCertificate     *bool    `pulumi:"isCaCertificate,optional"`
	MaxPathLength       *int     `pulumi:"maxPathLength,optional"`
	SetSubjectKeyID     *bool    `pulumi:"setSubjectKeyId,optional"`
}

// Issued is what a certificate becomes by being issued.
type Issued struct {
	CertPem           string `pulumi:"certPem"`
	ReadyForRenewal   bool   `pulumi:"readyForRenewal"`
	ValidityStartTime string `pulumi:"validityStartTime"`
	ValidityEndTime   string `pulumi:"validityEndTime"`
}

var keyUsages = map[string]x509.KeyUsage{
	"digital_signature": x509.KeyUsageDigitalSignature, "content_commitment": x509.KeyUsageContentCommitment,
	"key_encipherment": x509.KeyUsageKeyEncipherment, "data_encipherment": x509.KeyUsageDataEncipherment,
	"key_agreement": x509.KeyUsageKeyAgreement, "cert_signing": x509.KeyUsageCertSign,
	"crl_signing": x509.KeyUsageCRLSign, "encipher_only": x509.KeyUsageEncipherOnly,
	"decipher_only": x509.KeyUsageDecipherOnly,
}

var extendedUsages = map[string]x509.ExtKeyUsage{
	"any_extended": x509.ExtKeyUsageAny, "server_auth": x509.ExtKeyUsageServerAuth,
	"client_auth": x509.ExtKeyUsageClientAuth, "code_signing": x509.ExtKeyUsageCodeSigning,
	"email_protection": x509.ExtKeyUsageEmailProtection, "ipsec_end_system": x509.ExtKeyUsageIPSECEndSystem,
	"ipsec_tunnel": x509.ExtKeyUsageIPSECTunnel, "ipsec_user": x509.ExtKeyUsageIPSECUser,
	"timestamping": x509.ExtKeyUsageTimeStamping, "ocsp_signing": x509.ExtKeyUsageOCSPSigning,
}

// use puts the allowed uses into a certificate.
func (v Validity) use(certificate *x509.Certificate) error {
	for _, name := range v.AllowedUses {
		if usage, ok := keyUsages[name]; ok {
			certificate.KeyUsage |= usage
		} else if usage, ok := extendedUsages[name]; ok {
			certificate.ExtKeyUsage = append(certificate.ExtKeyUsage, usage)
		} else {
			return fmt.Errorf("allowedUses: %q is not a use that a certificate can have", name)
		}
	}
	return nil
}

// issue completes the template, has it signed by the parent's key, and returns its serial number as id.
// A nil parent means that the certificate signs itself.
func (v Validity) issue(
	template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer, authorityKeyID bool, now time.Time,
) (id string, issued Issued, err error) {
	if err := v.use(template); err != nil {
		return "", Issued{}, err
	}
	template.NotBefore = now
	template.NotAfter = now.Add(time.Duration(v.ValidityPeriodHours) * time.Hour)
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128)); err != nil {
		return "", Issued{}, fmt.Errorf("choosing a serial number: %w", err)
	}
	if v.MaxPathLength != nil {
		template.MaxPathLen, template.MaxPathLenZero = *v.MaxPathLength, *v.MaxPathLength == 0
	}
	template.IsCA = is(v.IsCaCertificate)
	if template.IsCA && template.Subject.String() == "" {
		return "", Issued{}, errors.New("subject: a certificate authority needs a name; give at least commonName")
	}
	if template.IsCA || is(v.SetSubjectKeyID) {
		if template.SubjectKeyId, err = keyID(public); err != nil {
			return "", Issued{}, err
		}
	}
	if parent == nil {
		parent = template
	}
	if authorityKeyID {
		if len(parent.SubjectKeyId) == 0 {
			return "", Issued{}, errors.New("setAuthorityKeyId: the authority has no key identifier; set setSubjectKeyId too")
		}
		template.AuthorityKeyId = parent.SubjectKeyId
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return "", Issued{}, fmt.Errorf("signing a certificate: %w", err)
	}
	return template.SerialNumber.String(), Issued{
		CertPem:           armour("CERTIFICATE", der),
		ValidityStartTime: template.NotBefore.Format(time.RFC3339Nano),
		ValidityEndTime:   template.NotAfter.Format(time.RFC3339Nano),
	}, nil
}

// keyID is the SHA-1 of the public key's bits, as RFC 5280 section 4.2.1.2 suggests.
func keyID(public crypto.PublicKey) ([]byte, error) {
	var bits []byte
	var err error
	switch public := public.(type) {
	case *rsa.PublicKey:
		bits, err = asn1.Marshal(*public)
	case *ecdsa.PublicKey:
		bits, err = public.Bytes()
	default:
		bits, err = asn1.Marshal(public)
	}
	if err != nil {
		return nil, fmt.Errorf("identifying a public key: %w", err)
	}
	sum := sha1.Sum(bits) //nolint:gosec // RFC 5280 identifies keys with it
	return sum[:], nil
}

func is(truth *bool) bool { return truth != nil && *truth }
