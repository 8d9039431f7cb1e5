package dockerengine

import (
	"strconv"
	"testing"
	"testing/quick"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCPUs(t *testing.T) {
	for number, want := range map[float64]string{0.5: "0.5", 1: "1.0", 2: "2.0", 1.5: "1.5", 0.25: "0.25", 10: "10.", 12: "12.0", 20: "20."} {
		assert.Equal(t, want, CPUs(number))
	}
	require.NoError(t, quick.Check(func(tenths uint16) bool {
		number := float64(tenths%990+1) / 10
		read, err := strconv.ParseFloat(CPUs(number), 64)
		return err == nil && read == number
	}, nil))
}
