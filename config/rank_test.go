package config_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/witchcityrope/database/config"
)

func TestDataOnlyFlowsDown(t *testing.T) {
	stack := func(name string, rank config.Rank) *config.Stack { return &config.Stack{Name: name, Rank: rank} }
	assert.NoError(t, stack("dev", 20).Below(stack("prod", config.Production)))
	for _, refused := range []struct {
		source, target *config.Stack
		says           string
	}{
		{stack("dev", 20), stack("prod", 100), "stack dev has rank 20 and stack prod has rank 100"},
		{stack("dev", 20), stack("dev2", 20), "only flows from a higher rank"},
		{stack("prod", 0), stack("dev", 20), "stack prod has no rank"},
		{stack("prod", 100), stack("dev", 0), "stack dev has no rank"},
		{stack("dev", 20), stack("dev", 10), "from itself"},
	} {
		assert.ErrorContains(t, refused.target.Below(refused.source), refused.says)
	}
}

func TestWhatHasNoRankIsGuarded(t *testing.T) {
	assert.True(t, (&config.Stack{}).Guarded())
	assert.True(t, (&config.Stack{Rank: config.Production}).Guarded())
	assert.False(t, (&config.Stack{Rank: config.Throwaway}).Guarded())
}
