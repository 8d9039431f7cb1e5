package config

import (
	"fmt"
	"strings"
	"time"
)

// health refuses limits that cannot both be met, and names that no table can have.
func health(s *Stack, faults *Faults) {
	h := s.Health
	between(faults, "health.timeout", h.Timeout, time.Second, 10*time.Minute)
	between(faults, "health.settling", h.Settling, 0, 7*24*time.Hour)
	for _, limits := range []struct {
		key                     string
		warning, critical, most int
	}{
		{"connections", h.Connections.Warning, h.Connections.Critical, 100},
		{"deadRows", h.DeadRows.Warning, h.DeadRows.Critical, 100},
		{"wraparound", h.Wraparound.Warning, h.Wraparound.Critical, 1<<31 - 1},
	} {
		inRange(faults, "health."+limits.key+".warning", limits.warning, 1, limits.most)
		inRange(faults, "health."+limits.key+".critical", limits.critical, 1, limits.most)
		ordered(faults, limits.key, limits.warning, limits.critical, limits.warning > limits.critical)
	}
	inRange(faults, "health.diskFree.warning", h.DiskFree.Warning, 0, 99)
	inRange(faults, "health.diskFree.critical", h.DiskFree.Critical, 0, 99)
	if h.DiskFree.Warning < h.DiskFree.Critical {
		faults.add("health.diskFree.warning", h.DiskFree.Warning, fmt.Sprintf("is less than health.diskFree.critical (%d): nobody would be warned before", h.DiskFree.Critical), "raise it")
	}
	ordered(faults, "transaction", h.Transaction.Warning, h.Transaction.Critical, h.Transaction.Warning > h.Transaction.Critical)
	ordered(faults, "waiting", h.Waiting.Warning, h.Waiting.Critical, h.Waiting.Warning > h.Waiting.Critical)
	ordered(faults, "retained", h.Retained.Warning, h.Retained.Critical, h.Retained.Warning > h.Retained.Critical)
	inRange(faults, "health.deadRows.atLeast", h.DeadRows.AtLeast, 1, 1<<31-1)
	inRange(faults, "health.cache.ratio", h.Cache.Ratio, 0, 100)
	inRange(faults, "health.cache.samples", h.Cache.Samples, 1, 1<<31-1)
	healthTables(s, faults)
}

// ordered refuses a warning that would come after what it warns of.
func ordered(faults *Faults, key string, warning, critical any, wrong bool) {
	if wrong {
		faults.add("health."+key+".warning", warning, fmt.Sprintf("is more than health.%s.critical (%v): nobody would be warned before", key, critical), "lower it")
	}
}

func healthTables(s *Stack, faults *Faults) {
	duplicates(faults, "health.tables", s.Health.Tables)
	for i, table := range s.Health.Tables {
		at := fmt.Sprintf("health.tables[%d]", i)
		schema, name, qualified := strings.Cut(table, ".")
		switch {
		case table == "" || qualified && (schema == "" || name == ""):
			faults.add(at, table, "is not the name of a table", `write it as it is in the catalogue, without quotes, with or without its schema: Users or auth.Users`)
		case strings.Contains(table, `"`):
			faults.add(at, table, "has quotes, which are not part of a name", "leave them out")
		}
	}
}
