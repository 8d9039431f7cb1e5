-- Takes out of a database what is not declared, but for what belongs to extensions:
-- a copy of the stack's database, which may have been migrated, becomes an empty one.
DO $strip$
DECLARE
	statement text;
	statements text[];
BEGIN
	FOR statement IN
		SELECT format('DROP SCHEMA IF EXISTS %I CASCADE', nspname) FROM pg_namespace n
		WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND nspname <> ALL (string_to_array(current_setting('wcrdb.schemas'), ','))
			AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_namespace'::regclass AND objid = n.oid AND deptype = 'e')
	LOOP
		EXECUTE statement;
	END LOOP;
	-- Before anything of it is done: what goes with another object has no name any more.
	SELECT array_agg(each) INTO statements FROM (
		SELECT format('DROP %s IF EXISTS %I.%I CASCADE', CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
			WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'c' THEN 'TYPE' ELSE 'TABLE' END, nspname, relname) AS each
		FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
		WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'c', 'S') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
			AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype IN ('e', 'a', 'i'))
		UNION ALL
		SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', p.oid::regprocedure)
		FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
		WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
			AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype IN ('e', 'i'))
		UNION ALL
		SELECT format('DROP TYPE IF EXISTS %I.%I CASCADE', nspname, typname)
		FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace
		WHERE typtype IN ('e', 'd', 'r') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
			AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_type'::regclass AND objid = t.oid AND deptype IN ('e', 'i'))
	) AS all_of_it;
	FOREACH statement IN ARRAY coalesce(statements, '{}') LOOP
		EXECUTE statement;
	END LOOP;
	PERFORM lo_unlink(oid) FROM pg_largeobject_metadata;
END
$strip$
