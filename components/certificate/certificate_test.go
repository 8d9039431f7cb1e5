package certificate

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/witchcityrope/database/config/configtest"
)

func TestPlanNamesTheServerAsClientsCallIt(t *testing.T) {
	plan := NewPlan(configtest.Stack(t, "dev", nil))
	assert.Equal(t, []string{"db", "witchcityrope-database-dev", "localhost"}, plan.DNSNames)
	assert.Equal(t, []string{"127.0.0.1"}, plan.IPAddresses)
	assert.Equal(t, "witchcityrope-database-dev", plan.CommonName)
}

func TestPlanTakesFurtherNamesOnce(t *testing.T) {
	plan := NewPlan(configtest.Stack(t, "prod", map[string]string{
		"network": `{"publish": {"address": "10.1.2.3"}}`,
		"tls":     `{"required": true, "names": ["db.example.org", "localhost", "10.1.2.3", "::1", "*.example.org"]}`,
	}))
	assert.Equal(t, []string{"db", "witchcityrope-database-prod", "localhost", "db.example.org", "*.example.org"}, plan.DNSNames)
	assert.Equal(t, []string{"127.0.0.1", "10.1.2.3", "::1"}, plan.IPAddresses)
}

func TestPlanKeepsTheConfiguredCertificate(t *testing.T) {
	plan := NewPlan(configtest.Stack(t, "dev", nil))
	assert.Equal(t, [4]string{"US", "MA", "Salem", "WitchCityRope"},
		[4]string{plan.TLS.Subject.Country, plan.TLS.Subject.Province, plan.TLS.Subject.Locality, plan.TLS.Subject.Organization})
	assert.Equal(t, [4]int{365 * 24, 30 * 24, 3650 * 24, 400 * 24},
		[4]int{plan.TLS.Validity.Hours(), plan.TLS.RenewBefore.Hours(), plan.TLS.CAValidity.Hours(), plan.TLS.CARenewBefore.Hours()})
}
