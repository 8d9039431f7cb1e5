package operation

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/engine"
)

// TestLock: the second run says that it waits, and goes on once the first has ended.
func TestLock(t *testing.T) {
	project := &engine.Project{Dir: t.TempDir()}
	said := make(chan string, 1)
	first := &Operation{Project: project, Stack: "dev"}
	second := &Operation{Project: project, Stack: "dev", Report: func(format string, args ...any) { said <- fmt.Sprintf(format, args...) }}
	unlock, err := first.lock(t.Context())
	require.NoError(t, err)

	impatient, cancel := context.WithCancel(t.Context())
	go func() { <-said; cancel() }()
	_, err = second.lock(impatient)
	require.ErrorIs(t, err, context.Canceled)

	locked := make(chan error, 1)
	go func() {
		unlock, err := second.lock(t.Context())
		if err == nil {
			err = unlock()
		}
		locked <- err
	}()
	assert.Contains(t, <-said, "another run changes stack dev")
	require.NoError(t, unlock())
	assert.NoError(t, <-locked)

	other, err := (&Operation{Project: project, Stack: "test"}).lock(t.Context())
	require.NoError(t, err, "another stack has another lock")
	assert.NoError(t, other())
}
