// Package certificate makes the server's certificate and the private CA that
// signs it, so that clients can verify whom they talk to.
package certificate

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/witchcityrope/database/config"
)

// Plan is what is to be made.
type Plan struct {
	DNSNames    []string
	IPAddresses []string
	TLS         config.TLS
	CommonName  string // of the server's certificate; the CA's is this and " CA"
}

// NewPlan lists every name that clients may call the server by, each once.
func NewPlan(stack *config.Stack) Plan {
	plan := Plan{TLS: stack.TLS, CommonName: stack.Server.Name}
	names := []string{stack.Network.Alias, stack.Server.Name, "localhost", "127.0.0.1", stack.Network.Publish.Address}
	for _, name := range append(names, stack.TLS.Names...) {
		list := &plan.DNSNames
		if _, err := netip.ParseAddr(name); err == nil {
			list = &plan.IPAddresses
		}
		if !slices.Contains(*list, name) {
			*list = append(*list, name)
		}
	}
	return plan
}

// Certificate is the server's certificate and the CAs that clients verify it with.
type Certificate struct {
	pulumi.ResourceState
	// CA are the certificates of the two CAs that clients are to trust, PEM:
	// first the one that has signed, then the one of the next generation.
	CA pulumi.StringOutput `pulumi:"ca"`
	// Bundle is the server's certificate and its private key in one PEM file,
	// so that a reload never sees a pair that does not match. Secret.
	Bundle pulumi.StringOutput `pulumi:"bundle"`
}

// New registers two CAs and the server's certificate, which the first of them
// has signed. The second is the one that the next generation begins with: a
// client that trusts both need not be told when it is the other's turn.
func New(ctx *pulumi.Context, name string, plan Plan, opts ...pulumi.ResourceOption) (*Certificate, error) {
	certificate := &Certificate{}
	if err := ctx.RegisterComponentResource("database:certificate:Certificate", name, certificate, opts...); err != nil {
		return nil, err
	}
	child := pulumi.Parent(certificate)

	present, err := newAuthority(ctx, name, plan, plan.TLS.CAGeneration, child)
	if err != nil {
		return nil, err
	}
	next, err := newAuthority(ctx, name, plan, plan.TLS.CAGeneration+1, child)
	if err != nil {
		return nil, err
	}
	key, err := newKey(ctx, name+"-key", child)
	if err != nil {
		return nil, err
	}
	subject := plan.TLS.Subject
	request, err := tls.NewCertRequest(ctx, name+"-request", &tls.CertRequestArgs{
		PrivateKeyPem: key.PrivateKeyPem,
		DnsNames:      pulumi.ToStringArray(plan.DNSNames),
		IpAddresses:   pulumi.ToStringArray(plan.IPAddresses),
		Subject: tls.CertRequestSubjectArgs{
			Country: pulumi.String(subject.Country), Province: pulumi.String(subject.Province), Locality: pulumi.String(subject.Locality),
			Organization: pulumi.String(subject.Organization), CommonName: pulumi.String(plan.CommonName),
		},
	}, child)
	if err != nil {
		return nil, fmt.Errorf("certificate request of the server: %w", err)
	}
	leaf, err := tls.NewLocallySignedCert(ctx, name, &tls.LocallySignedCertArgs{
		CertRequestPem:      request.CertRequestPem,
		CaPrivateKeyPem:     present.key.PrivateKeyPem,
		CaCertPem:           present.certificate.CertPem,
		AllowedUses:         pulumi.ToStringArray([]string{"digital_signature", "key_encipherment", "server_auth"}),
		ValidityPeriodHours: pulumi.Int(plan.TLS.Validity.Hours()),
		EarlyRenewalHours:   pulumi.Int(plan.TLS.RenewBefore.Hours()),
	}, child)
	if err != nil {
		return nil, fmt.Errorf("certificate of the server: %w", err)
	}

	certificate.CA = pulumi.Sprintf("%s%s", present.certificate.CertPem, next.certificate.CertPem)
	certificate.Bundle = pulumi.ToSecret(pulumi.Sprintf("%s%s", leaf.CertPem, key.PrivateKeyPem)).(pulumi.StringOutput)
	return certificate, ctx.RegisterResourceOutputs(certificate, pulumi.Map{"ca": certificate.CA, "bundle": certificate.Bundle})
}

// authority is the CA of one generation. It keeps its key when its certificate
// is renewed, so that the old certificate verifies what the new one signs.
type authority struct {
	key         *tls.PrivateKey
	certificate *tls.SelfSignedCert
}

func newAuthority(ctx *pulumi.Context, name string, plan Plan, generation int, opts ...pulumi.ResourceOption) (authority, error) {
	resourceSuffix, nameSuffix := "", " CA"
	if generation > 1 {
		resourceSuffix, nameSuffix = fmt.Sprintf("-%d", generation), fmt.Sprintf(" CA %d", generation)
	}
	key, err := newKey(ctx, name+"-ca-key"+resourceSuffix, opts...)
	if err != nil {
		return authority{}, err
	}
	subject := plan.TLS.Subject
	certificate, err := tls.NewSelfSignedCert(ctx, name+"-ca"+resourceSuffix, &tls.SelfSignedCertArgs{
		PrivateKeyPem:   key.PrivateKeyPem,
		IsCaCertificate: pulumi.Bool(true),
		SetSubjectKeyId: pulumi.Bool(true),
		Subject: tls.SelfSignedCertSubjectArgs{
			Country: pulumi.String(subject.Country), Province: pulumi.String(subject.Province), Locality: pulumi.String(subject.Locality),
			Organization: pulumi.String(subject.Organization), CommonName: pulumi.String(plan.CommonName + nameSuffix),
		},
		AllowedUses:         pulumi.ToStringArray([]string{"cert_signing", "crl_signing"}),
		ValidityPeriodHours: pulumi.Int(plan.TLS.CAValidity.Hours()),
		EarlyRenewalHours:   pulumi.Int(plan.TLS.CARenewBefore.Hours()),
	}, opts...)
	if err != nil {
		return authority{}, fmt.Errorf("certificate of the CA of generation %d: %w", generation, err)
	}
	return authority{key, certificate}, nil
}

func newKey(ctx *pulumi.Context, name string, opts ...pulumi.ResourceOption) (*tls.PrivateKey, error) {
	key, err := tls.NewPrivateKey(ctx, name, &tls.PrivateKeyArgs{
		Algorithm: pulumi.String("ECDSA"), EcdsaCurve: pulumi.String("P256"),
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("private key %s: %w", name, err)
	}
	return key, nil
}
