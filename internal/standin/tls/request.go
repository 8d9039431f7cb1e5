package tls

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"net"
	"net/url"

	"github.com/pulumi/pulumi-go-provider/infer"
)

// Subject is a distinguished name.
type Subject struct {
	CommonName         *string  `pulumi:"commonName,optional"`
	Country            *string  `pulumi:"country,optional"`
	EmailAddress       *string  `pulumi:"emailAddress,optional"`
	Locality           *string  `pulumi:"locality,optional"`
	Organization       *string  `pulumi:"organization,optional"`
	OrganizationalUnit *string  `pulumi:"organizationalUnit,optional"`
	PostalCode         *string  `pulumi:"postalCode,optional"`
	Province           *string  `pulumi:"province,optional"`
	SerialNumber       *string  `pulumi:"serialNumber,optional"`
	StreetAddresses    []string `pulumi:"streetAddresses,optional"`
}

// Names are what a certificate is valid for.
type Names struct {
	Subject     *Subject `pulumi:"subject,optional"`
	DNSNames    []string `pulumi:"dnsNames,optional"`
	IPAddresses []string `pulumi:"ipAddresses,optional"`
	Uris        []string `pulumi:"uris,optional"`
}

// CertRequest makes a request for a certificate.
type CertRequest struct{}

// CertRequestArgs are the inputs of a CertRequest.
type CertRequestArgs struct {
	Names
	PrivateKeyPem string `pulumi:"privateKeyPem"`
}

// CertRequestState is a CertRequest as it is kept.
type CertRequestState struct {
	CertRequestArgs
	CertRequestPem string `pulumi:"certRequestPem"`
	KeyAlgorithm   string `pulumi:"keyAlgorithm"`
}

// Annotate gives the published token.
func (r *CertRequest) Annotate(a infer.Annotator) { a.SetToken("index/certRequest", "CertRequest") }

// Create makes and signs the request.
func (r *CertRequest) Create(
	_ context.Context, req infer.CreateRequest[CertRequestArgs],
) (infer.CreateResponse[CertRequestState], error) {
	state := CertRequestState{CertRequestArgs: req.Inputs}
	if req.DryRun {
		return infer.CreateResponse[CertRequestState]{Output: state}, nil
	}
	key, algorithm, err := parseKey("privateKeyPem", req.Inputs.PrivateKeyPem)
	if err != nil {
		return infer.CreateResponse[CertRequestState]{}, err
	}
	template, err := req.Inputs.template()
	if err != nil {
		return infer.CreateResponse[CertRequestState]{}, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: template.Subject, DNSNames: template.DNSNames, IPAddresses: template.IPAddresses, URIs: template.URIs,
	}, key)
	if err != nil {
		return infer.CreateResponse[CertRequestState]{}, fmt.Errorf("making a certificate request: %w", err)
	}
	state.CertRequestPem = armour("CERTIFICATE REQUEST", der)
	state.KeyAlgorithm = algorithm
	return infer.CreateResponse[CertRequestState]{ID: fingerprint(der), Output: state}, nil
}

// Read finds no drift: a request is nowhere but in the state.
func (r *CertRequest) Read(
	_ context.Context, req infer.ReadRequest[CertRequestArgs, CertRequestState],
) (infer.ReadResponse[CertRequestArgs, CertRequestState], error) {
	return infer.ReadResponse[CertRequestArgs, CertRequestState](req), nil
}

// template returns a certificate with these names and nothing else.
func (n Names) template() (*x509.Certificate, error) {
	certificate := &x509.Certificate{BasicConstraintsValid: true, DNSNames: n.DNSNames}
	if n.Subject != nil {
		certificate.Subject = n.Subject.name()
	}
	for _, text := range n.IPAddresses {
		ip := net.ParseIP(text)
		if ip == nil {
			return nil, fmt.Errorf("ipAddresses: %q is not an IP address", text)
		}
		certificate.IPAddresses = append(certificate.IPAddresses, ip)
	}
	for _, text := range n.Uris {
		uri, err := url.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("uris: %w", err)
		}
		certificate.URIs = append(certificate.URIs, uri)
	}
	return certificate, nil
}

// oidEmailAddress is the attribute that PKCS #9 defines for addresses in distinguished names.
var oidEmailAddress = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}

func (s Subject) name() pkix.Name {
	name := pkix.Name{
		Country: one(s.Country), Province: one(s.Province), Locality: one(s.Locality), PostalCode: one(s.PostalCode),
		Organization: one(s.Organization), OrganizationalUnit: one(s.OrganizationalUnit), StreetAddress: s.StreetAddresses,
	}
	if s.CommonName != nil {
		name.CommonName = *s.CommonName
	}
	if s.SerialNumber != nil {
		name.SerialNumber = *s.SerialNumber
	}
	if s.EmailAddress != nil {
		name.ExtraNames = []pkix.AttributeTypeAndValue{{
			Type:  oidEmailAddress,
			Value: asn1.RawValue{Tag: asn1.TagIA5String, Bytes: []byte(*s.EmailAddress)},
		}}
	}
	return name
}

func one(text *string) []string {
	if text == nil {
		return nil
	}
	return []string{*text}
}

func parseRequest(input, text string) (*x509.CertificateRequest, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, fmt.Errorf("%s: not a certificate request in PEM form", input)
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", input, err)
	}
	return request, nil
}

func parseCertificate(input, text string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("%s: not a certificate in PEM form", input)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", input, err)
	}
	return certificate, nil
}
