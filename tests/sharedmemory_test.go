package tests

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/acquire"
	"github.com/witchcityrope/database/internal/catalogue"
	"github.com/witchcityrope/database/internal/pgtest"
)

// ofMajor decodes a small stack of a major version with some settings.
func ofMajor(major int, settings map[string]string) (*config.Stack, error) {
	text, err := json.Marshal(settings)
	if err != nil {
		return nil, err
	}
	return config.Decode(configtest.Project, "dev", map[string]string{
		"database": `{"name": "shop"}`, "settings": string(text), "target": fmt.Sprintf(`{"major": %d}`, major),
		"server": `{"image": "registry.example/postgres@sha256:57c72fd2a128e416c7fcc499958864df5301e940bca0a56f58fddf30ffc07777", "memory": "8GiB", "sharedMemory": "64MiB"}`,
	})
}

// unknown says whether a major version lacks one of the settings.
func unknown(t *testing.T, major int, settings map[string]string) bool {
	known, err := catalogue.For(major)
	require.NoError(t, err)
	for name := range settings {
		if _, is := known.Lookup(name); !is {
			return true
		}
	}
	return false
}

// TestSharedMemoryIsWhatServersTake holds the estimate of what a server sets up at its start to what
// servers say that they have set up: never less, and not half as much again.
func TestSharedMemoryIsWhatServersTake(t *testing.T) {
	for _, major := range []int{14, 16, 18} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			if _, err := acquire.EmbeddedPostgres(t.Context(), pgtest.Releases[major], t.Logf); err != nil {
				t.Skipf("NOT RUN: PostgreSQL %d cannot be had: %v", major, err)
			}
			server := pgtest.New(t, pgtest.Releases[major])
			for _, settings := range []map[string]string{
				{},
				{"shared_buffers": "1GB", "wal_buffers": "64MB", "max_prepared_transactions": "500"},
				{"max_connections": "1000", "max_locks_per_transaction": "1000", "max_pred_locks_per_transaction": "500"},
				{"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.max": "300000", "track_activity_query_size": "100kB"},
				{"max_worker_processes": "1000", "max_wal_senders": "500", "max_replication_slots": "20000"},
				{"min_dynamic_shared_memory": "256MB"},
				{"transaction_buffers": "200MB", "multixact_member_buffers": "100MB", "subtransaction_buffers": "100MB"},
				{"io_max_concurrency": "1024", "io_max_combine_limit": "1MB"},
			} {
				if unknown(t, major, settings) {
					continue
				}
				if settings["shared_buffers"] == "" {
					settings["shared_buffers"] = "128MB"
				}
				stack, err := ofMajor(major, settings)
				require.NoError(t, err)
				var flags []string
				for name, value := range stack.Settings {
					flags = append(flags, name+"="+string(value))
				}
				require.NoError(t, server.Start(t.Context(), flags...))
				var taken config.Size
				require.NoError(t, server.Connect(t).QueryRow(t.Context(), "SELECT sum(allocated_size)::bigint FROM pg_shmem_allocations").Scan(&taken))
				require.NoError(t, server.Kill())
				estimate := stack.SharedMemory()
				assert.GreaterOrEqual(t, estimate.Planned(), taken, "%v: %s, and really %s", settings, estimate.Arithmetic(), taken)
				assert.Less(t, estimate.Planned(), taken*3/2, "%v: %s, and really %s", settings, estimate.Arithmetic(), taken)
			}
		})
	}
}

// TestWhatDecodesStarts: whatever a configuration asks the server to set up, over the whole ranges of the
// settings, the server starts with it, or the configuration is refused.
func TestWhatDecodesStarts(t *testing.T) {
	server := pgtest.Start(t, "shared_preload_libraries=pg_stat_statements")
	require.NoError(t, server.Kill())
	draw := rand.New(rand.NewPCG(3, 16)) //nolint:gosec // it must be repeatable
	names := []string{
		"max_connections", "max_files_per_process", "max_locks_per_transaction", "max_pred_locks_per_transaction", "max_prepared_transactions", "max_replication_slots",
		"max_wal_senders", "max_worker_processes", "autovacuum_max_workers", "min_dynamic_shared_memory", "pg_stat_statements.max", "shared_buffers", "superuser_reserved_connections",
		"track_activity_query_size", "wal_buffers", "wal_decode_buffer_size",
	}
	known, err := catalogue.For(catalogue.DefaultMajor)
	require.NoError(t, err)
	started, refused := 0, 0
	for started < 10 {
		settings := map[string]string{"shared_preload_libraries": "pg_stat_statements"}
		for _, at := range draw.Perm(len(names))[:3] {
			setting, _ := known.Lookup(names[at])
			least, err := strconv.ParseFloat(setting.Min, 64)
			require.NoError(t, err)
			most, err := strconv.ParseFloat(setting.Max, 64)
			require.NoError(t, err)
			least = max(least, 1)
			settings[names[at]] = fmt.Sprintf("%.0f", least*math.Pow(most/least, draw.Float64())) // as many small as large ones
		}
		stack, err := ofMajor(catalogue.DefaultMajor, settings)
		if err != nil {
			refused++
			continue
		}
		started++
		var flags []string
		for name, value := range stack.Settings {
			flags = append(flags, name+"="+string(value))
		}
		assert.NoError(t, server.Start(t.Context(), flags...), "%v", settings)
		require.NoError(t, server.Kill())
	}
	assert.Positive(t, refused, "none was too large")
	t.Logf("%d started, %d refused", started, refused)
}
