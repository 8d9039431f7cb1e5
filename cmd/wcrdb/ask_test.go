package main

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestInterruptedQuestion: Ctrl-C at a question ends the run, whoever has not answered yet.
func TestInterruptedQuestion(t *testing.T) {
	silent, typing := io.Pipe()
	defer typing.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := line(ctx, silent)
		ended <- err
	}()
	interrupt()
	select {
	case err := <-ended:
		require.ErrorIs(t, err, context.Canceled)
	case <-time.After(10 * time.Second):
		t.Fatal("the question is still asked")
	}
	typed, err := line(t.Context(), strings.NewReader(" yes \nno\n"))
	require.NoError(t, err)
	assert.Equal(t, "yes", typed)
	_, err = line(t.Context(), strings.NewReader(""))
	assert.ErrorIs(t, err, io.EOF)
}
