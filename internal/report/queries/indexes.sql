-- Which indexes are used and which are not: invalid ones first, then by how often they were scanned.
SELECT s.schemaname::text AS schema, s.relname::text AS "table", s.indexrelname::text AS index,
  pg_relation_size(s.indexrelid) AS size_bytes,
  s.idx_scan AS scans,
  s.last_idx_scan AS last_scan, -- from 16
  s.idx_tup_read AS entries_read, s.idx_tup_fetch AS rows_fetched,
  concat_ws(', ',
    CASE WHEN NOT i.indisvalid THEN 'invalid' END,
    CASE WHEN i.indisprimary THEN 'primary key' WHEN i.indisunique THEN 'unique' WHEN s.idx_scan = 0 THEN 'never used' END,
    (SELECT 'same as ' || string_agg(o.indexrelid::regclass::text, ', ' ORDER BY o.indexrelid)
      FROM pg_index o WHERE o.indrelid = i.indrelid AND o.indexrelid <> i.indexrelid AND o.indkey = i.indkey
        AND o.indclass = i.indclass AND o.indcollation = i.indcollation AND o.indoption = i.indoption
        AND pg_get_expr(o.indexprs, o.indrelid) IS NOT DISTINCT FROM pg_get_expr(i.indexprs, i.indrelid)
        AND pg_get_expr(o.indpred, o.indrelid) IS NOT DISTINCT FROM pg_get_expr(i.indpred, i.indrelid))) AS note
FROM pg_stat_user_indexes s JOIN pg_index i USING (indexrelid)
ORDER BY i.indisvalid, s.idx_scan DESC, 1, 2, 3
LIMIT $1
