-- Who waits for whom: a row for each session that waits for a lock and each one that keeps it waiting.
SELECT w.pid,
  a.usename::text AS login,
  extract(epoch FROM clock_timestamp() - w.waitstart)::float8 AS waiting_seconds,
  w.mode,
  -- Who waits for the end of a transaction keeps a lock on the row that it wants.
  coalesce(here.name, (SELECT 'a row of ' || t.relation::regclass FROM pg_locks t
    WHERE t.pid = w.pid AND t.locktype = 'tuple' AND t.granted AND w.locktype = 'transactionid' LIMIT 1), w.locktype) AS "on",
  left(regexp_replace(a.query, '\s+', ' ', 'g'), 60) AS query,
  nullif(blocker, 0) AS blocked_by,
  coalesce(b.usename::text, CASE blocker WHEN 0 THEN 'a prepared transaction' END) AS blocker_login,
  b.state AS blocker_state,
  extract(epoch FROM clock_timestamp() - b.xact_start)::float8 AS blocker_transaction_seconds,
  left(regexp_replace(b.query, '\s+', ' ', 'g'), 60) AS blocker_query
FROM pg_locks w
JOIN pg_stat_activity a ON a.pid = w.pid
CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS blocker
LEFT JOIN LATERAL (SELECT w.relation::regclass::text AS name FROM pg_database
  WHERE oid = w.database AND datname = current_database() AND w.relation IS NOT NULL) AS here ON true
LEFT JOIN pg_stat_activity b ON b.pid = blocker
WHERE NOT w.granted AND a.datname = current_database()
ORDER BY waiting_seconds DESC NULLS LAST, w.pid, blocker
LIMIT $1
