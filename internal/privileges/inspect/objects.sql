-- Objects of the current database that are not the system's own, and the
-- databases of the cluster, with owners and access control lists.
SELECT class, oid, schema, name, column_name, owner, acl, extension FROM (
	SELECT 'database' AS class, d.oid, '' AS schema, datname::text AS name, '' AS column_name, datdba AS owner, datacl AS acl, NULL::oid AS catalogue
	FROM pg_database d
	UNION ALL
	SELECT 'schema', n.oid, '', nspname, '', nspowner, nspacl, 'pg_namespace'::regclass
	FROM pg_namespace n WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
	UNION ALL
	SELECT CASE relkind WHEN 'S' THEN 'sequence' ELSE 'table' END, c.oid, nspname, relname, '', relowner, relacl, 'pg_class'::regclass
	FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
	WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
	UNION ALL
	SELECT 'column', c.oid, nspname, relname, attname, relowner, attacl, 'pg_class'::regclass
	FROM pg_attribute JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace
	WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT attisdropped AND attacl IS NOT NULL
	UNION ALL
	SELECT 'function', p.oid, nspname, proname || '(' || oidvectortypes(proargtypes) || ')', '', proowner, proacl, 'pg_proc'::regclass
	FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
	WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
	UNION ALL
	-- Arrays, multiranges and the row types of tables have no privileges of their own.
	SELECT 'type', t.oid, nspname, typname, '', typowner, typacl, 'pg_type'::regclass
	FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace LEFT JOIN pg_class c ON c.oid = typrelid
	WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND typtype <> 'm'
		AND (c.oid IS NULL OR relkind = 'c') AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
	UNION ALL
	SELECT 'largeObject', l.oid, '', l.oid::text, '', lomowner, lomacl, 'pg_largeobject'::regclass
	FROM pg_largeobject_metadata l
) AS objects
LEFT JOIN LATERAL (
	SELECT extname::text AS extension FROM pg_depend JOIN pg_extension e ON e.oid = refobjid
	WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e' AND classid = catalogue AND objid = objects.oid
) AS members ON true
