package config

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func decoded(t *testing.T, changed map[string]string) *Stack {
	t.Helper()
	values := minimal()
	for key, value := range changed {
		values[key] = value
	}
	stack, err := Decode(project, "dev", values)
	require.NoError(t, err)
	return stack
}

func TestDefaultsNeedNoNotice(t *testing.T) {
	assert.Empty(t, decoded(t, nil).Notices())
}

func TestNoticesSayWhatIsNotKnown(t *testing.T) {
	stack := decoded(t, map[string]string{
		"settings": `{"shop.tenant": "salem", "shared_preload_libraries": "pg_cron", "logging_collector": true}`,
		"access":   `{"settings": {"app": {"shop.client": "api"}}}`,
	})
	var paths []string
	for _, notice := range stack.Notices() {
		paths = append(paths, notice.Path)
	}
	assert.Equal(t, []string{"settings.shop.tenant", "access.settings.app.shop.client", "settings.shared_preload_libraries", "settings.logging_collector"}, paths)
}

func TestNoticesOfLibraries(t *testing.T) {
	for library, want := range map[string]string{
		"auto_explain": "", "passwordcheck": "", "pgcrypto": "", "isn": "",
		"sepgsql": "sepgsql is only in servers that were built with it; the server does not start unless the image has it",
		"pg_cron": "pg_cron is none of PostgreSQL's own libraries; the server does not start unless the image has it",
	} {
		notices := decoded(t, map[string]string{"settings": `{"shared_preload_libraries": "` + library + `"}`}).Notices()
		if want == "" {
			assert.Empty(t, notices, library)
		} else {
			assert.Equal(t, []Notice{{"settings.shared_preload_libraries", want}}, notices)
		}
	}
	gone := decoded(t, map[string]string{"settings": `{"shared_preload_libraries": "old_snapshot"}`, "server": `{"image": "postgres:17@sha256:57c72fd2a128e416c7fcc499958864df5301e940bca0a56f58fddf30ffc07777"}`})
	assert.Len(t, gone.Notices(), 1, "it went with 17")
}

// TestMemoryIsAddedUp with numbers that are easy to check.
func TestMemoryIsAddedUp(t *testing.T) {
	stack := decoded(t, map[string]string{
		"settings": `{"shared_buffers": "512MB", "maintenance_work_mem": "128MB", "autovacuum_work_mem": "64MB", "autovacuum_max_workers": 2,
			"work_mem": "16MB", "hash_mem_multiplier": 1.5}`,
		"clients": `{"app": {"maxPoolSize": 30}}`,
	})
	budget := stack.Memory()
	const mib = 1 << 20
	assert.EqualValues(t, (512+128+2*64+53*24)*mib, budget.Planned())
	assert.Equal(t, "shared_buffers 512MiB + maintenance_work_mem 128MiB + 2 autovacuum workers × 64MiB + 53 connections × work_mem 16MiB × hash_mem_multiplier 1.5 = 1.992GiB of 2GiB",
		budget.Arithmetic())
	assert.Empty(t, stack.Notices())

	stack = decoded(t, map[string]string{"settings": `{"work_mem": "64MB"}`})
	require.Len(t, stack.Notices(), 1)
	assert.Contains(t, stack.Notices()[0].Text, "43 connections × work_mem 64MiB × hash_mem_multiplier 2 = ")
}

// TestSessionsOfAClientTakeWhatIsTheirs: a login's settings win over the database's.
func TestSessionsOfAClientTakeWhatIsTheirs(t *testing.T) {
	stack := decoded(t, map[string]string{
		"database": `{"name": "shop", "settings": {"work_mem": "8MB"}}`,
		"access":   `{"settings": {"app": {"work_mem": "256MB"}, "migrator": {"maintenance_work_mem": "500MB"}}}`,
	})
	require.Len(t, stack.Notices(), 1)
	arithmetic := stack.Memory().Arithmetic()
	assert.Contains(t, arithmetic, " + maintenance_work_mem 500MiB + ")
	assert.Contains(t, arithmetic, "20 connections × work_mem 256MiB × hash_mem_multiplier 2 + 23 connections × work_mem 8MiB × hash_mem_multiplier 2 = ")
}

func TestTmpfsCountsAgainstMemory(t *testing.T) {
	stack := decoded(t, map[string]string{"storage": `{"type": "tmpfs", "size": "512MiB"}`})
	assert.EqualValues(t, 1536<<20, stack.Memory().Available)
}

func TestMajorIsTheImages(t *testing.T) {
	const digest = "@sha256:57c72fd2a128e416c7fcc499958864df5301e940bca0a56f58fddf30ffc07777"
	for image, major := range map[string]int{
		"postgres:16.14-alpine": 16, "postgres:17": 17, "postgres:18-bookworm": 18, "registry.example:443/library/postgres:14.2": 14,
	} {
		assert.Equal(t, major, decoded(t, map[string]string{"server": `{"image": "` + image + digest + `"}`}).Major(), image)
	}
	for _, image := range []string{"shop/postgres", "registry.example:443/postgres", "shop/postgres:latest", "shop/postgres:pg16"} {
		stack := decoded(t, map[string]string{"server": `{"image": "` + image + digest + `"}`, "target": `{"major": 15}`})
		assert.Equal(t, 15, stack.Major(), image)
	}
	assert.Equal(t, 16, decoded(t, map[string]string{"target": `{"type": "external", "host": "db.example.org"}`}).Major())
}

// TestDurabilityIsAQuestionOfTheStorage: off only where the data may be lost.
func TestDurabilityIsAQuestionOfTheStorage(t *testing.T) {
	values := minimal()
	values["settings"] = `{"fsync": "of", "synchronous_commit": "0"}`
	for storage, refused := range map[string]bool{`{}`: true, `{"disposable": true}`: false, `{"type": "tmpfs"}`: false} {
		values["storage"] = storage
		_, err := Decode(project, "dev", values)
		assert.Equal(t, refused, err != nil, storage)
	}
}
