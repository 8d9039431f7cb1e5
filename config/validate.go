package config

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// validate applies every rule; each adds its own faults.
func (s *Stack) validate() Faults {
	var faults Faults
	for _, rule := range []func(*Stack, *Faults){
		rootSecretSource, rank, target, majorVersion, serverNames, serverResources, healthCheck, serverLog,
		storage, drills, network, networkNames, publish, tlsNames, tlsSubject, tlsValidity, tlsPolicy,
		settingValues, externalSettings, readOnlySessions, timeoutsForEverybody, searchPaths, durability, preload, libraryNames, acrossSettings,
		databaseNames, schemaNames, extensionNames, generations, accessNames, applicationRights,
		declaredRoles, declaredGrants, declaredDefaults, declaredIndexes, backups,
		accessFrom, accessRules, accessAssertions, pools, connectionBudget,
		health,
	} {
		rule(s, &faults)
	}
	return faults
}

func rootSecretSource(s *Stack, faults *Faults) {
	oneOf(faults, "rootSecretFrom", string(s.RootSecretFrom), string(FromConfig), string(FromLocal))
	if s.RootSecretFrom == FromLocal && s.Storage.Protect {
		faults.add("rootSecretFrom", s.RootSecretFrom, "protected data would be lost with a file of one machine",
			"use config and `wcrdb init "+s.Name+"`")
	}
}

func target(s *Stack, faults *Faults) {
	oneOf(faults, "target.type", string(s.Target.Type), string(Container), string(External))
	identifier(faults, "target.username", s.Target.Username)
	if s.Target.Type != External {
		if s.Target.Username != "postgres" {
			faults.add("target.username", s.Target.Username, "the image's system user, as whom maintenance inside the container logs in, is postgres", "leave it out")
		}
		for _, given := range []struct{ path, value string }{{"target.host", s.Target.Host}, {"target.caFile", s.Target.CAFile}} {
			if given.value != "" {
				faults.add(given.path, given.value, "is only for target.type external", "leave it out, or set target.type")
			}
		}
		if s.Target.AlterSystem {
			faults.add("target.alterSystem", true, "is only for target.type external: a container's settings are always changed so", "leave it out")
		}
		return
	}
	if s.Target.Host == "" {
		faults.add("target.host", nil, "an external server needs a host", "set it to the server's name or address")
	} else if _, err := netip.ParseAddr(s.Target.Host); err != nil && !hostName.MatchString(s.Target.Host) {
		faults.add("target.host", s.Target.Host, "is neither a host name nor an address", "write it in lower case, without a scheme, a user or a port")
	}
	inRange(faults, "target.port", s.Target.Port, 1, 65535)
}

// dockerName is what Docker accepts as the name of a container, network or volume.
var dockerName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,62}$`)

func serverNames(s *Stack, faults *Faults) {
	for _, name := range []struct{ path, value string }{
		{"server.name", s.Server.Name}, {"storage.volume", s.Storage.Volume},
		{"network.name", s.Network.Name}, {"network.adminName", s.Network.AdminName},
	} {
		if !dockerName.MatchString(name.value) {
			faults.add(name.path, name.value, "is not a name that Docker accepts",
				"use 2 to 63 letters, digits, dots, dashes and underscores, a letter or digit first")
		}
	}
	if !strings.Contains(s.Server.Image, "@sha256:") {
		faults.add("server.image", s.Server.Image, "has no digest, so what it names may change",
			"append @sha256:… (docker image inspect shows it as RepoDigests)")
	} else if !imageByDigest.MatchString(s.Server.Image) {
		faults.add("server.image", s.Server.Image, "is not an image reference", "write name:tag@sha256: and 64 hexadecimal digits")
	}
}

var imageByDigest = regexp.MustCompile(`^[a-z0-9][a-zA-Z0-9._/:-]*@sha256:[0-9a-f]{64}$`)

// leastMemory is for a server that nobody waits for.
const leastMemory = 128 << 20

func serverResources(s *Stack, faults *Faults) {
	const mib = 1 << 20
	cpus(faults, "server.cpus", s.Server.CPUs)
	atLeast(faults, "server.memory", s.Server.Memory, leastMemory, "PostgreSQL does not run well with less")
	atLeast(faults, "server.memoryReservation", s.Server.MemoryReservation, 6*mib, "Docker needs that much")
	atLeast(faults, "server.sharedMemory", s.Server.SharedMemory, 64*mib, "it is Docker's default")
	if s.Server.MemoryReservation > s.Server.Memory {
		faults.add("server.memoryReservation", s.Server.MemoryReservation, fmt.Sprintf("is more than server.memory (%s)", s.Server.Memory), "lower it")
	}
	if s.Server.SharedMemory > s.Server.Memory {
		faults.add("server.sharedMemory", s.Server.SharedMemory, fmt.Sprintf("is more than server.memory (%s), which it counts against", s.Server.Memory), "lower it")
	}
	oneOf(faults, "server.restart", s.Server.Restart, "no", "on-failure", "always", "unless-stopped")
	between(faults, "server.stopTimeout", s.Server.StopTimeout, 10*time.Second, time.Hour)
	between(faults, "server.readyTimeout", s.Server.ReadyTimeout, time.Second, time.Hour)
}

// cpus: the docker provider reads some other fractions back rounded, and would
// then replace the container at every run.
func cpus(faults *Faults, at string, value float64) {
	if hundredths := math.Round(value * 100); value < 0.1 || value > 99 ||
		math.Abs(value*100-hundredths) > 1e-9 || (int(hundredths)%10 != 0 && int(hundredths)%25 != 0) {
		faults.add(at, value, "is not a number of CPUs", "use 0.1 to 99, in steps of 0.1 or 0.25")
	}
}

func healthCheck(s *Stack, faults *Faults) {
	check := s.Server.HealthCheck
	between(faults, "server.healthCheck.interval", check.Interval, time.Second, time.Hour)
	between(faults, "server.healthCheck.timeout", check.Timeout, time.Second, time.Hour)
	between(faults, "server.healthCheck.startPeriod", check.StartPeriod, 0, time.Hour)
	inRange(faults, "server.healthCheck.retries", check.Retries, 1, 1000)
}

func serverLog(s *Stack, faults *Faults) {
	atLeast(faults, "server.log.maxSize", s.Server.Log.MaxSize, 1<<20, "a smaller file rotates all the time")
	inRange(faults, "server.log.maxFiles", s.Server.Log.MaxFiles, 1, 1000)
}

func storage(s *Stack, faults *Faults) {
	oneOf(faults, "storage.type", string(s.Storage.Type), string(Volume), string(Bind), string(Tmpfs))
	switch {
	case s.Storage.Type == Bind && s.Storage.Path == "":
		faults.add("storage.path", nil, "storage of type bind needs a directory", "set it, e.g. to /mnt/data/postgresql")
	case s.Storage.Type == Bind && (!path.IsAbs(s.Storage.Path) || path.Clean(s.Storage.Path) != s.Storage.Path || s.Storage.Path == "/"):
		faults.add("storage.path", s.Storage.Path, "is not an absolute, clean path of a directory", "write it from the root, without a slash at the end")
	case s.Storage.Type != Bind && s.Storage.Path != "":
		faults.add("storage.path", s.Storage.Path, "is only for storage.type bind", "leave it out, or set storage.type")
	}
	if s.Storage.Type == Tmpfs {
		atLeast(faults, "storage.size", s.Storage.Size, 128<<20, "a new cluster takes 40 MB and its WAL more")
		if s.Storage.Size > s.Server.Memory {
			faults.add("storage.size", s.Storage.Size, fmt.Sprintf("is more than server.memory (%s), which tmpfs counts against", s.Server.Memory), "lower it, or raise server.memory")
		}
		if s.Storage.Protect {
			faults.add("storage.protect", true, "tmpfs is lost with the container", "use volume or bind, or leave protect out")
		}
	}
}

func network(s *Stack, faults *Faults) {
	internal := subnet("network.subnet", s.Network.Subnet, faults)
	admin := subnet("network.adminSubnet", s.Network.AdminSubnet, faults)
	if internal.IsValid() && admin.IsValid() && internal.Overlaps(admin) {
		faults.add("network.adminSubnet", admin, fmt.Sprintf("overlaps network.subnet (%s)", internal), "choose another")
	}
}

// subnet reads the subnet of a Docker network; it is the zero value if faulty.
func subnet(at, value string, faults *Faults) netip.Prefix {
	prefix, err := netip.ParsePrefix(value)
	switch {
	case err != nil || !prefix.Addr().Is4():
		faults.add(at, value, "is not an IPv4 network", "write it as 172.20.0.0/16")
	case prefix.Masked() != prefix:
		faults.add(at, value, "has bits set below its mask", "write "+prefix.Masked().String())
	case !private(prefix):
		faults.add(at, value, "is not a private network (RFC 1918)", "take one of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
	case prefix.Bits() > 28:
		faults.add(at, value, "is too small", "use a mask of at most 28 bits")
	default:
		return prefix
	}
	return netip.Prefix{}
}

// private says whether a whole network is within one that RFC 1918 sets aside.
func private(prefix netip.Prefix) bool {
	return slices.ContainsFunc([]string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}, func(text string) bool {
		outer := netip.MustParsePrefix(text)
		return outer.Bits() <= prefix.Bits() && outer.Contains(prefix.Addr())
	})
}

func networkNames(s *Stack, faults *Faults) {
	for _, name := range []struct{ path, value string }{{"network.name", s.Network.Name}, {"network.adminName", s.Network.AdminName}} {
		if slices.Contains([]string{"bridge", "host", "none", "default"}, name.value) {
			faults.add(name.path, name.value, "is a network of Docker's own", "choose another")
		}
	}
	if s.Network.Name == s.Network.AdminName {
		faults.add("network.adminName", s.Network.AdminName, "is the name of the internal network too", "give each its own")
	}
	if !hostName.MatchString(s.Network.Alias) {
		faults.add("network.alias", s.Network.Alias, "is not a host name", "use lower-case letters, digits and dashes")
	} else if s.Network.Alias == "localhost" {
		faults.add("network.alias", s.Network.Alias, "is each container's name for itself", "choose another")
	}
}

var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)

func publish(s *Stack, faults *Faults) {
	inRange(faults, "network.publish.port", s.Network.Publish.Port, 1, 65535)
	address, err := netip.ParseAddr(s.Network.Publish.Address)
	switch {
	case err != nil || !address.Is4():
		faults.add("network.publish.address", s.Network.Publish.Address, "is not an IPv4 address", "use 127.0.0.1, or an address of this host")
	case address.IsUnspecified():
		faults.add("network.publish.address", s.Network.Publish.Address, "opens the database to every network of the host", "use 127.0.0.1, or one address of this host")
	case !address.IsLoopback() && !s.TLS.Required:
		faults.add("network.publish.address", s.Network.Publish.Address, "can be reached from outside while TLS is not required", "use 127.0.0.1, or set tls.required")
	}
}

func tlsNames(s *Stack, faults *Faults) {
	for i, name := range s.TLS.Names {
		if _, err := netip.ParseAddr(name); err != nil && !hostName.MatchString(strings.TrimPrefix(name, "*.")) {
			faults.add(fmt.Sprintf("tls.names[%d]", i), name, "is neither a DNS name nor an IP address", "use lower-case letters, digits, dashes and dots")
		}
	}
	duplicates(faults, "tls.names", s.TLS.Names)
}

var countryCode = regexp.MustCompile(`^[A-Z]{2}$`)

// tlsSubject keeps to the upper bounds of RFC 5280, appendix A.1.
func tlsSubject(s *Stack, faults *Faults) {
	if c := s.TLS.Subject.Country; !countryCode.MatchString(c) {
		faults.add("tls.subject.country", c, "is not a country code (ISO 3166)", "use two capital letters")
	}
	if s.TLS.Subject.Organization == "" {
		faults.add("tls.subject.organization", nil, "a certificate without an organization names nobody", "set it")
	}
	for _, name := range []struct {
		path, value string
		most        int
	}{
		{"tls.subject.province", s.TLS.Subject.Province, 128}, {"tls.subject.locality", s.TLS.Subject.Locality, 128},
		{"tls.subject.organization", s.TLS.Subject.Organization, 64},
	} {
		if utf8.RuneCountInString(name.value) > name.most {
			faults.add(name.path, name.value, fmt.Sprintf("is longer than a certificate allows (%d characters)", name.most), "shorten it")
		}
	}
}

func tlsValidity(s *Stack, faults *Faults) {
	check := func(path string, validity Duration, renewPath string, renewBefore Duration) {
		between(faults, path, validity, time.Hour, 36500*24*time.Hour)
		wholeHours(faults, path, validity)
		wholeHours(faults, renewPath, renewBefore)
		if renewBefore >= validity {
			faults.add(renewPath, renewBefore, fmt.Sprintf("is not shorter than %s (%s): every up would renew", path, validity), "shorten it")
		}
	}
	check("tls.validity", s.TLS.Validity, "tls.renewBefore", s.TLS.RenewBefore)
	check("tls.caValidity", s.TLS.CAValidity, "tls.caRenewBefore", s.TLS.CARenewBefore)
	inRange(faults, "tls.caGeneration", s.TLS.CAGeneration, 1, 1<<30)
	if s.TLS.CARenewBefore < s.TLS.Validity {
		faults.add("tls.caRenewBefore", s.TLS.CARenewBefore, fmt.Sprintf("a server certificate (%s) would outlive its CA", s.TLS.Validity), "make it at least tls.validity")
	}
}

func tlsPolicy(s *Stack, faults *Faults) {
	if s.TLS.Required && !s.TLS.Enabled {
		faults.add("tls.required", true, "TLS is not enabled", "set tls.enabled, or leave required out")
	}
	if s.Storage.Protect && !s.TLS.Required {
		faults.add("tls.required", false, "data that is worth protecting must not travel in clear", "set tls.required: true")
	}
	if !path.IsAbs(s.Clients.RootCertificate) {
		faults.add("clients.rootCertificate", s.Clients.RootCertificate, "is not an absolute path", "say where the API's container has the CA's file")
	}
	if strings.ContainsAny(s.Clients.RootCertificate, ";='\"") {
		faults.add("clients.rootCertificate", s.Clients.RootCertificate, "has a character that would need quoting in a connection string", "choose a plain path")
	}
}

func databaseNames(s *Stack, faults *Faults) {
	if s.Database.Name == "" {
		faults.add("database.name", nil, "the database needs a name", "set it, e.g. to witchcityrope_dev")
	} else {
		identifier(faults, "database.name", s.Database.Name)
		if slices.Contains([]string{"postgres", "template0", "template1"}, s.Database.Name) {
			faults.add("database.name", s.Database.Name, "is a database of PostgreSQL's own", "choose another")
		}
		if slices.Contains([]string{"all", "sameuser", "samerole", "replication"}, s.Database.Name) {
			faults.add("database.name", s.Database.Name, "has a meaning of its own in access rules (manual, section 21.1)", "choose another")
		}
	}
}

func schemaNames(s *Stack, faults *Faults) {
	var names []string
	for i, schema := range s.Database.Schemas {
		at, name := fmt.Sprintf("database.schemas[%d]", i), schema.Name
		names = append(names, name)
		identifier(faults, at, name)
		if strings.HasPrefix(name, "pg_") || name == "information_schema" {
			faults.add(at, name, "is reserved for PostgreSQL (manual, section 5.10)", "choose another")
		}
		// search_path begins with "$user": unqualified tables would land there.
		if s.Access.Prefix != "" && strings.HasPrefix(name, s.Access.Prefix+"_") {
			faults.add(at, name, "begins as the names of roles do: what a role of that name creates would land in it", "choose another, or another access.prefix")
		}
		if schema.Owner != "" {
			knownRole(s, faults, at+".owner", schema.Owner, false)
		}
	}
	duplicates(faults, "database.schemas", names)
}

func extensionNames(s *Stack, faults *Faults) {
	var names []string
	for i, extension := range s.Database.Extensions {
		at := fmt.Sprintf("database.extensions[%d]", i)
		names = append(names, extension.Name)
		if !extensionName.MatchString(extension.Name) {
			faults.add(at, extension.Name, "is not the name of an extension", "pg_available_extensions lists what the server has")
		}
		if extension.Version != "" && !extensionVersion.MatchString(extension.Version) {
			faults.add(at+".version", extension.Version, "is not the version of an extension", "pg_available_extension_versions lists what the server has")
		}
		if extension.Schema != "public" && extension.Schema != "pg_catalog" { // which are always there
			declaredSchema(s, faults, at+".schema", extension.Schema, true)
		}
	}
	duplicates(faults, "database.extensions", names)
}

var extensionVersion = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._-]*$`)

var extensionName = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)

func accessNames(s *Stack, faults *Faults) {
	prefix := s.Access.Prefix
	if prefix == "" {
		return // no database name either, which has its own fault
	}
	identifier(faults, "access.prefix", prefix)
	const longest = 63 - len("_migrator_0") - len("__aside")
	if len(prefix) > longest {
		faults.add("access.prefix", prefix, fmt.Sprintf("leaves no room for the names of roles (%d characters at most)", longest), "shorten it")
	}
	if strings.HasPrefix(prefix, "pg_") || prefix == "postgres" {
		faults.add("access.prefix", prefix, "is reserved for PostgreSQL", "choose another")
	}
}

// applicationRights keeps what tests need away from data that is worth protecting.
func applicationRights(s *Stack, faults *Faults) {
	if !s.Storage.Protect {
		return
	}
	if s.Access.Application.Truncate {
		faults.add("access.application.truncate", true, "the application could empty tables of protected data", "leave it out")
	}
	if s.Access.Application.CreateDatabases {
		faults.add("access.application.createDatabases", true, "the application could fill the disk of protected data", "leave it out")
	}
}

// identifierName keeps to names that need no quoting anywhere.
var identifierName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

func identifier(faults *Faults, at, name string) {
	if !identifierName.MatchString(name) {
		faults.add(at, name, "is not a plain identifier", "use at most 63 lower-case letters, digits and underscores, no digit first")
	}
}

func oneOf(faults *Faults, at, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		faults.add(at, value, "is none of "+strings.Join(allowed, ", "), cmp.Or(nearest(value, allowed), "choose one of them"))
	}
}

func inRange(faults *Faults, at string, value, least, most int) {
	if value < least || value > most {
		faults.add(at, value, fmt.Sprintf("is outside %d to %d", least, most), "choose a value within")
	}
}

func between(faults *Faults, at string, value Duration, least, most time.Duration) {
	if time.Duration(value) < least || time.Duration(value) > most {
		faults.add(at, value, fmt.Sprintf("is outside %s to %s", Duration(least), Duration(most)), "choose a value within")
	}
}

func wholeHours(faults *Faults, at string, value Duration) {
	if time.Duration(value)%time.Hour != 0 {
		faults.add(at, value, "is not a whole number of hours, in which certificates are counted", "write it as 12h or 365d")
	}
}

func atLeast(faults *Faults, at string, value, least Size, reason string) {
	if value < least {
		faults.add(at, value, fmt.Sprintf("is less than %s: %s", least, reason), "raise it")
	}
}

func duplicates(faults *Faults, at string, values []string) {
	for i, value := range values {
		if slices.Index(values, value) < i {
			faults.add(fmt.Sprintf("%s[%d]", at, i), value, "is there twice", "remove one")
		}
	}
}
