package consequence

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestImagesThatDataDoesNotFit(t *testing.T) {
	const digest = "@sha256:57c72fd2a128e416c7fcc499958864df5301e940bca0a56f58fddf30ffc07777"
	for _, test := range []struct{ before, after, says string }{
		{"postgres:16.14-alpine" + digest, "postgres:16.15-alpine" + digest, ""},
		{"postgres:16-alpine", "postgres:17-alpine", "PostgreSQL 17 does not start on data of PostgreSQL 16"},
		{"timescale/timescaledb:2.14-pg16", "timescale/timescaledb:2.14-pg17", "PostgreSQL 17 does not start on data of PostgreSQL 16"},
		{"timescale/timescaledb:2.14.2-pg16", "timescale/timescaledb:2.15.0-pg16", ""},
		{"timescale/timescaledb:14.0-pg16", "timescale/timescaledb:15.0-pg16", ""},
		{"registry:5000/pgvector:pg16" + digest, "registry:5000/pgvector:pg17" + digest, "PostgreSQL 17 does not start on data of PostgreSQL 16"},
		{"postgis/postgis:16-3.4", "postgis/postgis:16-3.5", ""},
		{"postgres:16-alpine", "postgres:16", "another C library"},
		{"postgres:16-alpine3.20", "postgres:16-alpine3.21", ""},
		{"postgres:16-bookworm", "postgres:16-trixie", "another C library"},
		{"postgres:16-bookworm", "postgres:16.15-bookworm", ""},
		{"postgres:16.14", "postgres:16.15", ""},
		{"registry:5000/postgres" + digest, "registry:5000/postgres", ""},
	} {
		reason, forbidding := ofImage(test.before, test.after)
		assert.Contains(t, reason, test.says)
		assert.Equal(t, test.says != "", forbidding, "%s → %s: %s", test.before, test.after, reason)
	}
}
