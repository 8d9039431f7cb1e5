package operation

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/backup"
	"github.com/witchcityrope/database/internal/engine"
)

func TestBackupsOfAnotherRankAreNotRestored(t *testing.T) {
	project, err := engine.FindProject(configtest.Root(t))
	assert.NoError(t, err)
	for _, each := range []struct {
		project, from, to string
		rank              config.Rank
		may               bool
	}{
		{project.Name, "dev", "dev", 20, true},
		{project.Name, "prod", "prod", 100, true},
		{project.Name, "prod", "dev", 20, false},
		{project.Name, "dev", "prod", 100, false},
		{project.Name, "dev", "other", 20, true},
		{project.Name, "prod", "other", 100, true},
		{project.Name, "prod", "other", 0, true}, // taken for production
		{project.Name, "unknown", "dev", 20, false},
		{"another", "dev", "dev", 20, false},
		{"another", "dev", "prod", 100, true},
	} {
		o := &Operation{Project: project, Stack: each.to, config: &config.Stack{Project: project.Name, Name: each.to, Rank: each.rank}}
		err := o.mayHold(backup.Manifest{ID: "x", Project: each.project, Stack: each.from})
		assert.Equal(t, each.may, err == nil, "%+v: %v", each, err)
	}
}
