package health_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/health"
)

const day = 24 * time.Hour

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// stack has the default limits, and more that is judged.
func stack(t *testing.T) *config.Stack {
	t.Helper()
	decoded, err := config.Decode("shop", "dev", map[string]string{
		"database": `{"name": "shop"}`, "rootSecretFrom": "local", "health": `{"tables": ["Users", "Events"], "lastMigration": "2_Second"}`,
	})
	require.NoError(t, err)
	return decoded
}

// wellMeasured is a database of which there is nothing to say.
func wellMeasured() health.Measured {
	return health.Measured{
		At:          now,
		Container:   &health.Container{Exists: true, Running: true, Health: "healthy", StartedAt: now.Add(-day)},
		Server:      health.Server{Address: "127.0.0.1:5433", Version: "16.14", Started: now.Add(-day)},
		Application: health.Application{Login: "shop_app_1", From: "at db on network shop-dev", TLS: true},
		Database: &health.Database{
			Tables:         map[string]health.Table{"Users": {Where: "auth.Users", Readable: true}, "Events": {Where: "public.Events", Readable: true}},
			Applied:        []string{"1_First", "2_Second"},
			MaxConnections: 100, SuperuserReserved: 3,
			BlocksHit: 990_000, BlocksRead: 10_000, FilesRead: true,
			Oldest: health.Age{Database: "shop", Transactions: 1000},
		},
		Disk:        health.Disk{Total: 100 << 30, Free: 50 << 30},
		Certificate: &health.Certificate{NotAfter: now.Add(300 * day), CANotAfter: now.Add(3000 * day)},
		Backup:      &health.Backup{ID: "20260301T020000Z-shop", At: now.Add(-10 * time.Hour), Warning: 26 * time.Hour, Critical: 50 * time.Hour},
		Drill:       &health.Drill{Good: now.Add(-10 * day), MaxAge: 30 * day},
	}
}

func TestHealthy(t *testing.T) {
	result := health.Judge(stack(t), wellMeasured())
	assert.Equal(t, health.Healthy, result.Status)
	for _, finding := range result.Findings {
		assert.Equal(t, health.Healthy, finding.Status, "%+v", finding)
		assert.NotEmpty(t, finding.Value)
		assert.Empty(t, finding.Remedy, "nothing is to be done")
	}
}

// TestJudgements holds each check to its limits: on both sides of each.
func TestJudgements(t *testing.T) {
	const healthy, warning, critical, notDeclared = health.Healthy, health.Warning, health.Critical, health.NotDeclared
	for _, test := range []struct {
		check  string
		name   string
		change func(*health.Measured)
		status health.Status
		says   string
	}{
		{"container", "none", func(m *health.Measured) { m.Container = &health.Container{} }, critical, "there is no container shop-dev"},
		{"container", "stopped", func(m *health.Measured) { m.Container.Running, m.Container.ExitCode = false, 137 }, critical, "stopped, exit status 137"},
		{"container", "out of memory", func(m *health.Measured) { m.Container.Running, m.Container.OutOfMemory = false, true }, critical, "killed for want of memory"},
		{"container", "a process out of memory", func(m *health.Measured) { m.Container.OutOfMemory = true }, warning, "one of its processes"},
		{"container", "paused", func(m *health.Measured) { m.Container.Paused = true }, critical, "paused"},
		{"container", "restarting", func(m *health.Measured) { m.Container.Restarting, m.Container.Restarts = true, 7 }, critical, "7 times"},
		{"container", "unhealthy", func(m *health.Measured) { m.Container.Health, m.Container.Said = "unhealthy", "no password" }, critical, "fails: no password"},
		{"container", "first initialisation", func(m *health.Measured) { m.Container.Health = "starting" }, warning, "not passed yet"},
		{"container", "no check", func(m *health.Measured) { m.Container.Health = "" }, warning, "without a health check"},
		{"container", "just restarted", func(m *health.Measured) { m.Container.Restarts, m.Container.StartedAt = 2, now.Add(-10*time.Minute+1) }, warning, "restart it 2 times"},
		{"container", "restarted a while ago", func(m *health.Measured) { m.Container.Restarts, m.Container.StartedAt = 2, now.Add(-10*time.Minute) }, healthy, "since 10 minutes"},
		{"container", "of somebody else", func(m *health.Measured) { m.Container = nil }, notDeclared, "not this stack's"},

		{"server", "silent", func(m *health.Measured) { m.Server.Fault = "connection refused" }, critical, "connection refused"},
		{"application", "shut out", func(m *health.Measured) { m.Application.Fault = "password authentication failed" }, critical, "shop_app_1 cannot log in at db on network shop-dev: password"},
		{"application", "without TLS", func(m *health.Measured) { m.Application.TLS = false }, healthy, "without TLS"},

		{"writable", "standby", func(m *health.Measured) { m.Database.InRecovery = true }, critical, "in recovery"},
		{"writable", "read-only", func(m *health.Measured) { m.Application.ReadOnly = true }, critical, "read-only"},

		{"tables", "missing", func(m *health.Measured) { delete(m.Database.Tables, "Events") }, critical, "1 of 2 are missing: Events"},
		{"tables", "hidden", func(m *health.Measured) { m.Database.Tables["Users"] = health.Table{Where: "auth.Users"} }, critical, "cannot read Users"},

		{"migrations", "pending", func(m *health.Measured) { m.Database.Applied = m.Database.Applied[:1] }, critical, "2_Second is pending; the last that was applied is 1_First"},
		{"migrations", "none applied", func(m *health.Measured) { m.Database.Applied = nil }, critical, "2_Second is pending; the last that was applied is nothing"},
		{"migrations", "pending by a script", func(m *health.Measured) { m.Database.Compared, m.Database.Pending = true, []string{"3_Third"} }, critical, "1 are pending: 3_Third"},
		{"migrations", "of another branch", func(m *health.Measured) { m.Database.Compared, m.Database.Unknown = true, []string{"2_Second"} }, warning, "1 are applied that the script does not know, the last is 2_Second"},
		{"migrations", "ahead", func(m *health.Measured) { m.Database.Applied = append(m.Database.Applied, "3_Third") }, healthy, "3 applied, the last is 3_Third"},

		{"connections", "79 % of the server's", func(m *health.Measured) { m.Database.Sessions = []health.Sessions{{Login: "x", Count: 77}} }, healthy, "77 of 97, the application 0 of its 20"},
		{"connections", "80 %", func(m *health.Measured) { m.Database.Sessions = []health.Sessions{{Login: "x", Count: 78}} }, warning, "78 of 97"},
		{"connections", "79 % of what is not reserved", func(m *health.Measured) {
			m.Database.Reserved, m.Database.Sessions = 17, []health.Sessions{{Login: "x", Count: 40}, {Login: "shop_backup", Count: 23}}
		}, healthy, "63 of 80"},
		{"connections", "95 % of what is not reserved", func(m *health.Measured) {
			m.Database.Reserved, m.Database.Sessions = 17, []health.Sessions{{Login: "x", Count: 53}, {Login: "shop_backup", Count: 23}}
		}, critical, "76 of 80"},
		{"connections", "60 % of a reader's share", func(m *health.Measured) { m.Database.Sessions = []health.Sessions{{Login: "shop_readonly", Count: 3}} }, healthy, "3 of 97, the application 0 of its 20"},
		{"connections", "all of a reader's share", func(m *health.Measured) { m.Database.Sessions = []health.Sessions{{Login: "shop_readonly", Count: 5}} }, warning, "readonly 5 of its 5"},
		{"connections", "all of the migrator's share, by both logins", func(m *health.Measured) {
			m.Database.Sessions = []health.Sessions{{Login: "shop_migrator_0", Count: 2}, {Login: "shop_migrator", Count: 3}}
		}, warning, "migrator 5 of its 5"},
		{"connections", "all of a backup's share", func(m *health.Measured) { m.Database.Sessions = []health.Sessions{{Login: "shop_backup", Count: 3}} }, healthy, "3 of 97"},
		{"connections", "94 %", func(m *health.Measured) {
			m.Database.Sessions = []health.Sessions{{Login: "x", Count: 50}, {Login: "y", Count: 42}}
		}, warning, "92 of 97"},
		{"connections", "95 %", func(m *health.Measured) { m.Database.Sessions = []health.Sessions{{Login: "x", Count: 93}} }, critical, "93 of 97"},
		{"connections", "75 % of the application's share", func(m *health.Measured) { m.Database.Sessions = []health.Sessions{{Login: "shop_app_1", Count: 15}} }, healthy, "the application 15 of its 20"},
		{"connections", "80 % of the share, by both logins", func(m *health.Measured) {
			m.Database.Sessions = []health.Sessions{{Login: "shop_app_0", Count: 1}, {Login: "shop_app_1", Count: 15}}
		}, warning, "the application 16 of its 20"},
		{"connections", "95 % of the share", func(m *health.Measured) { m.Database.Sessions = []health.Sessions{{Login: "shop_app_1", Count: 19}} }, critical, "19 of its 20"},

		{"cache", "95 %", func(m *health.Measured) { m.Database.BlocksHit, m.Database.BlocksRead = 950_000, 50_000 }, healthy, "95.0 % of 1000000 blocks"},
		{"cache", "less", func(m *health.Measured) { m.Database.BlocksHit, m.Database.BlocksRead = 949_999, 50_001 }, warning, "95.0 % of 1000000 blocks"},
		{"cache", "too few samples", func(m *health.Measured) { m.Database.BlocksHit, m.Database.BlocksRead = 1, 99_998 }, healthy, "only 99999 blocks were read, too few to tell"},
		{"cache", "just enough samples", func(m *health.Measured) { m.Database.BlocksHit, m.Database.BlocksRead = 1, 99_999 }, warning, "0.0 %"},

		{"transactions", "short", open(5*time.Minute - 1), healthy, "open for 5m0s: shop_app_1, process 7, idle in transaction"},
		{"transactions", "long", open(5 * time.Minute), warning, "5m0s"},
		{"transactions", "not quite an hour", open(time.Hour - 1), warning, "1h0m0s"},
		{"transactions", "an hour", open(time.Hour), critical, "1h0m0s"},
		{"transactions", "prepared", func(m *health.Measured) {
			m.Database.Transaction = &health.Transaction{Login: "shop_app_1", Prepared: "two-phase", Age: 2 * time.Hour}
		}, critical, "is prepared for 2h0m0s and not committed: two-phase"},

		{"locks", "short", wait(10*time.Second - 1), healthy, "2 wait"},
		{"locks", "10 s", wait(10 * time.Second), warning, "in its way is process 9"},
		{"locks", "not quite 5 min", wait(5*time.Minute - 1), warning, "5m0s"},
		{"locks", "5 min", wait(5 * time.Minute), critical, "5m0s"},

		{"wraparound", "young", aged(499_999_999, 0), healthy, "499,999,999"},
		{"wraparound", "old", aged(500_000_000, 0), warning, "500,000,000"},
		{"wraparound", "not quite too old", aged(1_499_999_999, 0), warning, "1,499,999,999"},
		{"wraparound", "too old", aged(1_500_000_000, 0), critical, "1,500,000,000"},
		{"wraparound", "multixacts", aged(5, 600_000_000), warning, "its multixacts 600,000,000"},

		{"dead rows", "19.99 %", dead(40_010, 10_000), healthy, "20 % of public.orders"},
		{"dead rows", "20 %", dead(40_000, 10_000), warning, "20 % of public.orders are dead: 10,000 rows"},
		{"dead rows", "49.99 %", dead(10_002, 10_000), warning, "50 % of public.orders"},
		{"dead rows", "50 %", dead(10_000, 10_000), critical, "50 % of public.orders"},
		{"dead rows", "too few to count", dead(0, 9_999), healthy, "no table has many"},
		{"dead rows", "the worst of two", func(m *health.Measured) {
			m.Database.Dead = []health.DeadRows{{Table: "public.a", Live: 30_000, Dead: 10_000}, {Table: "public.b", Live: 10_000, Dead: 20_000}}
		}, critical, "public.b"},

		{"replication", "a slot at work", slot(1<<30-1, true, "reserved"), healthy, "1 slots"},
		{"replication", "1 GiB", slot(1<<30, true, "extended"), warning, "slot standby keeps 1GiB"},
		{"replication", "not quite 4 GiB", slot(4<<30-1, false, "extended"), warning, "and nobody reads it"},
		{"replication", "4 GiB", slot(4<<30, false, "unreserved"), critical, "4GiB"},
		{"replication", "lost", slot(0, false, "lost"), critical, "has lost what its consumer needs"},
		{"replication", "archiving fails", func(m *health.Measured) { m.Database.ArchiveFailing = "000000010000000000000007" }, critical, "000000010000000000000007 failed last"},

		{"integrity", "checksums", func(m *health.Measured) { m.Database.ChecksumFailures = 1 }, critical, "1 pages did not match"},
		{"integrity", "invalid index", func(m *health.Measured) { m.Database.InvalidIndexes = []string{"idx"} }, warning, "invalid indexes: idx"},

		{"settings", "pending", func(m *health.Measured) { m.Database.PendingRestart = []string{"shared_buffers"} }, warning, "shared_buffers"},
		{"settings", "files not to be read", func(m *health.Measured) { m.Database.FilesRead = false }, healthy, "for superusers"},
		{"settings", "pending, files not to be read", func(m *health.Measured) {
			m.Database.FilesRead, m.Database.PendingRestart = false, []string{"shared_buffers"}
		}, warning, "shared_buffers"},
		{"settings", "wrong line", func(m *health.Measured) { m.Database.FileFaults = []string{"pg_hba.conf line 7: invalid"} }, warning, "line 7"},

		{"disk", "15 % free", free(15 << 30), healthy, "15 % free: 15GiB of 100GiB"},
		{"disk", "less", free(15<<30 - 1), warning, "15 % free"},
		{"disk", "5 % free", free(5 << 30), warning, "5 % free"},
		{"disk", "less than that", free(5<<30 - 1), critical, "5 % free"},
		{"disk", "no container to ask", func(m *health.Measured) { m.Disk = health.Disk{} }, health.NotMeasured, "needs a running container"},

		{"certificate", "30 days left", ends(30 * day), healthy, "expires in 4 weeks"},
		{"certificate", "less", ends(30*day - 1), warning, "expires in 4 weeks"},
		{"certificate", "a quarter of that", ends(180 * time.Hour), warning, "expires in 7 days"},
		{"certificate", "less than a quarter", ends(180*time.Hour - 1), critical, "expires in 7 days"},
		{"certificate", "over", ends(-3 * time.Hour), critical, "expired 3 hours ago"},
		{"certificate", "of somebody else", func(m *health.Measured) { m.Certificate.Fault = "unknown authority" }, critical, "is not verified: unknown authority"},
		{"certificate", "CA soon over", func(m *health.Measured) { m.Certificate.CANotAfter = now.Add(400*day - 1) }, warning, "its CA expires in"},
		{"certificate", "CA not yet", func(m *health.Measured) { m.Certificate.CANotAfter = now.Add(400 * day) }, healthy, "expires in"},
		{"certificate", "CA not known here", func(m *health.Measured) { m.Certificate.CANotAfter = time.Time{} }, healthy, "expires in"},
		{"certificate", "no TLS", func(m *health.Measured) { m.Certificate = nil }, critical, "speaks no TLS"},

		{"backup", "none declared", func(m *health.Measured) { m.Backup = nil }, notDeclared, "no backup is declared"},
		{"backup", "none made", func(m *health.Measured) { m.Backup.None = true }, critical, "there is none that is complete"},
		{"backup", "young enough", backup(26*time.Hour - 1), healthy, "20260301T020000Z-shop"},
		{"backup", "late", backup(26 * time.Hour), warning, "26 hours old"},
		{"backup", "not quite too late", backup(50*time.Hour - 1), warning, "2 days old"},
		{"backup", "too late", backup(50 * time.Hour), critical, "2 days old"},
		{"backup", "from the future", backup(-time.Hour), warning, "ahead"},

		{"drill", "none declared", func(m *health.Measured) { m.Drill = nil }, notDeclared, "no drill is declared"},
		{"drill", "none made", func(m *health.Measured) { m.Drill.None = true }, warning, "there was none"},
		{"drill", "30 days ago", func(m *health.Measured) { m.Drill.Good = now.Add(-30 * day) }, healthy, "4 weeks ago"},
		{"drill", "longer ago", func(m *health.Measured) { m.Drill.Good = now.Add(-30*day - 1) }, warning, "4 weeks ago"},
		{"drill", "failed", func(m *health.Measured) { m.Drill.Failed = "flipped byte" }, critical, "the last one failed: flipped byte"},
	} {
		t.Run(test.check+"/"+test.name, func(t *testing.T) {
			measured := wellMeasured()
			test.change(&measured)
			result := health.Judge(stack(t), measured)
			found := find(t, result, test.check)
			assert.Equal(t, test.status, found.Status, "%+v", found)
			assert.Contains(t, found.Value, test.says)
			if test.status == warning || test.status == critical {
				assert.NotEmpty(t, found.Remedy)
				assert.Contains(t, []health.Status{warning, critical}, result.Status)
				assert.False(t, test.status == critical && result.Status == warning, "the worst counts")
			} else {
				assert.Empty(t, found.Remedy)
				assert.Equal(t, healthy, result.Status)
			}
		})
	}
}

func TestWhatCannotBeLookedAtIsCritical(t *testing.T) {
	measured := wellMeasured()
	measured.Faults = map[string]string{"cache": "canceling statement due to statement timeout"}
	result := health.Judge(stack(t), measured)
	assert.Equal(t, health.Critical, result.Status)
	assert.Equal(t, "could not be looked at: canceling statement due to statement timeout", find(t, result, "cache").Value)
}

func TestWithoutASessionTheServerIsToBlame(t *testing.T) {
	measured := wellMeasured()
	measured.Server, measured.Database, measured.Certificate = health.Server{Fault: "refused"}, nil, nil
	result := health.Judge(stack(t), measured)
	assert.Equal(t, health.Critical, result.Status)
	for _, check := range []string{"writable", "tables", "migrations", "connections", "cache", "transactions", "locks", "wraparound", "dead rows", "replication", "integrity", "settings", "certificate"} {
		assert.Equal(t, health.NotMeasured, find(t, result, check).Status, check)
	}
	assert.Equal(t, health.Healthy, find(t, result, "disk").Status)
}

func TestNothingDeclared(t *testing.T) {
	bare, err := config.Decode("shop", "test", map[string]string{
		"database": `{"name": "shop"}`, "rootSecretFrom": "local", "tls": `{"enabled": false}`,
	})
	require.NoError(t, err)
	measured := wellMeasured()
	measured.Certificate = nil
	result := health.Judge(bare, measured)
	assert.Equal(t, health.Healthy, result.Status)
	assert.Equal(t, health.NotDeclared, find(t, result, "tables").Status)
	assert.Equal(t, health.NotDeclared, find(t, result, "certificate").Status)
	assert.Contains(t, find(t, result, "migrations").Value, "neither --sql nor health.lastMigration")
	measured.Database.Compared = true
	assert.Equal(t, health.Healthy, find(t, health.Judge(bare, measured), "migrations").Status)
}

// TestMigrationsThatMigrateWasGivenLast count where nothing else says what must be applied.
func TestMigrationsThatMigrateWasGivenLast(t *testing.T) {
	bare, err := config.Decode("shop", "test", map[string]string{"database": `{"name": "shop"}`, "rootSecretFrom": "local"})
	require.NoError(t, err)
	measured := wellMeasured()
	measured.Remembered = &health.Remembered{Migration: "3_Third", Script: "next.sql", At: now}
	found := find(t, health.Judge(bare, measured), "migrations")
	assert.Equal(t, health.Critical, found.Status)
	assert.Equal(t, "3_Third is pending; the last that was applied is 2_Second", found.Value)
	assert.Equal(t, "3_Third, by next.sql, which wcrdb migrate was given on this machine at 2026-03-01T12:00:00Z", found.Threshold)
	assert.Contains(t, found.Remedy, "wcrdb migrate -s test --sql FILE")
	measured.Database.Applied = append(measured.Database.Applied, "3_Third")
	assert.Equal(t, health.Healthy, find(t, health.Judge(bare, measured), "migrations").Status)

	measured = wellMeasured()
	measured.Remembered = &health.Remembered{Migration: "3_Third"}
	found = find(t, health.Judge(stack(t), measured), "migrations")
	assert.Equal(t, health.Healthy, found.Status, "the stack file says what must be applied")
	assert.Equal(t, "2_Second, by health.lastMigration", found.Threshold)
	measured.Database.Compared = true
	assert.Equal(t, health.Healthy, find(t, health.Judge(bare, measured), "migrations").Status, "a script says it")
}

func TestUnjudgedIsCritical(t *testing.T) {
	result := health.Unjudged("dev", now, errors.New("no such stack"))
	assert.Equal(t, health.Critical, result.Status)
	assert.Equal(t, "no such stack", result.Failure)
	assert.NotNil(t, result.Findings)
}

func find(t *testing.T, result health.Result, check string) health.Finding {
	t.Helper()
	for _, finding := range result.Findings {
		if finding.Check == check {
			return finding
		}
	}
	require.Fail(t, "no such check", check)
	return health.Finding{}
}

func open(age time.Duration) func(*health.Measured) {
	return func(m *health.Measured) {
		m.Database.Transaction = &health.Transaction{PID: 7, Login: "shop_app_1", State: "idle in transaction", Age: age}
	}
}

func wait(length time.Duration) func(*health.Measured) {
	return func(m *health.Measured) {
		m.Database.Waiting, m.Database.Longest = 2, health.Wait{PID: 8, For: length, Blocker: "process 9 (shop_migrator, idle in transaction)"}
	}
}

func aged(transactions, multixacts int64) func(*health.Measured) {
	return func(m *health.Measured) {
		m.Database.Oldest.Transactions, m.Database.Oldest.Multixacts = transactions, multixacts
	}
}

func dead(live, dead int64) func(*health.Measured) {
	return func(m *health.Measured) {
		m.Database.Dead = []health.DeadRows{{Table: "public.orders", Live: live, Dead: dead}}
	}
}

func slot(retained int64, active bool, status string) func(*health.Measured) {
	return func(m *health.Measured) {
		m.Database.Slots = []health.Slot{{Name: "standby", Active: active, Retained: retained, Status: status}}
	}
}

func free(bytes int64) func(*health.Measured) {
	return func(m *health.Measured) { m.Disk.Free = bytes }
}

func ends(left time.Duration) func(*health.Measured) {
	return func(m *health.Measured) { m.Certificate.NotAfter = now.Add(left) }
}

func backup(age time.Duration) func(*health.Measured) {
	return func(m *health.Measured) { m.Backup.At = now.Add(-age) }
}
