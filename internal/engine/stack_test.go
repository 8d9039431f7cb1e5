package engine

import (
	"errors"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
)

// TestApart: a program that panics fails, and takes nobody along.
func TestApart(t *testing.T) {
	assert.Nil(t, apart(nil))
	assert.NoError(t, apart(func(*pulumi.Context) error { return nil })(nil))
	refused := errors.New("refused")
	assert.ErrorIs(t, apart(func(*pulumi.Context) error { return refused })(nil), refused)
	err := apart(func(*pulumi.Context) error { panic("out of range") })(nil)
	assert.ErrorContains(t, err, "the program panicked: out of range")
	assert.ErrorContains(t, err, "TestApart", "where")
}
