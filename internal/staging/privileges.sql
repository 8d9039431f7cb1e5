-- Who may do what with each object that is no extension's, its owner left out; an empty grantee where nobody may.
WITH objects AS (
	SELECT 'pg_class'::regclass AS catalogue, c.oid, CASE relkind WHEN 'S' THEN 'SEQUENCE ' ELSE 'TABLE ' END || format('%I.%I', nspname, relname) AS object, relowner AS owner,
		coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's'::"char" ELSE 'r'::"char" END, relowner)) AS acl
	FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
	UNION ALL
	SELECT 'pg_proc'::regclass, p.oid, 'ROUTINE ' || format('%I.%I(%s)', nspname, proname, pg_get_function_identity_arguments(p.oid)), proowner, coalesce(proacl, acldefault('f', proowner))
	FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
)
SELECT object, CASE WHEN privilege_type IS NULL THEN '' WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END, coalesce(privilege_type, ''), coalesce(is_grantable, false)
FROM objects LEFT JOIN LATERAL (SELECT * FROM aclexplode(acl) WHERE grantee <> owner) AS explained ON true
WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = catalogue AND d.objid = objects.oid AND d.deptype = 'e')
ORDER BY 1, 2, 3
