package dockerengine_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/witchcityrope/database/internal/dockerengine"
)

func TestMissingLabel(t *testing.T) {
	labels := dockerengine.LabelsOf("shop", "dev")
	assert.Empty(t, labels.Missing(map[string]string{"wcrdb.project": "shop", "wcrdb.stack": "dev", "more": "of it"}))
	assert.Equal(t, "wcrdb.stack", labels.Missing(map[string]string{"wcrdb.project": "shop", "wcrdb.stack": "test"}))
	assert.Equal(t, "wcrdb.project", labels.Missing(nil))
	assert.Equal(t, "empty", dockerengine.Labels{"empty": ""}.Missing(nil), "not there")
	assert.Empty(t, dockerengine.Labels{}.Missing(nil))
}
