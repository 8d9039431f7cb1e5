package health

import (
	"fmt"
	"slices"
	"strings"
	"time"

	units "github.com/docker/go-units"

	"github.com/witchcityrope/database/config"
)

func judgeWritable(_ *config.Stack, m Measured) verdict {
	switch {
	case m.Database.InRecovery:
		return critical("the server is in recovery: nobody can write", "a standby has to be promoted, a recovery to be waited for")
	case m.Application.ReadOnly:
		return critical("the application's transactions are read-only", "take default_transaction_read_only out of settings, database.settings and access.settings.app, or wherever it was set by hand")
	}
	return healthy("yes")
}

func judgeTables(stack *config.Stack, m Measured) verdict {
	if len(stack.Health.Tables) == 0 {
		return notDeclared("health.tables is empty")
	}
	var missing, hidden []string
	for _, name := range stack.Health.Tables {
		table, there := m.Database.Tables[name]
		switch {
		case !there:
			missing = append(missing, name)
		case !table.Readable:
			hidden = append(hidden, name)
		}
	}
	found := healthy("%d of %[1]d are there, and the application can read them", len(stack.Health.Tables))
	switch {
	case len(missing) > 0:
		found = critical(fmt.Sprintf("%d of %d are missing: %s", len(missing), len(stack.Health.Tables), strings.Join(missing, ", ")),
			runMigrations(stack))
	case len(hidden) > 0:
		found = critical("the application cannot read "+strings.Join(hidden, ", "), "wcrdb access verify -s "+stack.Name+" says why")
	}
	found.threshold = "all"
	return found
}

// judgeMigrations holds the history against a script, against what the stack
// says, or, where neither is given, against what migrate was given last.
func judgeMigrations(stack *config.Stack, m Measured) verdict {
	d := m.Database
	last := "nothing"
	if len(d.Applied) > 0 {
		last = d.Applied[len(d.Applied)-1]
	}
	expected, by := stack.Health.LastMigration, "health.lastMigration"
	if remembered := m.Remembered; expected == "" && !d.Compared && remembered != nil {
		expected, by = remembered.Migration, fmt.Sprintf("%s, which wcrdb migrate was given on this machine at %s", remembered.Script, remembered.At.Format(time.RFC3339))
	}
	remedy := runMigrations(stack)
	var found verdict
	switch {
	case d.Compared && len(d.Pending) > 0:
		found = critical(fmt.Sprintf("%d are pending: %s", len(d.Pending), strings.Join(d.Pending, ", ")), remedy)
	case expected != "" && !slices.Contains(d.Applied, expected):
		found = critical(fmt.Sprintf("%s is pending; the last that was applied is %s", expected, last), remedy)
	case len(d.Unknown) > 0:
		found = warning(fmt.Sprintf("%d are applied that the script does not know, the last is %s", len(d.Unknown), d.Unknown[len(d.Unknown)-1]),
			"is the script of an older version of the API, or of another branch? Make it from the one that runs")
	case d.Compared || expected != "":
		found = healthy("%d applied, the last is %s; none is pending", len(d.Applied), last)
	case len(d.Applied) > 0:
		return notDeclared(fmt.Sprintf("%d applied, the last is %s; neither --sql nor health.lastMigration says what should be, and wcrdb migrate was not run on this machine", len(d.Applied), last))
	default:
		return notDeclared("none was applied")
	}
	switch {
	case d.Compared && expected == "":
		found.threshold = "all of --sql"
	case d.Compared:
		found.threshold = "all of --sql, and " + by
	default:
		found.threshold = expected + ", by " + by
	}
	return found
}

func runMigrations(stack *config.Stack) string {
	return "run the migrations: wcrdb migrate -s " + stack.Name + " --sql FILE"
}

// judgeConnections counts all sessions against what the server gives to those
// who may not use reserved connections: it refuses them by how many are free,
// whoever has the others. Of the clients, only the application cannot go on
// without another connection; backups and the health check take all of theirs.
func judgeConnections(stack *config.Stack, m Measured) verdict {
	d, limits := m.Database, stack.Health.Connections
	all, held := 0, map[string]int{}
	for _, sessions := range d.Sessions {
		all += sessions.Count
		held[sessions.Login] += sessions.Count
	}
	available := d.MaxConnections - d.SuperuserReserved - d.Reserved
	found := verdict{
		value:     fmt.Sprintf("%d of %d", all, available),
		threshold: fmt.Sprintf("warning from %d %%, critical from %d %%", limits.Warning, limits.Critical),
		remedy:    "wcrdb report activity shows who has them; close what is idle, or raise the client's maxPoolSize (clients) and settings.max_connections",
	}
	judged := func(part, whole int) Status {
		return against(percentOf(part, whole), float64(limits.Warning), float64(limits.Critical))
	}
	found.status = judged(all, available)
	for _, holder := range stack.Budget().Holders {
		used := 0
		for _, login := range stack.Access.Names().Logins(holder.Client) {
			used += held[login]
		}
		status := judged(used, holder.Connections)
		switch holder.Client {
		case "app":
			found.value += fmt.Sprintf(", the application %d of its %d", used, holder.Connections)
		case "migrator", "readonly", "monitor":
			if holder.Connections == 1 || status == Healthy {
				continue // whoever has one and uses it is well
			}
			status = Warning
			found.value += fmt.Sprintf(", %s %d of its %d", holder.Client, used, holder.Connections)
		default:
			continue
		}
		if worse(status, found.status) {
			found.status = status
		}
	}
	return found.unless(Healthy)
}

func percentOf(part, whole int) float64 { return float64(part) * 100 / float64(max(whole, 1)) }

func judgeCache(stack *config.Stack, m Measured) verdict {
	d, limit := m.Database, stack.Health.Cache
	read := d.BlocksHit + d.BlocksRead
	found := verdict{status: Healthy, threshold: fmt.Sprintf("warning below %d %%", limit.Ratio)}
	if read < int64(limit.Samples) {
		found.value = fmt.Sprintf("only %d blocks were read, too few to tell; %d are enough", read, limit.Samples)
		return found
	}
	ratio := float64(d.BlocksHit) * 100 / float64(read)
	found.value = fmt.Sprintf("%.1f %% of %d blocks were in memory", ratio, read)
	if ratio < float64(limit.Ratio) {
		found.status = Warning
		found.remedy = "wcrdb report cache shows which tables; wcrdb report slow, which statements: an index may be missing, or settings.shared_buffers be too small"
	}
	return found
}

func judgeTransactions(stack *config.Stack, m Measured) verdict {
	limits, longest := stack.Health.Transaction, m.Database.Transaction
	found := verdict{status: Healthy, value: "none is open", threshold: durations(limits)}
	if longest == nil {
		return found
	}
	found.status = against(longest.Age, time.Duration(limits.Warning), time.Duration(limits.Critical))
	found.value = fmt.Sprintf("the longest is open for %s: %s, process %d, %s", rounded(longest.Age), longest.Login, longest.PID, longest.State)
	found.remedy = fmt.Sprintf("it keeps deleted rows, and maybe locks: end it in the application, or SELECT pg_terminate_backend(%d)", longest.PID)
	if longest.Prepared != "" {
		found.value = fmt.Sprintf("the longest is prepared for %s and not committed: %s of %s", rounded(longest.Age), longest.Prepared, longest.Login)
		found.remedy = "COMMIT PREPARED or ROLLBACK PREPARED, with that name"
	}
	return found.unless(Healthy)
}

func judgeLocks(stack *config.Stack, m Measured) verdict {
	d, limits := m.Database, stack.Health.Waiting
	found := verdict{status: Healthy, value: "nobody waits", threshold: durations(limits)}
	if d.Waiting == 0 {
		return found
	}
	found.status = against(d.Longest.For, time.Duration(limits.Warning), time.Duration(limits.Critical))
	found.value = fmt.Sprintf("%d wait, the longest (process %d) for %s; in its way is %s", d.Waiting, d.Longest.PID, rounded(d.Longest.For), d.Longest.Blocker)
	found.remedy = "wcrdb report locks shows who waits for whom; end the transaction that is in the way"
	return found.unless(Healthy)
}

func judgeWraparound(stack *config.Stack, m Measured) verdict {
	limits, oldest := stack.Health.Wraparound, m.Database.Oldest
	age := max(oldest.Transactions, oldest.Multixacts)
	return verdict{
		status:    against(age, int64(limits.Warning), int64(limits.Critical)),
		value:     fmt.Sprintf("%s is %s transactions old, its multixacts %s", oldest.Database, count(oldest.Transactions), count(oldest.Multixacts)),
		threshold: fmt.Sprintf("warning from %s, critical from %s", count(int64(limits.Warning)), count(int64(limits.Critical))),
		remedy: fmt.Sprintf("end old transactions, drop old replication slots, then as superuser in %s: VACUUM (FREEZE); see why autovacuum does not keep up",
			oldest.Database),
	}.unless(Healthy)
}

func judgeDeadRows(stack *config.Stack, m Measured) verdict {
	limits := stack.Health.DeadRows
	found := verdict{
		status: Healthy, value: "no table has many",
		threshold: fmt.Sprintf("warning from %d %%, critical from %d %%, of %d rows or more", limits.Warning, limits.Critical, limits.AtLeast),
	}
	most := -1.0
	for _, table := range m.Database.Dead {
		percent := float64(table.Dead) * 100 / float64(max(table.Live+table.Dead, 1))
		if table.Dead < int64(limits.AtLeast) || percent <= most {
			continue
		}
		most = percent
		found.status = against(percent, float64(limits.Warning), float64(limits.Critical))
		found.value = fmt.Sprintf("%.0f %% of %s are dead: %s rows", percent, table.Table, count(table.Dead))
		found.remedy = "VACUUM " + table.Table + "; if that does not help, wcrdb report activity shows a transaction, and pg_replication_slots a slot, that still needs them"
	}
	return found.unless(Healthy)
}

// judgeReplication assumes none: what is there is looked at.
func judgeReplication(stack *config.Stack, m Measured) verdict {
	d, limits := m.Database, stack.Health.Retained
	if d.ArchiveFailing != "" {
		return critical("the write-ahead log cannot be archived: "+d.ArchiveFailing+" failed last", "it piles up until the disk is full: see the server's log for what archive_command said")
	}
	if len(d.Slots) == 0 {
		return healthy("no replication slots; %d standbys", d.Standbys)
	}
	worst := verdict{status: Healthy, value: fmt.Sprintf("%d slots, %d standbys", len(d.Slots), d.Standbys)}
	for _, slot := range d.Slots {
		found := verdict{
			status: against(config.Size(slot.Retained), limits.Warning, limits.Critical),
			value:  fmt.Sprintf("slot %s keeps %s of the write-ahead log", slot.Name, units.BytesSize(float64(slot.Retained))),
			remedy: fmt.Sprintf("see why its consumer does not read, or drop it: SELECT pg_drop_replication_slot('%s')", strings.ReplaceAll(slot.Name, "'", "''")),
		}
		if !slot.Active {
			found.value += ", and nobody reads it"
		}
		if slot.Status == "lost" {
			found.status, found.value = Critical, "slot "+slot.Name+" has lost what its consumer needs"
		}
		if worse(found.status, worst.status) {
			worst = found
		}
	}
	worst.threshold = fmt.Sprintf("warning from %s, critical from %s", limits.Warning, limits.Critical)
	return worst
}

func judgeIntegrity(_ *config.Stack, m Measured) verdict {
	d := m.Database
	switch {
	case d.ChecksumFailures > 0:
		return critical(fmt.Sprintf("%d pages did not match their checksums", d.ChecksumFailures), "the disk or memory is failing: make a backup now, keep the old ones, and restore on other hardware")
	case len(d.InvalidIndexes) > 0:
		return warning("invalid indexes: "+strings.Join(d.InvalidIndexes, ", "), "their building failed: REINDEX INDEX CONCURRENTLY each, or drop it")
	}
	return healthy("no checksum failed, no index is invalid")
}

func judgeSettings(stack *config.Stack, m Measured) verdict {
	d := m.Database
	switch {
	case len(d.FileFaults) > 0:
		return warning("the server cannot take "+strings.Join(d.FileFaults, "; "), "it goes on with what it had, and may not start again: wcrdb up -s "+stack.Name+" puts right what it declares")
	case len(d.PendingRestart) > 0:
		return warning("changed, and not in effect before a restart: "+strings.Join(d.PendingRestart, ", "),
			fmt.Sprintf("wcrdb preview -s %s --refresh shows whether that is declared; restart the server at a quiet time", stack.Name))
	}
	if !d.FilesRead {
		return healthy("none waits for a restart; the server's files are for superusers to read")
	}
	return healthy("all are in effect")
}

func durations(limits config.DurationLimits) string {
	return fmt.Sprintf("warning from %s, critical from %s", limits.Warning, limits.Critical)
}

func rounded(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Second)
}

// count writes a number for people, in groups of three digits.
func count(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
