-- The statements that take longest on average, by pg_stat_statements, whose columns depend on its own version.
SELECT pg_get_userbyid(s.userid)::text AS login,
  s.calls,
  s.mean_exec_time AS mean_ms, s.max_exec_time AS max_ms, s.total_exec_time AS total_ms,
  s.rows,
  (s.shared_blks_hit * 100.0 / nullif(s.shared_blks_hit + s.shared_blks_read, 0))::float8 AS hit_percent,
  CASE WHEN current_setting('track_io_timing')::bool THEN
    s.blk_read_time + s.blk_write_time -- before 11
    s.shared_blk_read_time + s.shared_blk_write_time -- from 11
  END AS disk_ms,
  left(regexp_replace(s.query, '\s+', ' ', 'g'), 100) AS query
FROM {schema}.pg_stat_statements s
WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY s.mean_exec_time DESC
LIMIT $1
