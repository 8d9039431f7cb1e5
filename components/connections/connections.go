// Package connections says how each client reaches the database: in Npgsql's
// form, as a libpq URI and field by field.
package connections

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/password"
)

// internalPort is PostgreSQL's own, inside the network.
const internalPort = 5432

// Connection is one way in for one client. Npgsql, URI and Password are secret.
type Connection struct {
	Npgsql   string
	URI      string
	Host     string
	Port     int
	Database string
	Username string
	Password string
}

// Map is the connection as the outputs have it.
func (c Connection) Map() map[string]any {
	return map[string]any{
		"npgsql": c.Npgsql, "uri": c.URI, "host": c.Host, "port": c.Port,
		"database": c.Database, "username": c.Username, "password": c.Password,
	}
}

// Environment are the variables that a container of the client is started with.
func (c Connection) Environment() map[string]string {
	return map[string]string{
		"ConnectionStrings__DefaultConnection": c.Npgsql,
		"DB_HOST":                              c.Host,
		"DB_PORT":                              strconv.Itoa(c.Port),
		"DB_NAME":                              c.Database,
		"DB_USER":                              c.Username,
		"DB_PASSWORD":                          c.Password,
	}
}

// Client has the two ways in: from inside the database network, and from the host.
type Client struct {
	Name               string
	Internal, External Connection
}

// NewPlan lists the clients in the order of the documentation, then the logins
// that the stack declares.
func NewPlan(stack *config.Stack, derivation *password.Derivation) []Client {
	names := stack.Access.Names()
	type login struct {
		client, role string
		pool         config.Pool
	}
	logins := []login{
		{"app", names.App(), stack.Clients.App}, {"migrator", names.Migrator, stack.Clients.Migrator}, {"readonly", names.ReadOnly, stack.Clients.ReadOnly},
		{"monitor", names.Monitor, stack.Clients.Monitor}, {"backup", names.Backup, stack.Clients.Backup},
	}
	if stack.Clients.Jobs.Connections() > 0 {
		logins = append(logins, login{"jobs", names.App(), stack.Clients.Jobs})
	}
	for _, role := range stack.Access.DeclaredLogins() {
		logins = append(logins, login{role.Name, role.Name, config.Pool{Pooling: true, MaxPoolSize: max(0, role.ConnectionLimit)}})
	}
	var clients []Client
	for _, login := range logins {
		connect := func(host string, port int, rootCertificate string) Connection {
			connection := Connection{
				Host: host, Port: port, Database: stack.Database.Name,
				Username: login.role, Password: derivation.Password(login.role, names.Generation(login.role)),
			}
			connection.Npgsql = npgsql(connection, stack, login.pool, rootCertificate)
			connection.URI = uri(connection, stack)
			return connection
		}
		external := connect(stack.Host(), stack.Port(), stack.CAFile())
		internal := external
		if stack.Target.Type == config.Container {
			internal = connect(stack.Network.Alias, internalPort, stack.Clients.RootCertificate)
		}
		clients = append(clients, Client{Name: login.client, Internal: internal, External: external})
	}
	return clients
}

// npgsql writes Npgsql's form (keywords of Npgsql 9). Only the name of a declared
// login may need quoting: other names are plain identifiers, and passwords
// letters and digits.
func npgsql(c Connection, stack *config.Stack, pool config.Pool, rootCertificate string) string {
	pairs := []string{
		"Host=" + c.Host, fmt.Sprintf("Port=%d", c.Port), "Database=" + c.Database, "Username=" + quoted(c.Username), "Password=" + c.Password,
	}
	if encrypted(stack) {
		pairs = append(pairs, "SSL Mode=VerifyFull")
		if stack.Target.Type == config.Container {
			pairs = append(pairs, "Root Certificate="+rootCertificate)
		} else if stack.Target.CAFile != "" {
			pairs = append(pairs, "Root Certificate="+stack.Target.CAFile)
		}
	} else {
		pairs = append(pairs, "SSL Mode=Disable")
	}
	switch {
	case pool.Pooling && pool.MaxPoolSize == 0: // nothing is said of it
		pairs = append(pairs, "Pooling=true")
	case pool.Pooling:
		pairs = append(pairs, "Pooling=true", fmt.Sprintf("Minimum Pool Size=%d", pool.MinPoolSize),
			fmt.Sprintf("Maximum Pool Size=%d", pool.MaxPoolSize), fmt.Sprintf("Connection Lifetime=%d", pool.ConnectionLifetime))
	default:
		pairs = append(pairs, "Pooling=false")
	}
	return strings.Join(pairs, ";")
}

// quoted is a value as .NET's DbConnectionStringBuilder reads it.
func quoted(value string) string {
	if value == strings.TrimSpace(value) && !strings.ContainsAny(value, `;"'=`) {
		return value
	}
	return `"` + strings.ReplaceAll(value, `"`, `""`) + `"`
}

// uri writes libpq's form (manual, section 34.1.1.2), without a file's path:
// the client's PGSSLROOTCERT says where the CA is.
func uri(c Connection, stack *config.Stack) string {
	mode := "disable"
	if encrypted(stack) {
		mode = "verify-full"
	}
	address := url.URL{
		Scheme: "postgresql", User: url.UserPassword(c.Username, c.Password),
		Host: net.JoinHostPort(c.Host, strconv.Itoa(c.Port)), Path: c.Database, RawQuery: "sslmode=" + mode,
	}
	return address.String()
}

func encrypted(stack *config.Stack) bool {
	return stack.TLS.Enabled || stack.Target.Type == config.External
}
