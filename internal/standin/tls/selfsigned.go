package tls

import (
	"context"
	"time"

	"github.com/pulumi/pulumi-go-provider/infer"
)

// SelfSignedCert makes a certificate that signs itself.
type SelfSignedCert struct{ now func() time.Time }

// SelfSignedCertArgs are the inputs of a SelfSignedCert.
type SelfSignedCertArgs struct {
	Names
	Validity
	PrivateKeyPem     string `pulumi:"privateKeyPem"`
	SetAuthorityKeyID *bool  `pulumi:"setAuthorityKeyId,optional"`
}

// SelfSignedCertState is a SelfSignedCert as it is kept.
type SelfSignedCertState struct {
	SelfSignedCertArgs
	Issued
	KeyAlgorithm string `pulumi:"keyAlgorithm"`
}

// Annotate gives the published token.
func (c *SelfSignedCert) Annotate(a infer.Annotator) {
	a.SetToken("index/selfSignedCert", "SelfSignedCert")
}

// Create issues the certificate.
func (c *SelfSignedCert) Create(
	_ context.Context, req infer.CreateRequest[SelfSignedCertArgs],
) (infer.CreateResponse[SelfSignedCertState], error) {
	state := SelfSignedCertState{SelfSignedCertArgs: req.Inputs}
	if req.DryRun {
		return infer.CreateResponse[SelfSignedCertState]{Output: state}, nil
	}
	key, algorithm, err := parseKey("privateKeyPem", req.Inputs.PrivateKeyPem)
	if err != nil {
		return infer.CreateResponse[SelfSignedCertState]{}, err
	}
	template, err := req.Inputs.template()
	if err != nil {
		return infer.CreateResponse[SelfSignedCertState]{}, err
	}
	state.KeyAlgorithm = algorithm
	id, issued, err := req.Inputs.issue(
		template, nil, key.Public(), key, is(req.Inputs.SetAuthorityKeyID), c.now())
	if err != nil {
		return infer.CreateResponse[SelfSignedCertState]{}, err
	}
	state.Issued = issued
	return infer.CreateResponse[SelfSignedCertState]{ID: id, Output: state}, nil
}

// Update takes over another time for early renewal, which only the next diff looks at.
func (c *SelfSignedCert) Update(
	_ context.Context, req infer.UpdateRequest[SelfSignedCertArgs, SelfSignedCertState],
) (infer.UpdateResponse[SelfSignedCertState], error) {
	req.State.SelfSignedCertArgs = req.Inputs
	return infer.UpdateResponse[SelfSignedCertState]{Output: req.State}, nil
}

// Read notices when the certificate is to be renewed.
func (c *SelfSignedCert) Read(
	_ context.Context, req infer.ReadRequest[SelfSignedCertArgs, SelfSignedCertState],
) (infer.ReadResponse[SelfSignedCertArgs, SelfSignedCertState], error) {
	req.State.age(req.State.EarlyRenewalHours, c.now())
	return infer.ReadResponse[SelfSignedCertArgs, SelfSignedCertState](req), nil
}
