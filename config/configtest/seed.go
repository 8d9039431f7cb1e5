package configtest

// SeedSettings are those of the seed design, word for word: sections 3 (test),
// 6 (tuning) and 7 (audit logging).
func SeedSettings() map[string]string {
	return map[string]string{
		"shared_buffers": "512MB", "effective_cache_size": "1536MB", "maintenance_work_mem": "128MB", "work_mem": "16MB",
		"max_connections": "200", "max_prepared_transactions": "0",
		"wal_buffers": "16MB", "checkpoint_completion_target": "0.9", "checkpoint_timeout": "10min", "checkpoint_segments": "32",
		"random_page_cost": "1.1", "effective_io_concurrency": "200", "default_statistics_target": "100",
		"log_destination": "stderr,csvlog", "logging_collector": "on", "log_directory": "/var/log/postgresql",
		"log_filename": "postgresql-%Y-%m-%d_%H%M%S.log", "log_rotation_size": "100MB", "log_rotation_age": "1d",
		"log_connections": "on", "log_disconnections": "on", "log_login_failures": "on",
		"log_min_duration_statement": "1000", "log_statement": "ddl", "log_checkpoints": "on", "log_lock_waits": "on",
		"shared_preload_libraries": "pg_stat_statements", // its section 2 creates the extension
	}
}

// CorrectedSeedSettings are those without the two names that are no settings,
// and with a directory that the container's server may write to.
func CorrectedSeedSettings() map[string]string {
	settings := SeedSettings()
	delete(settings, "checkpoint_segments")
	delete(settings, "log_login_failures")
	settings["max_wal_size"], settings["log_directory"] = "2GB", "log"
	return settings
}
