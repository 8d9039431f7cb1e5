package config

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/witchcityrope/database/internal/catalogue"
)

// acrossSettings are the rules that hold between the settings of a server that
// this program starts. Each has its source.
func acrossSettings(s *Stack, faults *Faults) {
	if s.Target.Type == External {
		return
	}
	for _, rule := range []func(*Stack, *Faults){
		memory, sharedMemory, processes, walSizes, loggingCollector, minimalWAL, archiving, recoveryTargets, protocolVersions, hugePages,
	} {
		rule(s, faults)
	}
}

// effective reads a setting as the server will: what is given, or its default.
// A value that has a fault of its own counts for the default.
func (s *Stack) effective(name string) catalogue.Value {
	setting, known := s.Catalogue().Lookup(name)
	if !known {
		return catalogue.Value{} // of another major version
	}
	if given, is := s.Settings[name]; is {
		if value, fault := setting.Parse(string(given)); fault == nil {
			return value
		}
	}
	value, fault := setting.Parse(setting.Default)
	if fault != nil {
		panic(fmt.Sprintf("default of %s: %s", name, fault.Reason)) // a test of the catalogue reads them all
	}
	return value
}

// SettingNumber is the number that a setting will be on the server.
func (s *Stack) SettingNumber(name string) float64 { return s.effective(name).Number }

// SettingWord is the value that a setting of words will have on the server, as the server spells it.
func (s *Stack) SettingWord(name string) string { return s.effective(name).Text }

// shown is a setting's value as the stack file has it; nothing where it is the default.
func (s *Stack) shown(name string) any {
	if value, given := s.Settings[name]; given {
		return value
	}
	return nil
}

// processes are those that are counted together (postinit.c, InitializeMaxBackends).
func (s *Stack) processes() (terms []string, sum int) {
	names := []string{"max_connections", "autovacuum_max_workers", "max_worker_processes", "max_wal_senders"}
	if _, known := s.Catalogue().Lookup("autovacuum_worker_slots"); known { // since 18
		names[1] = "autovacuum_worker_slots"
	}
	for _, name := range names {
		number := int(s.effective(name).Number)
		sum += number
		terms = append(terms, fmt.Sprintf("%s %d", name, number))
	}
	return terms, sum
}

// mostProcesses are those that the server can count.
const mostProcesses = 1<<18 - 1

// processes refuses more of them than that (postinit.c: "too many server processes configured").
func processes(s *Stack, faults *Faults) {
	if terms, sum := s.processes(); sum >= mostProcesses {
		faults.add("settings", nil, fmt.Sprintf("the server does not start with so many processes: %s = %d of %d", strings.Join(terms, " + "), sum, mostProcesses), "lower them")
	}
}

// walSizes are at least two segments (xlog.c, ReadControlFile). A reload takes
// less, and the server does not start any more.
func walSizes(s *Stack, faults *Faults) {
	const least = 2 * 16 << 20 // initdb makes segments of 16 MB
	for _, name := range []string{"min_wal_size", "max_wal_size"} {
		if bytes, _ := s.effective(name).Bytes(); bytes < least {
			faults.add("settings."+name, s.shown(name), "is less than two WAL segments (32MB): the server would not start again", "raise it")
		}
	}
	least2, _ := s.effective("min_wal_size").Bytes()
	most, _ := s.effective("max_wal_size").Bytes()
	if least2 > most {
		faults.add("settings.min_wal_size", s.shown("min_wal_size"), fmt.Sprintf("is more than max_wal_size (%s)", Size(most)), "lower it, or raise max_wal_size")
	}
}

// loggingCollector writes files only where the server may (manual, section
// 20.8.1: log_directory is absolute or relative to the data directory); in the
// container that is the data directory alone, and the server does not start if it may not.
func loggingCollector(s *Stack, faults *Faults) {
	if !s.effective("logging_collector").Bool {
		for _, format := range []string{"csvlog", "jsonlog"} {
			if slices.Contains(list(s.Settings["log_destination"]), format) {
				faults.add("settings.log_destination", s.shown("log_destination"), format+" is only written by the logging collector", "set logging_collector: on, or leave "+format+" out")
			}
		}
		return
	}
	directory := s.effective("log_directory").Text
	if path.IsAbs(directory) || path.Clean(directory) == ".." || strings.HasPrefix(path.Clean(directory), "../") {
		faults.add("settings.log_directory", s.shown("log_directory"), "is outside the data directory, where the container's server may not write: with logging_collector on it would not start",
			"use a directory in it, such as log, or leave logging_collector off: Docker keeps and rotates the log")
	}
}

// minimalWAL is not enough for what reads it (postmaster.c, PostmasterMain).
func minimalWAL(s *Stack, faults *Faults) {
	if s.effective("wal_level").Text != "minimal" {
		return
	}
	value := s.shown("wal_level")
	if s.effective("archive_mode").Text != "off" {
		faults.add("settings.wal_level", value, "archive_mode needs more: the server would not start", "use replica, or set archive_mode: off")
	}
	if senders := s.effective("max_wal_senders").Number; senders > 0 {
		faults.add("settings.wal_level", value, fmt.Sprintf("max_wal_senders (%.0f) needs more: the server would not start", senders), "use replica, or set max_wal_senders: 0")
	}
	if s.effective("summarize_wal").Bool {
		faults.add("settings.wal_level", value, "summarize_wal needs more: the server would not start", "use replica, or leave summarize_wal off")
	}
}

// archiving needs exactly one way to archive (manual, section 20.5.3): with
// none WAL piles up until the disk is full, with two the archiver gives up.
func archiving(s *Stack, faults *Faults) {
	command, library := s.effective("archive_command").Text, s.effective("archive_library").Text
	if s.effective("archive_mode").Text != "off" && command == "" && library == "" {
		faults.add("settings.archive_mode", s.shown("archive_mode"), "nothing archives the WAL, which piles up until the disk is full", "set archive_command, or leave archive_mode off")
	}
	if command != "" && library != "" {
		faults.add("settings.archive_library", s.shown("archive_library"), "archive_command is set too, and only one of them may be", "leave one of them out")
	}
}

// recoveryTargets exclude each other (manual, section 20.5.6: "At most one of
// … can be used; using more than one … will raise an error").
func recoveryTargets(s *Stack, faults *Faults) {
	var given []string
	for _, name := range []string{"recovery_target", "recovery_target_lsn", "recovery_target_name", "recovery_target_time", "recovery_target_xid"} {
		if s.Settings[name] != "" {
			given = append(given, name)
		}
	}
	if len(given) > 1 {
		faults.add("settings."+given[1], s.shown(given[1]), given[0]+" is set too, and the server does not start with more than one target", "leave one of them out")
	}
}

// protocolVersions have an order (be-secure-openssl.c: "could not set SSL
// protocol version range"); the server would go on with its old certificate.
func protocolVersions(s *Stack, faults *Faults) {
	least, most := s.effective("ssl_min_protocol_version").Text, s.effective("ssl_max_protocol_version").Text
	if most != "" && least > most { // TLSv1 to TLSv1.3
		faults.add("settings.ssl_min_protocol_version", s.shown("ssl_min_protocol_version"), "is more than ssl_max_protocol_version ("+most+")", "lower it, or leave ssl_max_protocol_version out")
	}
}

// hugePages have to be set aside by the host (manual, section 18.4.5).
func hugePages(s *Stack, faults *Faults) {
	if s.effective("huge_pages").Text == "on" {
		faults.add("settings.huge_pages", s.shown("huge_pages"), "the server would not start where the host has not set aside enough of them", "use try")
	}
}
