-- Who is connected and what they do: those at work first, the longest transaction on top.
SELECT pid,
  usename::text AS login,
  application_name AS application,
  coalesce(host(client_addr), 'socket') AS client,
  coalesce(state, 'unknown') AS state,
  coalesce(wait_event_type || ': ' || wait_event, '') AS waits_for,
  extract(epoch FROM clock_timestamp() - xact_start)::float8 AS transaction_seconds,
  extract(epoch FROM clock_timestamp() - state_change)::float8 AS state_seconds,
  left(regexp_replace(query, '\s+', ' ', 'g'), 80) AS query
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
ORDER BY xact_start NULLS LAST, state_change DESC
LIMIT $1
