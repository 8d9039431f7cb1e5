// Package config is the configuration of one stack as Go types: decoded
// strictly, completed with defaults and validated as a whole, so that every
// fault is known, with its path, before a single resource is registered.
package config

import "fmt"

//go:generate go run ./internal/table ../README.md

// Stack is everything that a stack file may say. Each field is one Pulumi
// configuration key of the project.
type Stack struct {
	RootSecretFrom RootSecretSource `json:"rootSecretFrom" default:"config" doc:"where the root secret of all passwords comes from: \"config\" (secret key rootSecret) or \"local\" (made on first use, kept in .wcrdb/<stack>/root-secret, for stacks whose data may be lost)"`
	Rank           Rank             `json:"rank" default:"0" doc:"how much the data has to be guarded, from 1 (throwaway) to 100 (production): data flows only downwards (wcrdb refresh-data), and what only suits throwaway data (wcrdb seed) is refused for production; 0: not said, taken for production"`
	Target         Target           `json:"target" doc:"which server"`
	Server         Server           `json:"server" doc:"the container"`
	Storage        Storage          `json:"storage" doc:"where the data lives"`
	Network        Network          `json:"network" doc:"who can reach the server"`
	TLS            TLS              `json:"tls" doc:"the server's certificate"`
	Settings       Settings         `json:"settings" doc:"PostgreSQL settings by name (manual, chapter 20), e.g. work_mem: 16MB"`
	Database       Database         `json:"database" doc:"the application's database; its name is required"`
	Access         Access           `json:"access" doc:"roles and what they may do"`
	Drill          Drill            `json:"drill" doc:"how often a backup has to be proven (wcrdb drill)"`
	Clients        Clients          `json:"clients" doc:"what each client is handed"`
	Backup         Backup           `json:"backup" doc:"the scheduled backup"`
	Indexes        []Index          `json:"indexes" doc:"indexes beside those that migrations make; wcrdb indexes builds them"`
	Health         Health           `json:"health" doc:"what wcrdb health calls healthy"`

	// Project and Name are the Pulumi project and stack, not configuration.
	Project string `json:"-"`
	Name    string `json:"-"`
}

// RootSecretSource says where the root secret comes from.
type RootSecretSource string

// The sources of a root secret.
const (
	FromConfig RootSecretSource = "config"
	FromLocal  RootSecretSource = "local"
)

// TargetType says who runs the server.
type TargetType string

// The types of target.
const (
	Container TargetType = "container"
	External  TargetType = "external"
)

// Target is the server that the database plane talks to.
type Target struct {
	Type     TargetType `json:"type" default:"container" doc:"\"container\": this program runs the server in Docker; \"external\": somebody else does"`
	Host     string     `json:"host" doc:"external only: host name or address"`
	Port     int        `json:"port" default:"5432" doc:"external only: port"`
	Username string     `json:"username" default:"postgres" doc:"the superuser; postgres in a container"`
	CAFile   string     `json:"caFile" doc:"external only: PEM file of the CA that signed the server's certificate; the system's CAs if empty"`
	Major    int        `json:"major" doc:"major version of PostgreSQL that settings are checked against; 0: the one in server.image's tag, 16 for an external server"`
	// AlterSystem has to be said: managed servers refuse ALTER SYSTEM.
	AlterSystem bool `json:"alterSystem" doc:"external only: settings may be changed by ALTER SYSTEM, for all databases of the server"`
}

// Server is the container.
type Server struct {
	Name              string      `json:"name" doc:"container name; \"<project>-<stack>\" if empty"`
	Image             string      `json:"image" default:"postgres:16.14-alpine@sha256:57c72fd2a128e416c7fcc499958864df5301e940bca0a56f58fddf30ffc07777" doc:"image by digest"`
	CPUs              float64     `json:"cpus" default:"2" doc:"limit, in CPUs"`
	Memory            Size        `json:"memory" default:"2GiB" doc:"limit; swap is not used"`
	MemoryReservation Size        `json:"memoryReservation" default:"512MiB" doc:"what the kernel tries to leave to the container when the host is short of memory (plain Docker cannot reserve CPUs)"`
	SharedMemory      Size        `json:"sharedMemory" default:"256MiB" doc:"size of /dev/shm, used by parallel queries"`
	Restart           string      `json:"restart" default:"unless-stopped" doc:"Docker restart policy: no, on-failure, always, unless-stopped"`
	StopTimeout       Duration    `json:"stopTimeout" default:"120s" doc:"how long a fast shutdown may take before the server is killed"`
	ReadyTimeout      Duration    `json:"readyTimeout" default:"60s" doc:"how long up waits for the server to accept a login"`
	HealthCheck       HealthCheck `json:"healthCheck" doc:"Docker's health check: a login over TCP and a query"`
	Log               Log         `json:"log" doc:"rotation of the container's log"`
}

// HealthCheck is when Docker checks; what it checks is not configurable.
type HealthCheck struct {
	Interval    Duration `json:"interval" default:"10s" doc:"time between checks"`
	Timeout     Duration `json:"timeout" default:"5s" doc:"how long one check may take"`
	Retries     int      `json:"retries" default:"5" doc:"failures in a row until the container is unhealthy"`
	StartPeriod Duration `json:"startPeriod" default:"30s" doc:"time after a start in which failures do not count"`
}

// Log limits what the container may write to the host's disk.
type Log struct {
	MaxSize  Size `json:"maxSize" default:"50MiB" doc:"size at which a log file is rotated"`
	MaxFiles int  `json:"maxFiles" default:"5" doc:"how many log files are kept"`
}

// StorageType says what holds the data directory.
type StorageType string

// The types of storage.
const (
	Volume StorageType = "volume"
	Bind   StorageType = "bind"
	Tmpfs  StorageType = "tmpfs"
)

// Storage is where the data lives.
type Storage struct {
	Type    StorageType `json:"type" default:"volume" doc:"\"volume\": a named Docker volume; \"bind\": a directory of the host; \"tmpfs\": memory, lost with the container"`
	Volume  string      `json:"volume" doc:"name of the Docker volume; \"<container name>-data\" if empty"`
	Path    string      `json:"path" doc:"bind only: absolute path on the Docker host, e.g. /mnt/data/postgresql; must exist"`
	Size    Size        `json:"size" default:"1GiB" doc:"tmpfs only; counts against the memory limit"`
	Protect bool        `json:"protect" doc:"keep the data whatever happens: it is neither deleted by down nor replaced by up"`
	// Disposable says in words what fsync: off would mean.
	Disposable bool `json:"disposable" doc:"a crash may lose the data: allows fsync, full_page_writes and synchronous_commit off on a volume or bind"`
}

// Initialiser is the name of the container that initialises the data directory and ends.
func (s *Stack) Initialiser() string { return s.Server.Name + "-initdb" }

// Network is who can reach the server.
type Network struct {
	Name      string `json:"name" doc:"internal network that the API joins; the container name if empty"`
	AdminName string `json:"adminName" doc:"network of the published port; \"<container name>-admin\" if empty"`
	Subnet    string `json:"subnet" default:"172.20.0.0/16" doc:"addresses of the internal network"`
	// Outside the pools that Docker takes subnets from by itself, so that neither
	// this network nor another one gets in the way of a configured subnet.
	AdminSubnet string  `json:"adminSubnet" default:"10.220.20.0/28" doc:"addresses of the published port's network"`
	Alias       string  `json:"alias" default:"db" doc:"host name of the server on the internal network"`
	Publish     Publish `json:"publish" doc:"the port on the host"`
}

// Publish is the port on the host.
type Publish struct {
	Address string `json:"address" default:"127.0.0.1" doc:"address of the host that the port is bound to"`
	Port    int    `json:"port" default:"5433" doc:"port on the host"`
}

// TLS is the server's certificate and the private CA that signs it.
type TLS struct {
	Enabled       bool     `json:"enabled" default:"true" doc:"serve TLS"`
	Required      bool     `json:"required" doc:"refuse TCP without TLS (hostssl)"`
	Names         []string `json:"names" doc:"further DNS names or IP addresses of the server; the alias, the container name, localhost and 127.0.0.1 are always in"`
	Subject       Subject  `json:"subject" doc:"of both certificates"`
	Validity      Duration `json:"validity" default:"365d" doc:"of the server's certificate"`
	RenewBefore   Duration `json:"renewBefore" default:"30d" doc:"how long before its end the next up renews it"`
	CAValidity    Duration `json:"caValidity" default:"3650d" doc:"of the CA"`
	CARenewBefore Duration `json:"caRenewBefore" default:"400d" doc:"how long before its end the next up renews it, with the key that it has"`
	CAGeneration  int      `json:"caGeneration" default:"1" doc:"of the CA; the next number changes it for the one that clients trust already, and announces another: raise it by one, when all clients have fetched caCertificate since the last time"`
}

// Subject is the distinguished name that both certificates carry.
type Subject struct {
	Country      string `json:"country" default:"US" doc:"C of the distinguished name"`
	Province     string `json:"province" default:"MA" doc:"ST of the distinguished name"`
	Locality     string `json:"locality" default:"Salem" doc:"L of the distinguished name"`
	Organization string `json:"organization" default:"WitchCityRope" doc:"O of the distinguished name"`
}

// Database is the application's database.
type Database struct {
	Name       string      `json:"name" doc:"database name; required"`
	Schemas    []Schema    `json:"schemas" default:"[\"public\"]" doc:"schemas that exist before the first migration; a name alone is one of the owner"`
	Extensions []Extension `json:"extensions" doc:"extensions, a name alone or more; one that has to be preloaded must stand in settings.shared_preload_libraries"`
	Settings   Settings    `json:"settings" doc:"settings of sessions in this database (ALTER DATABASE SET), e.g. lock_timeout: 5s"`
}

// Access is who may do what.
type Access struct {
	Prefix            string              `json:"prefix" doc:"of all role names: <prefix>_owner, <prefix>_migrator, …; the database name if empty"`
	Generation        int                 `json:"generation" default:"1" doc:"of all passwords; the next number rotates them"`
	Generations       Generations         `json:"generations" doc:"of single passwords, by login (app, migrator, readonly, monitor, backup, health, superuser, or a login of access.roles), added to access.generation: the next number rotates that one"`
	Root              Root                `json:"root" doc:"the root secret that passwords come from"`
	Application       Application         `json:"application" doc:"what the application may do beyond reading and writing"`
	From              From                `json:"from" doc:"where each client may come from, and from nowhere else: internal (network.subnet), external (this host, through the published port), or ranges of addresses; everywhere if empty"`
	Rules             []AccessRule        `json:"rules" doc:"lines of pg_hba.conf that are tried before those made from the rest of the configuration"`
	Roles             []Role              `json:"roles" doc:"further roles, and more about those that every stack has"`
	Grants            []Grant             `json:"grants" doc:"further grants; one on the same objects to the same role takes the place of what every stack has"`
	DefaultPrivileges []DefaultPrivileges `json:"defaultPrivileges" doc:"further default privileges; those of the same owner for the same role and class take the place of what every stack has"`
	ReassignTo        string              `json:"reassignTo" doc:"who gets what dropped roles own; if empty, a role that owns something is not dropped"`
	Contract          []Assertion         `json:"contract" doc:"who must and who must not be able to do what; a preview fails where the rest of the configuration says otherwise, and access verify asks the server"`
	Settings          Sessions            `json:"settings" doc:"settings of the sessions of one login (ALTER ROLE SET)"`
}

// Sessions are the settings that sessions begin with, by login. The owner is
// none: nobody logs in as it, and the migrator, who acts as it, keeps its own.
type Sessions struct {
	App      Settings `json:"app" doc:"the API's logins, e.g. statement_timeout: 30s"`
	Migrator Settings `json:"migrator" doc:"the migration step, e.g. lock_timeout: 5s"`
	ReadOnly Settings `json:"readonly" doc:"people and reports, e.g. default_transaction_read_only: on"`
	Monitor  Settings `json:"monitor" doc:"the exporter"`
	Backup   Settings `json:"backup" doc:"pg_dump"`
	Health   Settings `json:"health" doc:"Docker's health check"`
}

// SessionsOf are the settings of one login, which is called as in clients.
type SessionsOf struct {
	Client   string
	Settings Settings
}

// List has every login, in the order of the fields.
func (s Sessions) List() []SessionsOf {
	return []SessionsOf{
		{"app", s.App}, {"migrator", s.Migrator}, {"readonly", s.ReadOnly},
		{"monitor", s.Monitor}, {"backup", s.Backup}, {"health", s.Health},
	}
}

// Assertion is one cell of the access contract.
type Assertion struct {
	Role    string `json:"role" doc:"a client (app, migrator, readonly, monitor, backup, health), everybody, or the name of a role"`
	Verb    string `json:"verb" doc:"a privilege as GRANT names it; OWN for altering and dropping, SET for SET ROLE"`
	On      string `json:"on" doc:"tables, tables in auth, new tables in auth, table auth.users, and so for sequences, functions and types; schema auth, database shop, large objects, role shop_owner"`
	Allowed bool   `json:"allowed" doc:"true: at once, with CONNECT and USAGE of the schema; false: not even by SET ROLE"`
}

// Application is what the application's logins may do beyond SELECT, INSERT, UPDATE and DELETE.
type Application struct {
	Truncate        bool `json:"truncate" doc:"TRUNCATE tables (Respawn needs it)"`
	CreateDatabases bool `json:"createDatabases" doc:"create databases from a template, and connect to them, as the migration step then may"`
}

// Clients is what each client of the database is handed.
type Clients struct {
	RootCertificate string `json:"rootCertificate" default:"/etc/ssl/certs/witchcityrope-database-ca.crt" doc:"where inside the network clients find the CA: Root Certificate= of the internal Npgsql strings"`
	App             Pool   `json:"app" doc:"the API" default:"{\"maxPoolSize\":20}"`
	Jobs            Pool   `json:"jobs" doc:"background jobs, which log in as the API does and have a pool of their own; none without a maxPoolSize"`
	Migrator        Pool   `json:"migrator" doc:"the migration step" default:"{\"maxPoolSize\":5}"`
	ReadOnly        Pool   `json:"readonly" doc:"people and reports" default:"{\"maxPoolSize\":5}"`
	Monitor         Pool   `json:"monitor" doc:"the exporter" default:"{\"maxPoolSize\":3}"`
	Backup          Pool   `json:"backup" doc:"pg_dump" default:"{\"maxPoolSize\":3}"`
	Reserve         int    `json:"reserve" default:"5" doc:"connections left to administrators, beside superuser_reserved_connections; from PostgreSQL 16 on they, and those of monitor, backup and the health check, are reserved (reserved_connections)"`
}

// Pool is the connection pool of one client (Npgsql's keywords).
type Pool struct {
	Replicas           int  `json:"replicas" default:"1" doc:"processes that have such a pool"`
	Pooling            bool `json:"pooling" default:"true" doc:"Npgsql's Pooling"`
	MinPoolSize        int  `json:"minPoolSize" doc:"Npgsql's Minimum Pool Size"`
	MaxPoolSize        int  `json:"maxPoolSize" doc:"Npgsql's Maximum Pool Size"`
	ConnectionLifetime int  `json:"connectionLifetime" doc:"Npgsql's Connection Lifetime, in seconds; 0 for ever"`
}

// Connections is how many connections the client may hold at once.
func (p Pool) Connections() int { return p.Replicas * p.MaxPoolSize }

// complete fills in what follows from other values.
func (s *Stack) complete() {
	orElse := func(value *string, fallback string) {
		if *value == "" {
			*value = fallback
		}
	}
	orElse(&s.Server.Name, fmt.Sprintf("%s-%s", s.Project, s.Name))
	orElse(&s.Storage.Volume, s.Server.Name+"-data")
	orElse(&s.Network.Name, s.Server.Name)
	orElse(&s.Network.AdminName, s.Server.Name+"-admin")
	orElse(&s.Backup.Volume, s.Server.Name+"-backups")
	orElse(&s.Access.Prefix, s.Database.Name)
	s.reserve()
}

// DataDirectory is the name of the data directory in the storage: not its
// root, which may be that of a file system and hold lost+found.
const DataDirectory = "pgdata"

// LocalDir is where a stack's files of this machine are, below the project's
// folder; nothing in it is committed.
func LocalDir(stack string) string { return ".wcrdb/" + stack }

// CAFile is where wcrdb keeps the stack's CA on the host, below the project's folder.
func (s *Stack) CAFile() string { return LocalDir(s.Name) + "/ca.crt" }

// Host and Port are where administrators and this program reach the server.
func (s *Stack) Host() string {
	if s.Target.Type == External {
		return s.Target.Host
	}
	return s.Network.Publish.Address
}

// Port is the TCP port at Host.
func (s *Stack) Port() int {
	if s.Target.Type == External {
		return s.Target.Port
	}
	return s.Network.Publish.Port
}
