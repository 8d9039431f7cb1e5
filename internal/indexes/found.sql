-- Indexes of the tables whose names are declared, as definitions that can be compared.
SELECT n.nspname, t.relname, c.relname, m.amname, i.indisunique,
	coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false),
	coalesce((SELECT json_agg(json_build_object(
		'expression', pg_get_indexdef(i.indexrelid, k, true),
		'collation', coalesce((SELECT l.collnamespace::regnamespace || '.' || quote_ident(l.collname) FROM pg_collation l WHERE l.oid = i.indcollation[k - 1]), ''),
		'operatorClass', (SELECT o.opcnamespace::regnamespace || '.' || quote_ident(o.opcname) FROM pg_opclass o WHERE o.oid = i.indclass[k - 1])
			|| coalesce((SELECT ' ' || a.attoptions::text FROM pg_attribute a WHERE a.attrelid = i.indexrelid AND a.attnum = k), ''),
		'descending', i.indoption[k - 1] & 1 <> 0,
		'nullsFirst', i.indoption[k - 1] & 2 <> 0) ORDER BY k) FROM generate_series(1, i.indnkeyatts) k), '[]'),
	ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, true) FROM generate_series(i.indnkeyatts + 1, i.indnatts) k ORDER BY k),
	coalesce(pg_get_expr(i.indpred, i.indrelid, true), ''),
	i.indisvalid AND i.indisready AND i.indislive,
	coalesce((SELECT p.pid FROM pg_stat_progress_create_index p
		WHERE p.datname = current_database() AND p.index_relid = i.indexrelid LIMIT 1), 0)
FROM pg_index i
	JOIN pg_class c ON c.oid = i.indexrelid
	JOIN pg_am m ON m.oid = c.relam
	JOIN pg_class t ON t.oid = i.indrelid
	JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE n.nspname = ANY ($1) AND t.relname = ANY ($2)
ORDER BY n.nspname, t.relname, c.relname
