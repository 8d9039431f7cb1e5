-- How much of what was read was in shared buffers: the database as a whole, then its tables with their indexes, the worst first.
WITH tables AS (
  SELECT schemaname::text AS schema, relname::text AS "table",
    heap_blks_read + coalesce(idx_blks_read, 0) + coalesce(toast_blks_read, 0) + coalesce(tidx_blks_read, 0) AS blocks_read,
    heap_blks_hit + coalesce(idx_blks_hit, 0) + coalesce(toast_blks_hit, 0) + coalesce(tidx_blks_hit, 0) AS blocks_hit
  FROM pg_statio_user_tables
), listed AS (
  SELECT 0 AS rank, '' AS schema, 'the whole database' AS "table", blks_read AS blocks_read, blks_hit AS blocks_hit
  FROM pg_stat_database WHERE datname = current_database()
  UNION ALL
  SELECT 1, schema, "table", blocks_read, blocks_hit FROM tables
)
SELECT schema, "table", blocks_read::bigint, blocks_hit::bigint,
  (blocks_hit * 100.0 / nullif(blocks_hit + blocks_read, 0))::float8 AS hit_percent
FROM listed
ORDER BY rank, hit_percent NULLS LAST, blocks_read DESC, schema, "table"
LIMIT $1
