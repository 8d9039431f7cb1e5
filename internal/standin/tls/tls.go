// Package tls is a stand-in for the published Pulumi provider tls: the same types and inputs, made with crypto/x509.
package tls

import (
	"context"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/witchcityrope/database/internal/standin/plugin"
)

// New returns the provider. now tells the time; certificates start at it and are renewed by it.
func New(now func() time.Time) (p.Provider, error) {
	expired := func(state property.Map) (string, bool) {
		var end string
		if value := state.Get("validityEndTime"); value.IsString() {
			end = value.AsString()
		}
		var early float64
		if value := state.Get("earlyRenewalHours"); value.IsNumber() {
			early = value.AsNumber()
		}
		return "readyForRenewal", renewable(end, early, now())
	}
	config := plugin.Config{Configure: func(context.Context, plugin.Values) error { return nil }}
	noCA := map[string]any{
		"earlyRenewalHours": 0.0, "isCaCertificate": false, "setAuthorityKeyId": false, "setSubjectKeyId": false,
	}
	renewal := []string{"earlyRenewalHours"}
	return plugin.New(config,
		plugin.Resource{
			InferredResource: infer.Resource(&PrivateKey{}),
			Secrets:          []string{"privateKeyPem", "privateKeyPemPkcs8"},
			Defaults:         map[string]any{"ecdsaCurve": defaultCurve, "rsaBits": float64(defaultRSABits)},
		},
		plugin.Resource{InferredResource: infer.Resource(&CertRequest{}), Secrets: []string{"privateKeyPem"}},
		plugin.Resource{
			InferredResource: infer.Resource(&SelfSignedCert{now: now}),
			Secrets:          []string{"privateKeyPem"},
			InPlace:          renewal, Defaults: noCA, Expired: expired,
		},
		plugin.Resource{
			InferredResource: infer.Resource(&LocallySignedCert{now: now}),
			Secrets:          []string{"caPrivateKeyPem"},
			InPlace:          renewal, Defaults: noCA, Expired: expired,
		},
	)
}

// renewable tells whether a certificate's last hours, in which it is to be renewed, have begun.
func renewable(end string, earlyHours float64, now time.Time) bool {
	ends, err := time.Parse(time.RFC3339, end)
	if err != nil {
		return false // there is no certificate yet
	}
	return !now.Before(ends.Add(-time.Duration(earlyHours * float64(time.Hour))))
}
