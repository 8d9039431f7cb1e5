-- One hash over what the stack declares in the server: verifiers, roles,
-- privileges, extensions, files. Text of every row, in a fixed order. A list of
-- privileges that is not there stands for the built-in one.
WITH facts (fact) AS (
  SELECT format('role %s', to_jsonb(a) - 'oid') FROM pg_authid a
  UNION ALL
  -- The options that a membership has depend on the version.
  SELECT format('member %s %s %s', roleid::regrole, member::regrole, to_jsonb(m) - 'oid') FROM pg_auth_members m
  UNION ALL
  SELECT format('set %s %s %s', setdatabase, setrole, setconfig) FROM pg_db_role_setting
  UNION ALL
  SELECT format('database %s %s %s %s', datname, datdba, datallowconn, datacl) FROM pg_database WHERE datname IN (current_database(), 'postgres', 'template1')
  UNION ALL
  SELECT format('schema %s %s %s', nspname, nspowner, nspacl) FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp)'
  UNION ALL
  SELECT format('default %s %s %s %s', defaclrole, defaclnamespace, defaclobjtype, defaclacl) FROM pg_default_acl
  UNION ALL
  SELECT format('extension %s %s %s', extname, extversion, extnamespace) FROM pg_extension
  UNION ALL
  SELECT format('relation %s %s %s', c.oid, relowner, relacl) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
  WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND nspname !~ '^pg_(toast|temp)' AND (relacl IS NOT NULL OR nspname NOT IN ('pg_catalog', 'information_schema'))
  UNION ALL
  SELECT format('column %s %s %s', attrelid, attnum, attacl) FROM pg_attribute WHERE attacl IS NOT NULL AND NOT attisdropped
  UNION ALL
  SELECT format('function %s %s %s', p.oid, proowner, proacl) FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
  WHERE nspname !~ '^pg_(toast|temp)' AND (proacl IS NOT NULL OR nspname NOT IN ('pg_catalog', 'information_schema'))
  UNION ALL
  SELECT format('type %s %s', oid, typacl) FROM pg_type WHERE typacl IS NOT NULL
  UNION ALL
  SELECT format('language %s %s', lanname, lanacl) FROM pg_language WHERE lanacl IS NOT NULL
  UNION ALL
  SELECT format('large object %s %s', oid, lomacl) FROM pg_largeobject_metadata WHERE lomacl IS NOT NULL
  UNION ALL
  SELECT format('tablespace %s %s', spcname, spcacl) FROM pg_tablespace WHERE spcacl IS NOT NULL
  UNION ALL
  SELECT format('foreign server %s %s', srvname, srvacl) FROM pg_foreign_server WHERE srvacl IS NOT NULL
  UNION ALL
  SELECT format('foreign data wrapper %s %s', fdwname, fdwacl) FROM pg_foreign_data_wrapper WHERE fdwacl IS NOT NULL
  UNION ALL
  SELECT format('file %s %s', name, sha256(pg_read_binary_file(name, 0, 1048576, true)))
  FROM unnest(ARRAY['pg_hba.conf', 'server.pem', 'ca.crt', 'healthcheck.pgpass', 'postgresql.auto.conf']) AS name
)
SELECT encode(sha256(convert_to(string_agg(fact, E'\n' ORDER BY fact COLLATE "C"), 'UTF8')), 'hex') FROM facts
