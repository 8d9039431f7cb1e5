-- What takes how much room: the database as a whole, then its tables and materialized views, the largest first.
WITH tables AS (
  SELECT n.nspname::text AS schema, c.relname::text AS "table",
    pg_total_relation_size(c.oid) AS total_bytes, pg_relation_size(c.oid) AS rows_bytes, pg_indexes_size(c.oid) AS indexes_bytes,
    coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0) AS toast_bytes,
    nullif(c.reltuples, -1)::bigint AS estimated_rows
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
), listed AS (
  SELECT 0 AS rank, '' AS schema, 'the whole database' AS "table", pg_database_size(current_database()) AS total_bytes,
    NULL::bigint AS rows_bytes, NULL::bigint AS indexes_bytes, NULL::bigint AS toast_bytes, NULL::bigint AS estimated_rows
  UNION ALL
  SELECT 1, * FROM tables
)
SELECT schema, "table", total_bytes, rows_bytes, indexes_bytes, toast_bytes, estimated_rows,
  (total_bytes * 100.0 / pg_database_size(current_database()))::float8 AS share_percent
FROM listed
ORDER BY rank, total_bytes DESC, schema, "table"
LIMIT $1
