WITH RECURSIVE base AS ( -- what a domain or an array is made of, at the end
	SELECT oid AS type, oid AS leaf, false AS wrapped FROM pg_type
	UNION ALL
	SELECT b.type, CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END, b.wrapped OR t.typcategory = 'A'
	FROM base b JOIN pg_type t ON t.oid = b.leaf
	WHERE t.typtype = 'd' OR t.typcategory = 'A' AND t.typelem <> 0
), kinds AS (
	SELECT b.type, CASE
		WHEN t.typcategory IN ('N', 'B', 'D', 'T', 'E') AND t.typname NOT LIKE 'reg%' OR t.typname IN ('uuid', 'oid', 'pg_lsn', 'xid', 'xid8')
			OR t.typtype = 'r' AND t.typname IN ('int4range', 'int8range', 'numrange', 'tsrange', 'tstzrange', 'daterange') THEN 'plain'
		WHEN b.wrapped THEN 'opaque'
		WHEN t.typcategory = 'S' THEN 'text'
		WHEN t.typname IN ('json', 'jsonb') THEN 'json'
		WHEN t.typname = 'bytea' THEN 'bytes'
		ELSE 'opaque' END AS kind
	FROM base b JOIN pg_type t ON t.oid = b.leaf
	WHERE NOT (t.typtype = 'd' OR t.typcategory = 'A' AND t.typelem <> 0)
)
SELECT n.nspname::text, c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), k.kind,
	CASE WHEN a.atttypmod > 4 AND a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype) THEN a.atttypmod - 4 WHEN a.atttypid = '"char"'::regtype THEN 1 WHEN a.atttypid = 'name'::regtype THEN 63 ELSE 0 END,
	a.attnotnull OR t.typnotnull,
	EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum),
	coalesce((SELECT rn.nspname || '.' || r.relname || '.' || ra.attname
		FROM pg_constraint f CROSS JOIN generate_subscripts(f.conkey, 1) AS i JOIN pg_class r ON r.oid = f.confrelid JOIN pg_namespace rn ON rn.oid = r.relnamespace
		JOIN pg_attribute ra ON ra.attrelid = r.oid AND ra.attnum = f.confkey[i]
		WHERE f.contype = 'f' AND f.conrelid = c.oid AND f.conkey[i] = a.attnum LIMIT 1), ''),
	a.attgenerated <> ''
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
JOIN kinds k ON k.type = a.atttypid
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
	AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
	AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2, a.attnum
