package catalogue

// Context says who may change a setting, and when (manual, section 54.24, pg_settings).
type Context string

// The contexts, from the one that nobody changes to the one that every session may.
const (
	Internal         Context = "internal"          // fixed by the build or by initdb
	Postmaster       Context = "postmaster"        // when the server starts
	Sighup           Context = "sighup"            // reload, for the whole server
	SuperuserBackend Context = "superuser-backend" // reload, for sessions that begin afterwards; a superuser's at their start
	Backend          Context = "backend"           // reload, for sessions that begin afterwards; any session's at its start
	Superuser        Context = "superuser"         // reload; a superuser in his session; a role or a database
	User             Context = "user"              // reload; any session; a role or a database
)

// PerRole reports whether ALTER ROLE and ALTER DATABASE may set it: what a session can only be started
// with, they refuse (guc.c, set_config_option: "cannot be set after connection start").
func (c Context) PerRole() bool { return c == Superuser || c == User }

// Type is the type of a setting's value.
type Type string

// The types (manual, section 20.1.1).
const (
	Bool    Type = "bool"
	Integer Type = "integer"
	Real    Type = "real"
	Enum    Type = "enum"
	String  Type = "string"
)

// builds are the values that an enumeration has only where the server was built with a library: the
// official images have lz4 and zstd, those of 18 liburing (guc_tables.c: USE_LZ4, USE_ZSTD, IOMETHOD_IO_URING).
var builds = map[string][]string{
	"default_toast_compression": {"lz4"},
	"io_method":                 {"io_uring"},
	"wal_compression":           {"lz4", "zstd"},
}

// Optional are the libraries that a server has only where it was built with what they need (manual, section
// 17.3.3: --with-perl, --with-python, --with-tcl, --with-selinux).
var Optional = []string{"plperl", "plpython3", "pltcl", "sepgsql"}

// Setting is a row of pg_settings.
type Setting struct {
	Name        string
	Context     Context
	Type        Type
	Unit        string            `json:",omitempty"` // what a number without a unit counts; 8kB, kB, MB, B, ms, s, min
	Min         string            `json:",omitempty"`
	Max         string            `json:",omitempty"`
	Values      []string          `json:",omitempty"` // of an enumeration
	Synonyms    map[string]string `json:",omitempty"` // words that an enumeration accepts without listing them, and what they mean
	BuildValues []string          `json:"-"`          // further values, of servers that are built with what they need
	Words       []string          `json:"-"`          // of which a string is a list
	Default     string            // built in; initdb may write another one into postgresql.conf
	Category    string
	Description string
	Library     string `json:",omitempty"` // of an extension; empty for the server's own
	Fixed       bool   `json:",omitempty"` // ALTER SYSTEM refuses it whatever the value
}
