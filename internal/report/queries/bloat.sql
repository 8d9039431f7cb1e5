-- Tables that hold more than their rows need. Room that could be given back is estimated from the planner's
-- statistics: the rows' average width against the pages they are on; empty where a table was never analyzed.
WITH widths AS (
  SELECT schemaname, tablename, sum((1 - null_frac) * avg_width) AS width
  FROM pg_stats WHERE NOT inherited GROUP BY 1, 2
), tables AS (
  SELECT s.schemaname::text AS schema, s.relname::text AS "table", pg_table_size(s.relid) AS size_bytes,
    s.n_live_tup AS live_rows, s.n_dead_tup AS dead_rows,
    greatest(s.last_vacuum, s.last_autovacuum) AS last_vacuum, greatest(s.last_analyze, s.last_autoanalyze) AS last_analyze,
    c.relpages, c.reltuples,
    current_setting('block_size')::float8 AS page,
    -- A row: its header and the pointer to it, aligned to 8 bytes. Where there is none, it has no width.
    CASE WHEN c.reltuples = 0 THEN 0 ELSE ceil((28 + w.width) / 8) * 8 END AS row_bytes,
    coalesce((SELECT option_value::float8 / 100 FROM pg_options_to_table(c.reloptions) WHERE option_name = 'fillfactor'), 1) AS fill
  FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
  LEFT JOIN widths w ON w.schemaname = s.schemaname AND w.tablename = s.relname
)
SELECT schema, "table", size_bytes, live_rows, dead_rows,
  (dead_rows * 100.0 / nullif(live_rows + dead_rows, 0))::float8 AS dead_percent,
  CASE WHEN reltuples >= 0 AND row_bytes IS NOT NULL THEN greatest(relpages - ceil(reltuples * row_bytes / ((page - 24) * fill)), 0) * page END::bigint AS estimated_free_bytes,
  last_vacuum, last_analyze
FROM tables
ORDER BY estimated_free_bytes DESC NULLS LAST, dead_rows DESC, schema, "table"
LIMIT $1
