package operation

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/pgtest"
)

// TestLoweredSettingsNeedAnOrder: what a running server keeps has to go before
// the setting that leaves room for it. The server itself is asked whether it
// would really not start.
func TestLoweredSettingsNeedAnOrder(t *testing.T) {
	high := []string{"max_prepared_transactions=5", "max_replication_slots=5", "wal_level=logical"}
	server := pgtest.Start(t, high...)
	session := server.Connect(t)
	execute := func(statements ...string) {
		for _, statement := range statements {
			_, err := session.Exec(t.Context(), statement)
			require.NoError(t, err, statement)
		}
	}
	lowered := configtest.Stack(t, "dev", map[string]string{"settings": `{"shared_preload_libraries": "pg_stat_statements", "max_replication_slots": 1, "wal_level": "minimal", "max_wal_senders": 0}`})
	refusals := map[string][]string{ // what is refused, and how the server is started to see it for itself
		"settings.max_prepared_transactions: 0: the server keeps 1 prepared transactions (later)": {"max_prepared_transactions=0"},
		"settings.max_replication_slots: 1: the server keeps 2 replication slots (log, phys)":     {"max_replication_slots=1"},
		"settings.wal_level: minimal: the server keeps 1 physical replication slots (phys)":       {"wal_level=replica"}, // the logical one is found first
		"settings.wal_level: minimal: the server keeps 1 logical replication slots (log)":         {"wal_level=minimal", "max_wal_senders=0"},
	}
	require.NoError(t, obstacles(t.Context(), session, lowered), "nothing is kept yet")
	execute("CREATE TABLE kept (x int)", "SELECT pg_create_physical_replication_slot('phys', true)", "SELECT pg_create_logical_replication_slot('log', 'pgoutput')",
		"BEGIN", "INSERT INTO kept VALUES (1)", "PREPARE TRANSACTION 'later'")
	spelt := func(level string) error {
		return obstacles(t.Context(), session, configtest.Stack(t, "dev", map[string]string{
			"settings": `{"shared_preload_libraries": "pg_stat_statements", "max_prepared_transactions": "0x5", "max_wal_senders": 0, "wal_level": "` + level + `"}`}))
	}
	assert.NoError(t, spelt("Logical"), "the case of a word does not matter")
	assert.ErrorContains(t, spelt("MINIMAL"), "settings.wal_level: MINIMAL: the server keeps 1 physical replication slots")
	assert.ErrorContains(t, spelt("archive"), "1 logical replication slots")
	err := obstacles(t.Context(), session, lowered)
	for refusal := range refusals {
		assert.ErrorContains(t, err, refusal)
	}
	require.NoError(t, server.Kill())
	for refusal, settings := range refusals {
		assert.Error(t, server.Start(t.Context(), settings...), "the server starts all the same: %s", refusal)
		require.NoError(t, server.Kill())
	}
	require.NoError(t, server.Start(t.Context()))
	session = server.Connect(t)
	execute("ROLLBACK PREPARED 'later'", "SELECT pg_drop_replication_slot('log')", "SELECT pg_drop_replication_slot('phys')")
	require.NoError(t, obstacles(t.Context(), session, lowered))
	require.NoError(t, server.Kill())
	require.NoError(t, server.Start(t.Context(), "max_prepared_transactions=0", "max_replication_slots=1", "wal_level=minimal", "max_wal_senders=0"))
}
