package config

import "fmt"

// What things take of the shared memory that a server sets up when it starts, rounded up from what
// servers of all majors say of themselves (pg_shmem_allocations); a test holds them to it.
const (
	sharedAtLeast   Size = 8 << 20  // whatever the settings
	perProcess      Size = 12 << 10 // without its locks and the text of its query
	perLock         Size = 450      // lock and its holders
	perPredicate    Size = 320      // predicate lock and its target
	perStatement    Size = 512      // of pg_stat_statements
	perSlot         Size = 512      // replication slot, or worker of logical replication
	perHandle       Size = 200      // of asynchronous input and output
	perHandlesPage  Size = 24       // and for each page that it may read at once
	auxiliary            = 40       // processes that no setting counts
	walSegment      Size = 16 << 20 // of initdb
	overheadPercent      = 5        // of what buffers hold
)

// SharedMemory adds up what the server sets up when it starts. It does not start if it cannot have it
// (manual, section 18.4.1). Only what counts is named.
func (s *Stack) SharedMemory() MemoryBudget {
	number := func(name string) Size { return Size(s.effective(name).Number) }
	budget := MemoryBudget{Available: s.availableMemory()}
	add := func(what string, bytes Size) {
		if bytes > 0 {
			budget.Terms = append(budget.Terms, Term{what, bytes})
		}
	}
	_, count := s.processes()
	processes, prepared := Size(count), number("max_prepared_transactions")
	owners := fmt.Sprintf("(%d processes + max_prepared_transactions %d)", processes, prepared)

	buffers := s.bufferTerm()
	add(fmt.Sprintf("%s + %d%%", buffers.What, overheadPercent), withOverhead(buffers.Bytes))
	wal := inBytes(s.effective("wal_buffers"))
	if wal < 0 {
		wal = min(buffers.Bytes/32, walSegment)
	}
	add(fmt.Sprintf("wal_buffers %s", wal), wal)
	for _, name := range []string{"commit_timestamp_buffers", "multixact_member_buffers", "multixact_offset_buffers", "notify_buffers",
		"serializable_buffers", "subtransaction_buffers", "transaction_buffers"} { // since 17
		pages := inBytes(s.effective(name))
		if name == "transaction_buffers" {
			pages *= 2 // it keeps a position in the WAL for every 32 transactions
		}
		add(name, withOverhead(pages))
	}
	add(fmt.Sprintf("max_locks_per_transaction %d × %s × %s", number("max_locks_per_transaction"), owners, perLock),
		number("max_locks_per_transaction")*(processes+prepared)*perLock)
	add(fmt.Sprintf("max_pred_locks_per_transaction %d × %s × %s", number("max_pred_locks_per_transaction"), owners, perPredicate),
		number("max_pred_locks_per_transaction")*(processes+prepared)*perPredicate)
	add(fmt.Sprintf("%s × %s", owners, perProcess), (processes+auxiliary+prepared)*perProcess)
	add(fmt.Sprintf("track_activity_query_size %s × processes", inBytes(s.effective("track_activity_query_size"))),
		(processes+auxiliary)*inBytes(s.effective("track_activity_query_size")))
	if s.preloads("pg_stat_statements") {
		add(fmt.Sprintf("pg_stat_statements.max %d × %s", number("pg_stat_statements.max"), perStatement), number("pg_stat_statements.max")*perStatement)
	}
	if handles := number("io_max_concurrency"); handles != 0 { // since 18
		if handles < 0 {
			handles = 64 // at most
		}
		add(fmt.Sprintf("io_max_concurrency %d × processes", handles),
			(processes+auxiliary)*handles*(perHandle+perHandlesPage*number("io_max_combine_limit")))
	}
	add("replication slots and workers", (number("max_replication_slots")+number("max_active_replication_origins")+number("max_logical_replication_workers"))*perSlot)
	add("min_dynamic_shared_memory", inBytes(s.effective("min_dynamic_shared_memory")))
	add("the rest", sharedAtLeast)
	return budget
}

// withOverhead adds what the server keeps about buffers.
func withOverhead(size Size) Size { return size + size*overheadPercent/100 }

// essential leaves out the terms that do not matter beside the others.
func (b MemoryBudget) essential() MemoryBudget {
	all := b.Planned()
	kept := MemoryBudget{Available: b.Available}
	var rest Size
	for _, term := range b.Terms {
		if term.Bytes*20 < all {
			rest += term.Bytes
		} else {
			kept.Terms = append(kept.Terms, term)
		}
	}
	if rest > 0 {
		kept.Terms = append(kept.Terms, Term{"the rest", rest})
	}
	return kept
}

// sharedMemory refuses what the container could not hold from the start.
func sharedMemory(s *Stack, faults *Faults) {
	budget := s.SharedMemory()
	_, count := s.processes()
	if s.Server.Memory < leastMemory || budget.Available <= 0 || s.bufferTerm().Bytes > s.Server.Memory*3/4 || count >= mostProcesses {
		return // which is a fault of its own
	}
	if budget.Planned() > budget.Available {
		faults.add("settings", nil, "the server would take more shared memory at its start than the container has: "+budget.essential().Arithmetic(),
			"lower one of them, or raise server.memory")
	}
}
