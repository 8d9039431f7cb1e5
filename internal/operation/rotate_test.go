package operation

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/witchcityrope/database/config/configtest"
)

// TestRootLeft: a previous root secret is left over once no password comes from it, not even
// that of a login which clients move away from.
func TestRootLeft(t *testing.T) {
	const since = `, "root": {"number": 2, "since": {"app": 2, "migrator": 2, "readonly": 2, "monitor": 2, "backup": 2, "health": 2, "superuser": 2}}`
	for _, row := range []struct {
		stack, root string
		generation  int
		left        bool
	}{{"prod", since, 2, false}, {"prod", since, 3, true}, {"prod", `, "root": {"number": 2}`, 3, false}, {"dev", since, 3, false}} {
		stack := configtest.Stack(t, row.stack, map[string]string{"access": fmt.Sprintf(`{"generation": %d%s}`, row.generation, row.root)})
		assert.Equal(t, row.left, (&Operation{Stack: row.stack, config: stack}).rootLeft(), row)
	}
}
