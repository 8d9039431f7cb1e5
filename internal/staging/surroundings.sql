-- Statements, in their order, that make what is around a database's tables in another one.
WITH schemas AS (
	SELECT oid, quote_ident(nspname) AS name, quote_ident(pg_get_userbyid(nspowner)) AS owner, nspowner, coalesce(nspacl, acldefault('n', nspowner)) AS acl
	FROM pg_namespace WHERE nspname = ANY ($1::text[])
), defaults AS (
	SELECT d.oid, quote_ident(pg_get_userbyid(defaclrole)) AS role, defaclrole, defaclnamespace, coalesce(' IN SCHEMA ' || quote_ident(n.nspname), '') AS place, defaclacl AS acl,
		CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' END AS class
	FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = defaclnamespace
	WHERE defaclobjtype IN ('r', 'S', 'f', 'T', 'n') AND (n.nspname IS NULL OR n.nspname = ANY ($1::text[]))
), statements AS (
	SELECT 1 AS step, name, 'CREATE SCHEMA IF NOT EXISTS ' || name AS text FROM schemas
	UNION ALL SELECT 2, name, format('ALTER SCHEMA %s OWNER TO %s', name, owner) FROM schemas
	UNION ALL SELECT 3, name, format('REVOKE ALL ON SCHEMA %s FROM PUBLIC', name) FROM schemas
	UNION ALL SELECT 4, name, format('GRANT %s ON SCHEMA %s TO %s%s', privilege_type, name, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END, CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
		FROM schemas, aclexplode(acl) WHERE grantee <> nspowner
	UNION ALL SELECT 5, extname, format('CREATE EXTENSION IF NOT EXISTS %I SCHEMA %I VERSION %L', extname, nspname, extversion)
		FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace WHERE extname <> 'plpgsql'
	UNION ALL SELECT 6, role, format('ALTER DEFAULT PRIVILEGES FOR ROLE %s REVOKE ALL ON %s FROM PUBLIC', role, class) FROM defaults WHERE defaclnamespace = 0
	UNION ALL SELECT 7, role, format('ALTER DEFAULT PRIVILEGES FOR ROLE %s%s GRANT %s ON %s TO %s%s', role, place, privilege_type, class, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END, CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
		FROM defaults, aclexplode(acl) WHERE grantee <> defaclrole
)
SELECT text FROM statements ORDER BY step, name, text
