package catalogue

// departure is the end of a setting.
type departure struct {
	major   string // the version that no longer has it
	renamed bool
	remedy  string
}

// departed are the settings that a version has dropped (release notes, "Migration").
var departed = map[string]departure{
	"add_missing_from":                  {"9.0", false, "leave it out: name every table in FROM"},
	"checkpoint_segments":               {"9.5", false, "use max_wal_size"},
	"custom_variable_classes":           {"9.2", false, "leave it out: no declaration is needed"},
	"db_user_namespace":                 {"17", false, "leave it out: roles are of the whole cluster"},
	"default_with_oids":                 {"12", false, "leave it out: tables have no hidden OIDs"},
	"force_parallel_mode":               {"16", true, "use debug_parallel_query"},
	"lc_collate":                        {"16", false, "leave it out: CREATE DATABASE decides"},
	"lc_ctype":                          {"16", false, "leave it out: CREATE DATABASE decides"},
	"max_fsm_pages":                     {"8.4", false, "leave it out: the free space map grows by itself"},
	"max_fsm_relations":                 {"8.4", false, "leave it out: the free space map grows by itself"},
	"min_parallel_relation_size":        {"10", true, "use min_parallel_table_scan_size"},
	"old_snapshot_threshold":            {"17", false, "leave it out, or use transaction_timeout"},
	"operator_precedence_warning":       {"14", false, "leave it out"},
	"promote_trigger_file":              {"16", false, "leave it out: promote with pg_promote()"},
	"redirect_stderr":                   {"8.3", true, "use logging_collector"},
	"regex_flavor":                      {"9.0", false, "leave it out: write (?b) or (?e) in the expression"},
	"replacement_sort_tuples":           {"11", false, "leave it out"},
	"replication_timeout":               {"9.3", true, "use wal_sender_timeout"},
	"silent_mode":                       {"9.2", false, "leave it out"},
	"sort_mem":                          {"8.0", true, "use work_mem"},
	"sql_inheritance":                   {"10", false, "leave it out: write ONLY in the query"},
	"ssl_ecdh_curve":                    {"18", true, "use ssl_groups"},
	"ssl_renegotiation_limit":           {"9.5", false, "leave it out: sessions are not renegotiated"},
	"standby_mode":                      {"12", false, "leave it out: a file standby.signal makes a standby"},
	"stats_block_level":                 {"8.3", true, "use track_counts"},
	"stats_command_string":              {"8.3", true, "use track_activities"},
	"stats_row_level":                   {"8.3", true, "use track_counts"},
	"stats_start_collector":             {"8.3", false, "use track_counts"},
	"stats_temp_directory":              {"15", false, "leave it out: statistics are in shared memory"},
	"tcpip_socket":                      {"8.0", false, "use listen_addresses"},
	"trace_recovery_messages":           {"17", false, "use log_min_messages"},
	"trigger_file":                      {"12", true, "use promote_trigger_file up to 15, then pg_promote()"},
	"unix_socket_directory":             {"9.3", true, "use unix_socket_directories"},
	"vacuum_cleanup_index_scale_factor": {"14", false, "leave it out, or use the storage parameter vacuum_index_cleanup"},
	"vacuum_defer_cleanup_age":          {"16", false, "use hot_standby_feedback or a replication slot"},
	"vacuum_mem":                        {"8.0", true, "use maintenance_work_mem"},
	"virtual_host":                      {"8.0", true, "use listen_addresses"},
	"wal_keep_segments":                 {"13", true, "use wal_keep_size"},
}

// imagined are names that no version has ever had, though people write them, and what they look for.
var imagined = map[string]string{
	"autovacuum_enabled": "use autovacuum; autovacuum_enabled is a storage parameter of a table",
	"connection_timeout": "use authentication_timeout, or the client's connect_timeout",
	"encoding":           "use client_encoding; the database's is decided when it is created",
	"fillfactor":         "leave it out: it is a storage parameter of a table or an index",
	"hash_mem":           "use hash_mem_multiplier",
	"log_failed_logins":  "leave it out: failed logins are logged by default",
	"log_login_failures": "leave it out: failed logins are logged by default",
	"log_slow_queries":   "use log_min_duration_statement",
	"max_pool_size":      "use max_connections; a pool is the client's",
	"query_cache_size":   "leave it out: results are not cached",
	"query_timeout":      "use statement_timeout",
	"slow_query_log":     "use log_min_duration_statement",
	"sslmode":            "leave it out: it is an option of clients; an access rule of type hostssl demands TLS",
	"wal_buffer_size":    "use wal_buffers",
}

// ofSession are settings that exist in a session only (guc_tables.c, GUC_DISALLOW_IN_FILE), and what to do.
var ofSession = map[string]string{
	"is_superuser":           "leave it out: it is reported",
	"role":                   "leave it out: SET ROLE is of a session, ALTER ROLE … SET role of a login",
	"seed":                   "leave it out: SET seed is of a session",
	"session_authorization":  "leave it out: SET SESSION AUTHORIZATION is of a session",
	"transaction_deferrable": "use default_transaction_deferrable",
	"transaction_isolation":  "use default_transaction_isolation",
	"transaction_read_only":  "use default_transaction_read_only",
}
