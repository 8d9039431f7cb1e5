package tls

import (
	"context"
	"crypto/x509"
	"time"

	"github.com/pulumi/pulumi-go-provider/infer"
)

// LocallySignedCert makes a certificate signed by an authority whose key is at hand.
type LocallySignedCert struct{ now func() time.Time }

// LocallySignedCertArgs are the inputs of a LocallySignedCert.
type LocallySignedCertArgs struct {
	Validity
	CertRequestPem  string `pulumi:"certRequestPem"`
	CaCertPem       string `pulumi:"caCertPem"`
	CaPrivateKeyPem string `pulumi:"caPrivateKeyPem"`
}

// LocallySignedCertState is a LocallySignedCert as it is kept.
type LocallySignedCertState struct {
	LocallySignedCertArgs
	Issued
	CaKeyAlgorithm string `pulumi:"caKeyAlgorithm"`
}

// Annotate gives the published token.
func (c *LocallySignedCert) Annotate(a infer.Annotator) {
	a.SetToken("index/locallySignedCert", "LocallySignedCert")
}

// Create issues the certificate.
func (c *LocallySignedCert) Create(
	_ context.Context, req infer.CreateRequest[LocallySignedCertArgs],
) (infer.CreateResponse[LocallySignedCertState], error) {
	state := LocallySignedCertState{LocallySignedCertArgs: req.Inputs}
	if req.DryRun {
		return infer.CreateResponse[LocallySignedCertState]{Output: state}, nil
	}
	id, err := state.sign(c.now())
	if err != nil {
		return infer.CreateResponse[LocallySignedCertState]{}, err
	}
	return infer.CreateResponse[LocallySignedCertState]{ID: id, Output: state}, nil
}

func (s *LocallySignedCertState) sign(now time.Time) (id string, err error) {
	request, err := parseRequest("certRequestPem", s.CertRequestPem)
	if err != nil {
		return "", err
	}
	authority, err := parseCertificate("caCertPem", s.CaCertPem)
	if err != nil {
		return "", err
	}
	signer, algorithm, err := parseKey("caPrivateKeyPem", s.CaPrivateKeyPem)
	if err != nil {
		return "", err
	}
	template := &x509.Certificate{
		BasicConstraintsValid: true, Subject: request.Subject,
		DNSNames: request.DNSNames, IPAddresses: request.IPAddresses, URIs: request.URIs,
	}
	s.CaKeyAlgorithm = algorithm
	id, s.Issued, err = s.issue(template, authority, request.PublicKey, signer, false, now)
	return id, err
}

// Update takes over another time for early renewal, which only the next diff looks at.
func (c *LocallySignedCert) Update(
	_ context.Context, req infer.UpdateRequest[LocallySignedCertArgs, LocallySignedCertState],
) (infer.UpdateResponse[LocallySignedCertState], error) {
	req.State.LocallySignedCertArgs = req.Inputs
	return infer.UpdateResponse[LocallySignedCertState]{Output: req.State}, nil
}

// Read notices when the certificate is to be renewed.
func (c *LocallySignedCert) Read(
	_ context.Context, req infer.ReadRequest[LocallySignedCertArgs, LocallySignedCertState],
) (infer.ReadResponse[LocallySignedCertArgs, LocallySignedCertState], error) {
	req.State.age(req.State.EarlyRenewalHours, c.now())
	return infer.ReadResponse[LocallySignedCertArgs, LocallySignedCertState](req), nil
}

// age notes whether the time of early renewal has come.
func (i *Issued) age(earlyRenewalHours *int, now time.Time) {
	var early float64
	if earlyRenewalHours != nil {
		early = float64(*earlyRenewalHours)
	}
	i.ReadyForRenewal = renewable(i.ValidityEndTime, early, now)
}
